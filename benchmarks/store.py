"""The image store against plain Pillow: reading a crop, and building.

Usage: python benchmarks/store.py [--images 12 | --real FOLDER] [--width 2500 --height 3000]
    [--record]

Reading: a random 224 x 224 crop out of a mapped store, of pixels or of JPEG data, against decoding
the whole JPEG that it was made from. Building: decoding and shrinking one radiograph as the store
does, against a full decode and one resize. Packing: the same and writing it, as a shard or with
numpy. CPU time of one thread, ours and the plain way in turn; medians over the images.

With `--real`, the pictures are those radiographs of a folder (looked for in all folders below it)
whose shorter side has at least 1,800 pixels, brought to the size that is asked for and saved as
JPEG of quality 95, as MIMIC-CXR-JPG was. Without, they are drawn.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carina.errors import RadiographError
from carina.imaging.building import build_store
from carina.imaging.packing import shrink
from carina.imaging.reader import probe, read_grey8
from carina.imaging.shards import JpegCodec, Picture, RawCodec, write_shard
from carina.imaging.store import ImageStore
from row import record

SEED = 20
FEWEST_REAL_PIXELS = 1800
SHARD = 8


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


def real_radiographs(folder: Path, width: int, height: int) -> Iterator[Image.Image]:
    """Large radiographs below a folder, brought to one size."""
    for path in sorted(folder.rglob("*")):
        try:
            header = probe(path) if path.is_file() else None
        except RadiographError:
            continue
        if header is not None and min(header.width, header.height) >= FEWEST_REAL_PIXELS:
            levels = Image.fromarray(read_grey8(path))
            yield levels.resize((width, height), Image.Resampling.BICUBIC)


def pack_shard(path: Path, size: int, out: Path) -> None:
    """What the store does with as many files as one shard holds here."""
    made = (shrink(path, size) for _ in range(SHARD))
    pictures = (
        Picture(key=path.name, pixels=pixels, source_height=height, source_width=width)
        for pixels, height, width in made
    )
    write_shard(out / "one.shard", pictures, RawCodec())


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


def measure(pictures: Iterable[Image.Image], folder: Path) -> list[dict[str, object]]:
    """Times reading, building and packing."""
    generator = np.random.default_rng(SEED)
    items = []
    for i, picture in enumerate(pictures):
        items.append((f"{i}.jpg", folder / f"{i}.jpg"))
        picture.save(items[-1][1], quality=95)
        shape = f"{picture.width} x {picture.height}"
    megabytes = sum(path.stat().st_size for _, path in items) / len(items) / 1e6
    source = f"{shape} JPEG of {megabytes:.1f} MB"
    rows = []
    for codec in (RawCodec(), JpegCodec()):
        build_store(items, folder / codec.name, 256, processes=1, codec=codec)
        store = ImageStore.open(folder / codec.name)
        reading = [
            (
                cpu_ms(lambda k=key, s=store: crop(s, k, generator), 200),
                cpu_ms(lambda p=path: decode(p), 3),
            )
            for key, path in items
        ]
        rows.append(row(f"read a 224 crop of {codec.name} 256, against decoding {source}", reading))
    for size in (224, 512):
        building = [
            (
                cpu_ms(lambda p=path, s=size: shrink(p, s), 3),
                cpu_ms(lambda p=path, s=size: decode_and_resize(p, s), 3),
            )
            for _, path in items
        ]
        rows.append(row(f"shrink {source} to {size}", building))
    packing = [
        (
            cpu_ms(lambda p=path: pack_shard(p, 512, folder), 1) / SHARD,
            cpu_ms(lambda p=path: np.save(folder / "one.npy", decode_and_resize(p, 512)), 3),
        )
        for _, path in items
    ]
    return [*rows, row(f"pack {source} at 512", packing)]


def main() -> None:
    """Prints one line a measurement and records them if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--width", type=int, default=2500)
    parser.add_argument("--height", type=int, default=3000)
    parser.add_argument("--real", type=Path, help="folder with radiographs; drawn by default")
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generator = np.random.default_rng(SEED)
        shape = given.width, given.height
        drawn = (radiograph(*shape, generator) for _ in range(given.images))
        pictures = real_radiographs(given.real, *shape) if given.real else drawn
        for line in measure(pictures, Path(folder)):
            print(line)
            if given.record:
                record("store", line)


if __name__ == "__main__":
    main()
