"""Asking MedKLIP about one image: 75 findings against one, ours against the plain way.

    python benchmarks/medklip_ask.py [--rounds 20] [--threads 2] [--record]

CPU time, medians over rounds in which the three take turns. True size: ResNet-50 up to layer 3,
224 px, four decoder layers, 256 wide. Text features are given on both sides.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from carina.zeroshot.protocol import Query
from medklip_step import FINDINGS, SEED, SIZE, made_up_model
from plain_medklip import PlainMedKLIP
from row import record


def timed(work: Callable[[], object]) -> float:
    """Milliseconds that it takes."""
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    model = made_up_model().eval()
    plain = PlainMedKLIP(model).eval()
    names = [Query(f"finding {n}", f"text {n}") for n in range(FINDINGS)]
    many, one = model.encode_queries(names), model.encode_queries(names[:1])
    texts, image = many.features["text"], torch.randn(1, 3, SIZE, SIZE)

    @torch.no_grad()
    def the_plain_way() -> torch.Tensor:
        features, _ = plain.ask(plain.encode(image), texts)
        return plain.existence(features).softmax(-1)[..., 1]

    def ours() -> torch.Tensor:
        return model.answer(image, many).scores

    def ours_of_one() -> torch.Tensor:
        return model.answer(image, one).scores

    ways = (the_plain_way, ours, ours_of_one)
    difference = (ours() - the_plain_way()).abs().max().item()
    ours_of_one()
    rounds = [[timed(way) for way in ways] for _ in range(options.rounds)]
    before, all_of_them, single = (
        statistics.median(column) for column in zip(*rounds, strict=True)
    )
    shares = statistics.quantiles([r[1] / r[2] for r in rounds], n=4)
    row = {
        "threads": options.threads,
        "rounds": options.rounds,
        "seed": SEED,
        "plain_75_cpu_ms": round(before, 1),
        "ours_75_cpu_ms": round(all_of_them, 1),
        "ours_1_cpu_ms": round(single, 1),
        "of_one": round(statistics.median(r[1] / r[2] for r in rounds), 2),
        "of_one_quartiles": f"{shares[0]:.2f}-{shares[2]:.2f}",
        "times_faster": round(statistics.median(r[0] / r[1] for r in rounds), 2),
        "largest_difference": f"{difference:.1e}",
    }
    for name, value in row.items():
        print(f"{name:<28} {value}")
    if options.record:
        record("medklip_ask", row)


if __name__ == "__main__":
    main()
