"""A training step of ECAMP at true size: ours against the published arrangement, in one run.

    python benchmarks/ecamp_step.py [--batch 2] [--words 256] [--rounds 3] [--bf16] [--record]

The two take turns (forward and backward, 448 px guessed, three quarters of the patches removed, 12
layers, dropout off, random weights) on the paper's losses; losses are checked to be equal. Texts
have `--words` tokens of 256, three quarters of them masked; the plain way pads them to 256. CPU
time, medians. `--bf16` lets ours run in bfloat16 autocast, the published one stays in float32.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor

from carina.encoders.masking import draw_masks
from carina.encoders.tokenizer import train_wordpiece
from carina.pretraining.ecamp import ECAMPConfig, ECAMPModel
from carina.pretraining.ecamp_objective import ECAMPLosses, ECAMPObjective, Everywhere
from carina.pretraining.masked_text import MaskedTextBatch, MaskedTextConfig, MaskedTexts
from carina.pretraining.text_composition import TrainingText
from plain_ecamp import PlainECAMP
from row import record

SEED = 0
WORDS = "no pleural effusion or pneumothorax . heart size is normal . lungs are clear"


def seconds(model: torch.nn.Module, step: Callable[[], Tensor]) -> tuple[float, float]:
    """Forward and backward; the loss."""
    model.zero_grad(set_to_none=True)
    start = time.process_time()
    loss = step()
    loss.backward()
    return time.process_time() - start, loss.item()


def padded(texts: MaskedTextBatch, width: int) -> MaskedTextBatch:
    """The texts with padding to a width."""
    more = width - texts.ids.shape[1]
    fields = ("ids", "originals", "attention", "weights", "chosen")
    made = {name: torch.nn.functional.pad(getattr(texts, name), (0, more)) for name in fields}
    return replace(texts, **made)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--words", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    model = ECAMPModel.from_config(ECAMPConfig(), train_wordpiece([WORDS], 400))
    text = TrainingText(report=" ".join([WORDS] * 40))
    config = MaskedTextConfig(length=options.words)
    made = MaskedTexts(model.tokenizer, [text] * options.batch, config)
    texts = made.of(torch.arange(options.batch), range(options.batch), seed=0, step=0)
    assert texts.ids.shape[1] == options.words
    objective = ECAMPObjective(model, made, ECAMPLosses(), Everywhere()).eval()
    plain = PlainECAMP(model).eval()
    pictures = torch.randn(options.batch, 3, 448, 448)
    window = torch.rand(options.batch, 1, 448, 448)
    masks = draw_masks(seed=0, step=0, places=range(options.batch), patches=196, kept=49)
    half = torch.autocast("cpu", torch.bfloat16) if options.bf16 else nullcontext()

    def ours() -> Tensor:
        with half:
            _, terms = objective.terms(pictures, masks, texts, window)
        return torch.stack([t.weight * t.sum / t.count for t in terms.values()]).sum()

    def published() -> Tensor:
        return plain.loss(pictures, masks, padded(texts, 256), window)

    steps = {"published": published, "ours": ours}
    losses = {name: seconds(plain, step)[1] for name, step in steps.items()}  # warm up
    print(losses)
    rounds = [
        {name: seconds(plain, step)[0] for name, step in steps.items()}
        for _ in range(options.rounds)
    ]
    medians = {name: statistics.median(row[name] for row in rounds) for name in steps}
    faster = [row["published"] / row["ours"] for row in rounds]
    row = {
        "batch": options.batch,
        "words": options.words,
        "threads": options.threads,
        "rounds": options.rounds,
        "precision": "bf16" if options.bf16 else "fp32",
        "seed": SEED,
        **{f"{name}_cpu_s": round(value, 2) for name, value in medians.items()},
        "times_faster": round(statistics.median(faster), 2),
        "times_faster_range": f"{min(faster):.2f}-{max(faster):.2f}",
        "loss_difference": f"{abs(losses['published'] - losses['ours']):.1e}",
    }
    print(row)
    if options.record:
        record("ecamp_step", row)


if __name__ == "__main__":
    main()
