"""What the benchmarks of the bootstrap share: made-up scores and the words of the command line."""

import argparse
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured if nothing else is asked for."""

    images: int
    findings: int
    plain: int  # replicates of the plain way


def options_of(description: str, size: Size) -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--images", type=int, default=size.images)
    parser.add_argument("--findings", type=int, default=size.findings)
    parser.add_argument("--replicates", type=int, default=1_000)
    parser.add_argument("--plain", type=int, default=size.plain, help="replicates the plain way")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true")
    return parser.parse_args()


def asked(options: argparse.Namespace) -> dict[str, object]:
    """The first columns of a row."""
    return {
        "images": options.images,
        "findings": options.findings,
        "replicates": options.replicates,
        "seed": options.seed,
        "runs": options.runs,
    }


def tied_scores(
    options: argparse.Namespace, *, rarest: float, commonest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of three decimals, so with many ties, and the truth; [images, findings] each."""
    generator = np.random.default_rng(options.seed)
    shares = np.geomspace(rarest, commonest, options.findings)
    truth = (generator.random((options.images, options.findings)) < shares).astype(float)
    scores = (0.7 * generator.random((options.images, options.findings)) + 0.3 * truth).round(3)
    return scores, truth
