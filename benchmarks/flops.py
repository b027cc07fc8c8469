"""How much each system computes for one radiograph, by PyTorch's counter of operations.

    python benchmarks/flops.py [--record]

At true size, one picture, eval mode, with texts or queries already embedded; beside it one
training step for one pair (forward and backward; MaCo with half of the patches removed). A fused
multiply-add counts as two.
"""

import argparse
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from carina.encoders.masking import draw_masks
from carina.encoders.resnet import ResNetConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.encoders.vit import ViTConfig
from carina.pretraining.contrast import ContrastConfig, ContrastModel
from carina.pretraining.kad import KADConfig, KADModel
from carina.pretraining.maco import MaCoConfig, MaCoModel
from carina.pretraining.maco_objective import MaCoLosses, MaCoObjective
from carina.pretraining.medklip import MedKLIPConfig, MedKLIPModel
from carina.pretraining.two_encoders import TwoEncoders
from carina.zeroshot.protocol import Query
from row import record

QUERIES = tuple(Query(name) for name in ("pneumothorax", "nodule", "pleural effusion"))
WORDS = [query.name for query in QUERIES] + ["there is no . evidence of the lung is clear"]


def flops(work: Callable[[], object]) -> int:
    """Floating-point operations of one call."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def answering(model: nn.Module) -> int:
    """One picture asked about three findings whose texts are embedded."""
    model.eval()
    queries = model.encode_queries(QUERIES)
    side, channels = model.preprocessing.size, model.preprocessing.channels
    picture = torch.zeros(1, channels, side, side)
    if isinstance(model, TwoEncoders):  # the counter does not see packed convolutions
        model._fused.of = lambda module: module
    with torch.no_grad():
        return flops(lambda: model.answer(picture, queries))


def maco_step(model: MaCoModel) -> int:
    """Forward and backward for one pair, 448 px guessed, a report of 100 tokens."""
    text = " ".join(["clear"] * 200)
    objective = MaCoObjective(model, [(text,)], MaCoLosses())
    masks = draw_masks(seed=0, step=0, places=range(1), patches=196, kept=98)

    def step() -> Tensor:
        terms = objective.terms(torch.zeros(1, 3, 448, 448), masks, [(text,)], first=0)
        total = torch.stack([term.sum for term in terms.values()]).sum()
        total.backward()
        return total

    return flops(step)


def main() -> None:
    """Counts and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    tokenizer = train_wordpiece(WORDS, 200)
    systems: dict[str, nn.Module] = {
        "kad_paper": KADModel.from_config(KADConfig(), tokenizer),
        "kad_paper_vit": KADModel.from_config(KADConfig(image=ViTConfig()), tokenizer),
        "medklip_paper": MedKLIPModel.from_config(MedKLIPConfig(), tokenizer),
        "convirt_paper": ContrastModel.from_config(
            ContrastConfig(image=ResNetConfig(depths=(3, 4, 6, 3), widths=(64, 128, 256, 512))),
            tokenizer,
        ),
        "maco_paper": MaCoModel.from_config(MaCoConfig(), tokenizer),
    }
    for name, model in systems.items():
        row = {
            "system": name,
            "parameters_m": round(sum(p.numel() for p in model.parameters()) / 1e6, 1),
            "answer_gflops": round(answering(model) / 1e9, 2),
            "step_gflops": (
                round(maco_step(model) / 1e9, 1) if isinstance(model, MaCoModel) else ""
            ),
        }
        print(row, flush=True)
        if options.record:
            record("flops", row)


if __name__ == "__main__":
    main()
