"""Where in a start's features the findings lie: in the main directions, or in minor ones.

    python benchmarks/feature_directions.py --run build/finetuning/phantom/linear-probe/kad_small \
        --manifest cohort.parquet --root cohort --finding pneumothorax --encoder ResNet --record

A probe with few labels can only use directions in which films differ much. `distance` is the
squared distance of the two classes' means over all training films, in deviations of each principal
component (chance is taken off); `share` is the part of it in the ten largest components. Means over
findings. RUN is the folder of a linear probe, whose kept features are read.
"""

import argparse
from pathlib import Path

import numpy as np
from jaxtyping import Float
from safetensors.numpy import load_file

from carina.studies.manifest import Manifest
from carina.studies.truth import absent_where_only_presence_is_listed, truth_of
from carina.studies.views import frontal_images
from row import record

MAIN = 10


def distances(
    features: Float[np.ndarray, "images dim"], labels: Float[np.ndarray, "images findings"]
) -> Float[np.ndarray, "findings components"]:
    """Squared distance of present and absent in each principal component, less chance."""
    standard = (features - features.mean(0)) / np.maximum(features.std(0), 1e-9)
    left, _, _ = np.linalg.svd(standard - standard.mean(0), full_matrices=False)
    components = left * np.sqrt(len(left))
    rows = []
    for truth in labels.T:
        present, absent = components[truth == 1], components[truth == 0]
        chance = 1 / len(present) + 1 / len(absent)
        rows.append((present.mean(0) - absent.mean(0)) ** 2 - chance)
    return np.array(rows)


def main() -> None:
    """Reads the features of every start of a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--finding", action="append", required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    manifest = Manifest.read(options.manifest, options.root)
    part = manifest.split("train")
    frontal = frontal_images(part)
    studies = [part.studies[study] for study, _ in frontal]
    truth = truth_of(
        studies, options.finding, manifest.studies, absent_where_only_presence_is_listed
    )
    for path in sorted(options.run.glob("*/features.safetensors")):
        kept = load_file(path)
        keys = [part.studies[study].radiographs[place].path for study, place in frontal]
        parts = distances(np.stack([kept[key] for key in keys]), truth.values)
        whole = parts.sum(axis=1)
        row: dict[str, object] = {
            "start": path.parent.name,
            "encoder": options.encoder,
            "findings": len(options.finding),
            "images": len(keys),
            "dimensions": parts.shape[1],
            "distance": whole.mean(),
            "share": (parts[:, :MAIN].sum(axis=1) / whole).mean(),
        }
        print(row)
        if options.record:
            record("feature_directions", row)


if __name__ == "__main__":
    main()
