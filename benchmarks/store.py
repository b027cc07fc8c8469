"""The image store against plain Pillow: reading a crop, and building.

Usage: python benchmarks/store.py [--images 12] [--width 2500 --height 3000] [--record]

Reading: a random 224 x 224 crop out of a mapped store, against decoding the whole JPEG that it was
made from. Building: decoding and shrinking one radiograph as the store does, against a full decode
and one resize. CPU time of one thread, ours and the plain way in turn; medians over the images.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carina.imaging.building import build_store
from carina.imaging.packing import shrink
from carina.imaging.store import ImageStore
from row import record

SEED = 20


def radiograph(width: int, height: int, generator: np.random.Generator) -> Image.Image:
    """A picture with the large shapes and the grain of a radiograph: about 3 MB as JPEG."""
    coarse = generator.integers(20, 236, (12, 10), dtype=np.uint8)
    shapes = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    grain = generator.normal(0, 4, (height, width))
    return Image.fromarray(np.clip(np.asarray(shapes) + grain, 0, 255).astype(np.uint8))


def cpu_ms(work: Callable[[], object], repeats: int) -> float:
    """CPU time of one call in milliseconds."""
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats * 1000


def decode(path: Path) -> NDArray[np.uint8]:
    """The whole picture, by Pillow."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def decode_and_resize(path: Path, size: int) -> NDArray[np.uint8]:
    """The plain way to shrink: a full decode and one bicubic resize."""
    with Image.open(path) as image:
        grey = image.convert("L")
        scale = size / min(grey.size)
        shape = (round(grey.width * scale), round(grey.height * scale))
        return np.asarray(grey.resize(shape, Image.Resampling.BICUBIC))


def crop(store: ImageStore, key: str, generator: np.random.Generator) -> NDArray[np.uint8]:
    """A random 224 x 224 part of a stored image, copied."""
    image = store[key]
    top = int(generator.integers(image.shape[0] - 223))
    left = int(generator.integers(image.shape[1] - 223))
    return image[top : top + 224, left : left + 224].copy()


def row(what: str, pairs: list[tuple[float, float]]) -> dict[str, object]:
    """Medians and the spread of the ratio, over (ours, plain) in milliseconds."""
    ours, plain = np.array(pairs).T
    ratio = np.sort(plain / ours)
    return {
        "what": what,
        "ours_ms": f"{np.median(ours):.4f}",
        "plain_ms": f"{np.median(plain):.2f}",
        "times_faster": f"{np.median(ratio):.1f}",
        "lowest": f"{ratio[0]:.1f}",
        "highest": f"{ratio[-1]:.1f}",
        "images": len(pairs),
        "seed": SEED,
    }


def measure(images: int, width: int, height: int, folder: Path) -> list[dict[str, object]]:
    """Times reading and building on synthetic radiographs."""
    generator = np.random.default_rng(SEED)
    items = [(f"{i}.jpg", folder / f"{i}.jpg") for i in range(images)]
    for _, path in items:
        radiograph(width, height, generator).save(path, quality=92)
    build_store(items, folder / "store", 256, processes=1)
    store = ImageStore.open(folder / "store")
    reading = [
        (cpu_ms(lambda k=key: crop(store, k, generator), 200), cpu_ms(lambda p=path: decode(p), 3))
        for key, path in items
    ]
    rows = [row(f"read a 224 crop, against decoding {width} x {height} JPEG", reading)]
    for size in (224, 512):
        building = [
            (
                cpu_ms(lambda p=path, s=size: shrink(p, s), 3),
                cpu_ms(lambda p=path, s=size: decode_and_resize(p, s), 3),
            )
            for _, path in items
        ]
        rows.append(row(f"shrink {width} x {height} JPEG to {size}", building))
    return rows


def main() -> None:
    """Prints one line a measurement and records them if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--width", type=int, default=2500)
    parser.add_argument("--height", type=int, default=3000)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for line in measure(given.images, given.width, given.height, Path(folder)):
            print(line)
            if given.record:
                record("store", line)


if __name__ == "__main__":
    main()
