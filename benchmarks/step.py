"""A training step at true size: ours against the published arrangement, in one run.

    python benchmarks/step.py [--batch 8] [--rounds 3] [--threads 2] [--record]

Three steps take turns (forward and backward, float32, 224 px, 41 prompts, dropout on, frozen
BERT-base): the published arrangement, which embeds prompts and reports padded to 256 tokens at
every step; the same with all text features given; and ours. CPU time, medians.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from carina.encoders.tokenizer import train_wordpiece
from carina.imaging.augmentation import NoAugmentation
from carina.imaging.preprocessing import Squash
from carina.pretraining.kad import KADConfig, KADModel
from carina.pretraining.kad_objective import BothMemories, KADLosses, KADObjective
from carina.pretraining.pair_contrast import ScaledDotContrast
from carina.pretraining.text_side import FrozenText
from carina.studies.batches import ImageBatch
from plain_kad import PlainKAD, padded
from row import record

SEED, PROMPTS, SIZE = 0, 41, 224


def plain_loss(
    plain: PlainKAD, images: Tensor, texts: tuple[Tensor, Tensor], labels: Tensor
) -> Tensor:
    """The published step from text features on."""
    queries, reports = texts
    tokens = plain.encode(images)
    total = torch.zeros(())
    for memory in (tokens, reports.unsqueeze(1)):
        logits, _ = plain.ask(memory, queries)
        total = total + F.cross_entropy(logits.flatten(0, 1), labels.flatten())
    logits = math.log(1 / 0.07) * tokens.mean(1) @ reports.T
    rows = torch.arange(len(images))
    return total + (F.cross_entropy(logits, rows) + F.cross_entropy(logits.T, rows)) / 2


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


def seconds(model: torch.nn.Module, step: Callable[[], Tensor]) -> float:
    """Forward and backward."""
    model.zero_grad()
    start = time.process_time()
    step().backward()
    return time.process_time() - start


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    model = KADModel.from_config(KADConfig(), train_wordpiece(["finding"], 100))
    labels = torch.randint(0, 2, (options.batch, PROMPTS))
    prompts, reports = padded(PROMPTS, 5), padded(options.batch, 60)
    with torch.no_grad():
        texts = (model.text_encoder(prompts), model.text_encoder(reports))
    objective = KADObjective(
        model,
        FrozenText(*texts, torch.arange(options.batch)),
        labels,
        KADLosses(
            augmentation=NoAugmentation(resize=Squash()),
            memory=BothMemories(),
            contrast=ScaledDotContrast(),
        ),
    )
    plain = PlainKAD(model)
    images, batch = torch.randn(options.batch, 3, SIZE, SIZE), our_batch(options.batch)

    def published() -> Tensor:
        plain.train()
        embedded = (plain.embed(prompts.ids, prompts.mask), plain.embed(reports.ids, reports.mask))
        return plain_loss(plain, images, embedded, labels)

    def given() -> Tensor:
        return plain_loss(plain.train(), images, texts, labels)

    def ours() -> Tensor:
        objective.train()
        terms = objective.losses(batch).values()
        return torch.stack([term.weight * term.sum / term.count for term in terms]).sum()

    steps = {"published": published, "given": given, "ours": ours}
    for step in (given, ours):
        seconds(plain, step)  # warm up
    rounds = [
        {name: seconds(plain, step) for name, step in steps.items()} for _ in range(options.rounds)
    ]
    medians = {name: statistics.median(row[name] for row in rounds) for name in steps}
    speedups = [row["published"] / row["ours"] for row in rounds]
    shares = [row["ours"] / row["given"] for row in rounds]
    print({name: round(value, 2) for name, value in medians.items()})
    print(
        f"{statistics.median(speedups):.1f} times faster ({min(speedups):.1f}-{max(speedups):.1f})"
    )
    print(f"{statistics.median(shares):.2f} of given ({min(shares):.2f}-{max(shares):.2f})")
    if options.record:
        record(
            "step",
            {
                "batch": options.batch,
                "threads": options.threads,
                "rounds": options.rounds,
                "seed": SEED,
                **{f"{name}_cpu_s": round(value, 2) for name, value in medians.items()},
                "times_faster": round(statistics.median(speedups), 1),
                "times_faster_range": f"{min(speedups):.1f}-{max(speedups):.1f}",
                "of_given": round(statistics.median(shares), 2),
                "of_given_range": f"{min(shares):.2f}-{max(shares):.2f}",
            },
        )


if __name__ == "__main__":
    main()
