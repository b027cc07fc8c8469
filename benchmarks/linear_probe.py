"""Linear probe: features kept after one pass, against training through the frozen encoder.

    python benchmarks/linear_probe.py --model runs/kad --manifest cohort.parquet --root cohort \
        --store store/112 --record

Seconds are of the CPU: medians of interleaved runs. `through` trains the head for so many epochs
with every picture going through the frozen encoder each time, without augmentation; it is measured
on one epoch and multiplied. `kept` is a regression of as many passes over kept features, `probe`
what `carina finetune linear-probe` fits (six penalties, each to its end), `features` the one pass
that makes them.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from carina.finetuning.classifier import Classifier, ClassifierConfig
from carina.finetuning.features import frozen_features
from carina.finetuning.labels import LabelledImages, labelled_images, uncertain_is_unknown
from carina.finetuning.linear_probe import fit_probe, logistic
from carina.finetuning.pictures import plain_pictures_of
from carina.imaging.store import ImageStore
from carina.losses.multilabel import multilabel_loss
from carina.runs.starts import Start, opened_starts
from carina.studies.batches import ImageBatches
from carina.studies.manifest import Manifest
from carina.studies.truth import absent_where_only_presence_is_listed, canonical
from carina.training.objective import Place
from row import record

BATCH = 32


def images_of(
    manifest: Manifest, part: str, names: tuple[str, ...], store: ImageStore, most: int
) -> LabelledImages:
    """The first images of a part with their labels."""
    whole = labelled_images(
        manifest.split(part),
        manifest,
        names,
        store,
        unmentioned=absent_where_only_presence_is_listed,
        uncertainty=uncertain_is_unknown,
    )
    return replace(
        whole,
        keys=whole.keys[:most],
        studies=whole.studies[:most],
        patients=whole.patients[:most],
        labels=whole.labels[:most],
    )


def epoch_through_encoder(
    start: Start, names: tuple[str, ...], images: LabelledImages, store: ImageStore
) -> None:
    """One epoch of the head, every picture through the frozen encoder."""
    torch.manual_seed(0)
    config = ClassifierConfig(
        image=start.image, preprocessing=start.preprocessing, findings=tuple(map(canonical, names))
    )
    model = Classifier(config)
    start.put_into(model)
    model.image_encoder.requires_grad_(False).eval()
    labels = torch.from_numpy(images.labels).float()
    batches = ImageBatches(images.keys, images.studies, store, BATCH, seed=0)
    optimiser = torch.optim.AdamW(model.head.parameters(), lr=1e-3)
    for step in range(batches.steps_per_epoch):
        batch = batches.batch(step, Place())
        logits = model(plain_pictures_of(batch, model.preprocessing))
        total, count = multilabel_loss(logits, labels[batch.rows], torch.ones(len(names)))
        optimiser.zero_grad()
        (total / count).backward()
        optimiser.step()


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    """Measures all ways in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--finding", action="append", default=[])
    parser.add_argument("--images", type=int, default=1_024)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    names = tuple(options.finding or ("pleural effusion", "pneumothorax", "cardiomegaly"))
    manifest, store = Manifest.read(options.manifest, options.root), ImageStore.open(options.store)
    (start,) = opened_starts([options.model], random_start=False)
    train = images_of(manifest, "train", names, store, options.images)
    validate = images_of(manifest, "validate", names, store, options.images // 4)

    def features_of(images: LabelledImages) -> torch.Tensor:
        encoder = start.encoder().eval()
        device = torch.device("cpu")
        made = frozen_features(encoder, start.preprocessing, store, images.keys, device, "Features")
        return (made - made.mean(0)) / made.std(0)

    kept = features_of(train), torch.from_numpy(train.labels)
    held_out = features_of(validate), torch.from_numpy(validate.labels)
    ways: dict[str, Callable[[], object]] = {
        "through": lambda: epoch_through_encoder(start, names, train, store),
        "kept": lambda: logistic(*kept, 1e-2, options.epochs),
        "probe": lambda: fit_probe(kept, held_out),
        "features": lambda: features_of(train),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    epoch_through_encoder(start, names, train, store)  # the first of all pays for what is loaded
    for _ in range(options.runs):
        for name, way in ways.items():
            taken[name].append(seconds(way))
    median = {name: statistics.median(values) for name, values in taken.items()}
    through = median["through"] * options.epochs
    row: dict[str, object] = {
        "start": start.name,
        "images": len(train.keys),
        "findings": len(names),
        "epochs": options.epochs,
        "runs": options.runs,
        "through_s": through,
        "kept_s": median["kept"],
        "probe_s": median["probe"],
        "features_s": median["features"],
        "times_same_epochs": through / median["kept"],
        "times_with_the_pass": through / (median["features"] + median["kept"]),
        "times_of_whole_probe": through / (median["features"] + median["probe"]),
        "spread": max(taken["through"]) / min(taken["through"]),
    }
    print(row)
    if options.record:
        record("linear_probe", row)


if __name__ == "__main__":
    main()
