"""The contrast of places and words: ours against the published arrangement, in one run.

    python benchmarks/local_alignment.py [--batch 16] [--rounds 5] [--threads 1] [--record]

CPU time of the likeness of all pairs with its gradient, medians over rounds in which the two take
turns. True sizes: 361 places, 768 wide. The published code takes caption by caption, each with a
copy of its words for every image.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from carina.losses.local_alignment import SummedWords, local_likeness
from row import record

SEED = 0
CELLS, DIM = 361, 768
LONGEST = 24  # words of a sentence, [CLS] among them


def caption_by_caption(places: Tensor, words: Tensor, lengths: list[int]) -> Tensor:
    """The likeness as the published code arranges it, written anew."""
    images, cells, dim = places.shape
    columns = []
    for caption, length in zip(words, lengths, strict=True):
        copies = caption[:length].T[None].repeat(images, 1, 1)
        products = torch.bmm(places, copies).reshape(images * cells, length).softmax(1)
        products = products.view(images, cells, length).transpose(1, 2).contiguous()
        maps = (4 * products.view(images * length, cells)).softmax(1).view(images, length, cells)
        found = torch.bmm(maps, places)
        cosines = F.cosine_similarity(copies.transpose(1, 2).reshape(-1, dim), found.view(-1, dim))
        columns.append((5 * cosines.view(images, length)).exp().sum(1).log())
    return torch.stack(columns, 1)


def timed(work: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Seconds that a likeness and its gradient take, and the likeness."""
    start = time.process_time()
    likeness = work()
    likeness.sum().backward()
    return time.process_time() - start, likeness.detach()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    places = torch.randn(options.batch, CELLS, DIM, requires_grad=True)
    words = torch.randn(options.batch, LONGEST, DIM, requires_grad=True)
    lengths = torch.randint(3, LONGEST + 1, (options.batch,))
    counted = torch.arange(LONGEST) < lengths[:, None]

    def ours() -> Tensor:
        return local_likeness(
            *(places, words, counted), temperature=4.0, pooling=SummedWords(), captions_at_once=64
        )

    def theirs() -> Tensor:
        return caption_by_caption(places, words, lengths.tolist())

    rounds = [(timed(theirs), timed(ours)) for _ in range(options.rounds)]
    before, after = (statistics.median(one[side][0] for one in rounds) for side in (0, 1))
    ratios = statistics.quantiles([one[0][0] / one[1][0] for one in rounds], n=4)
    difference = (rounds[0][0][1] - rounds[0][1][1]).abs().max().item()
    print(f"published {before:.2f} s, ours {after:.2f} s, {before / after:.2f} times faster")
    print(f"quartiles {ratios[0]:.2f} to {ratios[2]:.2f}; likeness differs by {difference:.1e}")
    if options.record:
        record(
            "local_alignment",
            {
                "batch": options.batch,
                "words": LONGEST,
                "threads": options.threads,
                "rounds": options.rounds,
                "seed": SEED,
                "published_cpu_s": round(before, 3),
                "ours_cpu_s": round(after, 3),
                "ratio": round(before / after, 2),
                "ratio_quartiles": f"{ratios[0]:.2f}-{ratios[2]:.2f}",
                "largest_difference": f"{difference:.1e}",
            },
        )


if __name__ == "__main__":
    main()
