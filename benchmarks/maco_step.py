"""A training step of MaCo at true size: ours against the published arrangement, in one run.

    python benchmarks/maco_step.py [--batch 2] [--rounds 3] [--bf16] [--record]

The two take turns (forward and backward, 448 px guessed, half of the patches removed, reports of
100 tokens, dropout off, random weights); losses are checked to be equal. CPU time, medians.
`--bf16` lets ours run in bfloat16 autocast, the published one stays in float32.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor

from carina.encoders.masking import draw_masks
from carina.encoders.tokenizer import train_wordpiece
from carina.pretraining.maco import MaCoConfig, MaCoModel
from carina.pretraining.maco_objective import MaCoLosses, MaCoObjective
from plain_maco import PlainMaCo
from row import record

SEED = 0


def seconds(model: torch.nn.Module, step: Callable[[], Tensor]) -> tuple[float, float]:
    """Forward and backward; the loss."""
    model.zero_grad(set_to_none=True)
    start = time.process_time()
    loss = step()
    loss.backward()
    return time.process_time() - start, loss.item()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    words = "no pleural effusion or pneumothorax . heart size is normal . lungs are clear"
    model = MaCoModel.from_config(MaCoConfig(), train_wordpiece([words], 400))
    texts = [" ".join([words] * 8 + [str(row)]) for row in range(options.batch)]
    tokens = model.text_encoder.tokenize(texts)
    assert tokens.ids.shape[1] == model.max_tokens
    objective = MaCoObjective(model, [(text,) for text in texts], MaCoLosses()).eval()
    plain = PlainMaCo(model).eval()
    pictures = torch.randn(options.batch, 3, 448, 448)
    masks = draw_masks(seed=0, step=0, places=range(options.batch), patches=196, kept=98)
    half = torch.autocast("cpu", torch.bfloat16) if options.bf16 else nullcontext()

    def ours() -> Tensor:
        with half:
            terms = objective.terms(pictures, masks, [texts], first=0)
        return torch.stack([t.weight * t.sum / t.count for t in terms.values()]).sum()

    def published() -> Tensor:
        return plain.loss(pictures, masks, tokens.ids.tolist())

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
        record("maco_step", row)


if __name__ == "__main__":
    main()
