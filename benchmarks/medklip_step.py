"""A training step of MedKLIP at true size: ours against the published arrangement, in one run.

    python benchmarks/medklip_step.py [--batch 8] [--rounds 3] [--threads 2] [--bf16] [--record]

The two take turns (forward and backward, 224 px, 75 queries, 51 positions, dropout on, texts
given): the published arrangement in float32, and ours in float32 or with bf16 autocast. CPU time,
medians. Where a processor has no instructions for bf16, autocast makes it far slower: the row
says which it was.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from carina.encoders.text import TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.imaging.augmentation import NoAugmentation
from carina.imaging.preprocessing import Squash
from carina.losses.position import NO_CHOICE
from carina.pretraining.medklip import MedKLIPModel
from carina.pretraining.medklip_objective import Drawn, MedKLIPLosses, MedKLIPObjective
from carina.recipes.medklip import TRUE_SIZE
from carina.studies.batches import ImageBatch
from plain_medklip import PlainMedKLIP
from row import record

SEED, FINDINGS, POSITIONS, SIZE, CHOICES, WIDTH = 0, 75, 51, 224, 8, 768
KNOWN, PRESENT = 0.15, 0.07  # shares of labels, about those of MIMIC-CXR


class GivenTargets:
    """Labels and positions that are the same at every step."""

    def __init__(self, labels: Tensor, index: Tensor) -> None:
        row, finding = torch.nonzero(labels == 1, as_tuple=True)
        given = index[row, finding]
        rest = torch.full((len(given), POSITIONS - CHOICES), NO_CHOICE)
        choices = torch.cat([given, rest], 1)
        self.drawn = Drawn(labels=labels, row=row, finding=finding, choices=choices)

    def draw(self, batch: ImageBatch) -> Drawn:
        """The same."""
        return self.drawn


def made_up_model() -> MedKLIPModel:
    """True size but for the text encoder, whose embeddings are given."""
    text = TextEncoderConfig(layers=1, vocabulary=100, width=WIDTH)
    return MedKLIPModel.from_config(
        replace(TRUE_SIZE, text=text), train_wordpiece(["finding"], 100)
    )


def our_batch(batch: int) -> ImageBatch:
    """Stored pictures."""
    return ImageBatch(
        pixels=torch.randint(0, 256, (batch, 1, SIZE, SIZE)).to(torch.uint8),
        sizes=torch.full((batch, 2), SIZE),
        rows=torch.arange(batch),
        names=tuple(str(row) for row in range(batch)),
        seed=SEED,
        step=0,
        places=range(batch),
        batch_size=batch,
    )


def seconds(module: torch.nn.Module, step: Callable[[], Tensor], bf16: bool) -> float:
    """Forward and backward."""
    module.zero_grad()
    start = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = step()
    loss.backward()
    return time.process_time() - start


def bf16_instructions() -> str:
    """Those that this processor has."""
    flags = Path("/proc/cpuinfo").read_text().split()
    return " ".join(sorted({"avx512_bf16", "amx_bf16"} & set(flags))) or "none"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="ours with bf16 autocast")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    model = made_up_model()
    drawn = torch.rand(options.batch, FINDINGS)
    labels = torch.where(drawn < PRESENT, 1, torch.where(drawn < KNOWN, 0, -1))
    index = torch.rand(options.batch, FINDINGS, POSITIONS).argsort(-1)[..., :CHOICES]
    texts, positions = torch.randn(FINDINGS, WIDTH), torch.randn(POSITIONS, WIDTH) / 10
    plain = PlainMedKLIP(model).train()
    losses = MedKLIPLosses(augmentation=NoAugmentation(resize=Squash()))
    objective = MedKLIPObjective(model, texts, positions, GivenTargets(labels, index), losses)
    images, batch = torch.randn(options.batch, 3, SIZE, SIZE), our_batch(options.batch)

    def published() -> Tensor:
        return plain.loss(images, texts, positions, labels, index)

    def ours() -> Tensor:
        terms = objective.losses(batch).values()
        return torch.stack([term.weight * term.sum / term.count for term in terms]).sum()

    def measured(bf16: bool) -> tuple[float, float]:
        return seconds(plain, published, False), seconds(objective, ours, bf16)

    measured(False)  # warm up
    rounds = [measured(options.bf16) for _ in range(options.rounds)]
    before, after = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = [first / second for first, second in rounds]
    row: dict[str, object] = {
        "batch": options.batch,
        "threads": options.threads,
        "rounds": options.rounds,
        "seed": SEED,
        "ours_in": "bf16 autocast" if options.bf16 else "fp32",
        "bf16_instructions": bf16_instructions(),
        "published_fp32_cpu_s": round(before, 2),
        "ours_cpu_s": round(after, 2),
        "times_faster": round(statistics.median(ratios), 2),
        "times_faster_range": f"{min(ratios):.2f}-{max(ratios):.2f}",
    }
    for name, value in row.items():
        print(f"{name:<28} {value}")
    if options.record:
        record("medklip_step", row)


if __name__ == "__main__":
    main()
