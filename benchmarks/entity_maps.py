"""Where maps of entities point: the greatest cell within a box of its finding, beside chance.

    python benchmarks/entity_maps.py --run runs/gloria --recipe gloria_small \
        --data cohort.parquet --store store/112 [--split test] [--record]

Each outlined finding is looked for as a report's would be: by its words in "there is X.".
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from carina.imaging.preprocessing import prepare_levels
from carina.imaging.store import ImageStore
from carina.models.folder import load_model
from carina.pretraining.entity_maps import EntityText, over_picture
from carina.studies.manifest import Manifest
from row import record


def inside(boxes: list, rows: int, cols: int, shape: tuple[int, int]) -> np.ndarray:
    """Which cells of a map have their centre in one of the boxes."""
    down, across = np.mgrid[:rows, :cols] + 0.5
    y, x = down / rows * shape[0], across / cols * shape[1]
    hits = [(b.x1 <= x) & (x < b.x2) & (b.y1 <= y) & (y < b.y2) for b in boxes]
    return np.any(hits, axis=0)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="model folder")
    parser.add_argument("--recipe", required=True, help="what the row calls the model")
    parser.add_argument("--data", type=Path, required=True, help="manifest with boxes")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    model, store = load_model(given.run).eval(), ImageStore.open(given.store)
    hits, chance = defaultdict(list), []
    for study in Manifest.read(given.data).split(given.split).studies:
        for number, radiograph in enumerate(study.radiographs):
            boxes = defaultdict(list)
            for box in study.boxes:
                if box.radiograph == number:
                    boxes[box.label.lower()].append(box)
            if not boxes:
                continue
            pixels, placement = prepare_levels(store[radiograph.path], model.preprocessing)
            texts = [EntityText(text=f"there is {x}.", entities=(x,)) for x in boxes]
            maps = model.entity_maps(pixels[None].expand(len(texts), -1, -1, -1), texts)
            for name, one in zip(boxes, maps.numpy(), strict=True):
                placed = over_picture(one, placement)
                shape = store.source_shape(radiograph.path)
                there = inside(boxes[name], *placed.shape, shape)
                hits[name].append(bool(there.flat[placed.argmax()]))
                chance.append(there.mean())
    every = [hit for found in hits.values() for hit in found]
    row = {
        "recipe": given.recipe,
        "split": given.split,
        "outlined": len(every),
        "pointing": round(float(np.mean(every)), 4),
        "chance": round(float(np.mean(chance)), 4),
        "each": json.dumps({name: round(float(np.mean(hits[name])), 3) for name in sorted(hits)}),
    }
    print(row)
    if given.record:
        record("entity_maps", row)


if __name__ == "__main__":
    with torch.no_grad():
        main()
