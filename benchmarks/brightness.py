"""How well a film's mean brightness tells a label: what a score is to be held against.

python benchmarks/brightness.py --manifest nih.parquet --root nih_cxr --store store/112 \
        --finding pneumonia --record
"""

import argparse
from pathlib import Path

import numpy as np

from carina.finetuning.labels import labelled_images, uncertain_is_unknown
from carina.imaging.store import ImageStore
from carina.metrics.classification import auc
from carina.studies.manifest import Manifest
from carina.studies.truth import absent_where_only_presence_is_listed
from row import record


def main() -> None:
    """Measures the test part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--finding", required=True)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    manifest, store = Manifest.read(options.manifest, options.root), ImageStore.open(options.store)
    images = labelled_images(
        manifest.split("test"),
        manifest,
        (options.finding,),
        store,
        unmentioned=absent_where_only_presence_is_listed,
        uncertainty=uncertain_is_unknown,
    )
    brightness = np.array([[store[key].mean()] for key in images.keys])
    brighter = float(auc(brightness, images.labels)[0])
    row: dict[str, object] = {
        "data": options.manifest.stem,
        "finding": options.finding,
        "images": len(images.keys),
        "present": int((images.labels == 1).sum()),
        "auc_of_brightness": brighter,
        "auc_of_darkness": 1 - brighter,
    }
    print(row)
    if options.record:
        record("brightness", row)


if __name__ == "__main__":
    main()
