"""Augmentation of a batch as one warp against Pillow, picture by picture.

Usage: python benchmarks/augmentation.py [--batch 64] [--record]

Both crop, turn, flip and change brightness and contrast, from the same stored pictures. CPU time
of one thread, ours and the plain way in turn, medians over the rounds.
"""

import argparse
import random
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageEnhance

from carina.imaging.augmentation import BatchShare, WarpAugmentation
from row import record

SEED = 7
WARP = WarpAugmentation(scale=(0.2, 1.0), flip=0.5, brightness=0.36, contrast=0.36)


def pillow_way(pictures: list[Image.Image], size: int) -> torch.Tensor:
    """The same changes with Pillow, one picture after the other."""
    done = []
    for picture in pictures:
        share = random.uniform(0.2, 1.0) ** 0.5
        width, height = int(picture.width * share), int(picture.height * share)
        left = random.randint(0, picture.width - width)
        top = random.randint(0, picture.height - height)
        image = picture.crop((left, top, left + width, top + height))
        image = image.resize((size, size), Image.Resampling.BICUBIC)
        image = image.rotate(random.uniform(-10, 10), Image.Resampling.BILINEAR)
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image = ImageEnhance.Brightness(image).enhance(random.uniform(0.64, 1.36))
        image = ImageEnhance.Contrast(image).enhance(random.uniform(0.64, 1.36))
        done.append(torch.from_numpy(np.array(image)))
    return torch.stack(done)[:, None].float() / 255


def cpu_ms(work: Callable[[], object]) -> float:
    """CPU time of one call in milliseconds."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


def measure(batch: int, size: int, rounds: int = 40) -> dict[str, object]:
    """Times both ways on pictures whose shorter side is `size`."""
    generator = np.random.default_rng(SEED)
    shape = (size, size * 6 // 5)
    levels = generator.integers(0, 256, (batch, 1, *shape), dtype=np.uint8)
    pixels, sizes = torch.from_numpy(levels), torch.tensor([shape]).expand(batch, -1)
    pictures = [Image.fromarray(level[0]) for level in levels]

    def ours(step: int) -> torch.Tensor:
        share = BatchShare(seed=SEED, step=step, rows=range(batch), batch_size=batch)
        return WARP(pixels, sizes, size, share)

    pairs = [
        (cpu_ms(lambda s=step: ours(s)), cpu_ms(lambda: pillow_way(pictures, size)))
        for step in range(rounds)
    ][3:]
    mine, plain = np.array(pairs).T
    ratio = np.sort(plain / mine)
    return {
        "batch": batch,
        "size": size,
        "ours_ms": f"{np.median(mine):.1f}",
        "pillow_ms": f"{np.median(plain):.1f}",
        "times_faster": f"{np.median(ratio):.2f}",
        "quartiles": f"{ratio[len(ratio) // 4]:.2f} to {ratio[3 * len(ratio) // 4]:.2f}",
        "rounds": len(pairs),
        "seed": SEED,
    }


def main() -> None:
    """Prints one line a size and records them if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(SEED)
    for size in (96, 128, 224):
        line = measure(given.batch, size)
        print(line)
        if given.record:
            record("augmentation", line)


if __name__ == "__main__":
    main()
