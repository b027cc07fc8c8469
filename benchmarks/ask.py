"""Asking 14 findings about one image: ours against the plain way, in one run.

    python benchmarks/ask.py [--size 224] [--findings 14] [--rounds 30] [--threads 2] [--record]

CPU time, medians over rounds in which the two take turns: other work on the machine
does not count, waiting threads do. True size: ResNet-50 up to layer 3,
four decoder layers, 768 wide. Text features are given on both sides.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from carina.encoders.text import TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.pretraining.kad import KADConfig, KADModel
from carina.zeroshot.protocol import Query
from plain_kad import PlainKAD
from row import record

SEED = 0


def timed(work: Callable[[], object]) -> float:
    """Milliseconds that it takes."""
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--findings", type=int, default=14)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    # The text tower is small: its features are given, it takes no part in what is timed.
    text = TextEncoderConfig(layers=1, vocabulary=100)
    model = KADModel.from_config(KADConfig(text=text), train_wordpiece(["finding"], 100)).eval()
    plain = PlainKAD(model).eval()
    queries = model.encode_queries([Query(f"finding {n}") for n in range(options.findings)])
    features = queries.features["text"]
    image = torch.randn(1, 3, options.size, options.size)

    @torch.no_grad()
    def the_plain_way() -> torch.Tensor:
        return plain.ask(plain.encode(image), features)[0].softmax(-1)[..., 1]

    def ours() -> torch.Tensor:
        return model.answer(image, queries).scores

    difference = (ours() - the_plain_way()).abs().max().item()
    pairs = [(timed(the_plain_way), timed(ours)) for _ in range(options.rounds)]
    before, after = (statistics.median(column) for column in zip(*pairs, strict=True))
    spread = statistics.quantiles([first / second for first, second in pairs], n=4)
    print(f"plain {before:.1f} ms, ours {after:.1f} ms, {before / after:.2f} times faster")
    print(
        f"quartiles of the ratio {spread[0]:.2f} to {spread[2]:.2f}; "
        f"scores differ by {difference:.1e}"
    )
    if options.record:
        record(
            "ask",
            {
                "size": options.size,
                "findings": options.findings,
                "threads": options.threads,
                "rounds": options.rounds,
                "seed": SEED,
                "plain_cpu_ms": round(before, 1),
                "ours_cpu_ms": round(after, 1),
                "ratio": round(before / after, 2),
                "ratio_quartiles": f"{spread[0]:.2f}-{spread[2]:.2f}",
                "largest_difference": f"{difference:.1e}",
            },
        )


if __name__ == "__main__":
    main()
