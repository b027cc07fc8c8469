"""Detection: a fine-tuned model's boxes against those of readers, on the original pixels."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import torch

from carina.errors import EvaluationError
from carina.evaluation.labelled import (
    absent_findings,
    bootstrap_settings,
    bootstrapped,
    evaluation_of,
    positives_of,
)
from carina.evaluation.result import Evaluation
from carina.evaluation.rows import IMAGE
from carina.evaluation.scoring import Frontal, check_any, frontals_of, part_of
from carina.files import progress
from carina.finetuning.box_validation import AnyDetector
from carina.finetuning.detector import FoundBoxes
from carina.finetuning.outlines import boxes_of
from carina.imaging.preprocessing import Placement
from carina.metrics.classification import Statistic
from carina.metrics.detection import COCO, PAPERS, Detections, detection_statistic
from carina.studies.manifest import Manifest
from carina.studies.truth import Unmentioned, absent_where_only_presence_is_listed
from carina.zeroshot.reading import Prepared, Unreadable, read_ahead

SETS = {"map": PAPERS, "map_coco": COCO, "ap50": np.array([0.5])}
"""Average precision at IoU 0.4 to 0.75 (the papers), at 0.5 to 0.95 (COCO), and at 0.5."""
BATCH = 16
COLUMNS = {
    "study": pl.String,
    "image": pl.String,
    "query": pl.String,
    "score": pl.Float64,
    "truth": pl.Int64,
    "patient": pl.String,
    "boxes": pl.String,
    "true_boxes": pl.String,
}
"""Of the predictions; boxes are JSON."""


def evaluate_detection(
    model: AnyDetector,
    manifest: Manifest,
    *,
    split: str | None = "test",
    unmentioned: Unmentioned = absent_where_only_presence_is_listed,
    model_name: str = "",
    replicates: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Draws boxes on every radiograph of which the truth is known, those without a box included.

    A finding that is present but has no box on any radiograph of the study is not measured there.

    Raises:
        EvaluationError: nothing has a box.
    """
    part = part_of(manifest, split)
    names = model.config.findings
    frame, unreadable = drawn_boxes(model, manifest, frontals_of(part), unmentioned)
    if not frame["truth"].sum():
        raise EvaluationError(
            f"{manifest.path}: no radiograph of the split {split!r} has a box of "
            f"{', '.join(names)}; expected some to measure against."
        )
    return evaluation_of(
        frame,
        bootstrapped(frame, box_statistics(frame, names), replicates, seed),
        names,
        task="detection",
        model_name=model_name,
        manifest=manifest,
        split=split,
        positives=positives_of(frame, names),
        reasons=dict.fromkeys(SETS, "no true box"),
        nowhere="no true box",
        settings={
            "pixels": "of the original radiograph",
            "boxes": "100 at most an image and finding; images without boxes count",
            "map": "IoU 0.4 : 0.05 : 0.75",
            "map_coco": "IoU 0.5 : 0.05 : 0.95",
            "unmentioned": unmentioned.__name__,
            **bootstrap_settings(part, replicates, seed, unreadable),
        },
    )


def drawn_boxes(
    model: AnyDetector, manifest: Manifest, frontals: Sequence[Frontal], unmentioned: Unmentioned
) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """One row for each finding of which the truth is known, and what could not be read."""
    names = model.config.findings
    absent = absent_findings(manifest, frontals, names, unmentioned)
    records: list[dict[str, object]] = []
    unreadable: list[tuple[str, str]] = []
    for number, found in detected(model, manifest, frontals):
        if isinstance(found, Unreadable):
            unreadable.append((frontals[number].path, found.message))
        else:
            records += box_records(frontals[number], found, names, absent[number])
    check_any(records, unreadable)
    return pl.DataFrame(records, schema=COLUMNS), unreadable


def detected(
    model: AnyDetector, manifest: Manifest, frontals: Sequence[Frontal]
) -> Iterator[tuple[int, list[np.ndarray] | Unreadable]]:
    """For each radiograph the boxes of every finding, [boxes, 5] with the score last."""
    device = next(model.parameters()).device
    paths = [manifest.absolute(frontal.path) for frontal in frontals]
    batches = read_ahead(paths, model.preprocessing, BATCH)
    for batch in progress(batches, "Detecting", -(-len(paths) // BATCH)):
        readable = [one for one in batch if isinstance(one, Prepared)]
        found: Iterator[list[FoundBoxes]] = iter(())
        if readable:
            found = iter(model.detect(torch.stack([one.pixels for one in readable]).to(device)))
        for one in batch:
            if isinstance(one, Prepared):
                yield one.index, [original(boxes, one.placement) for boxes in next(found)]
            else:
                yield one.index, one


def original(found: FoundBoxes, placement: Placement) -> np.ndarray:
    """Boxes of the input on the radiograph's own pixels, the score in the last column."""
    scale = np.array(
        [
            placement.width / placement.scaled_width,
            placement.height / placement.scaled_height,
        ]
        * 2
    )
    shift = np.array([placement.left, placement.top] * 2)
    boxes = (found.boxes.double().cpu().numpy() - shift) * scale
    limits = np.array([placement.width, placement.height] * 2)
    return np.column_stack([np.clip(boxes, 0, limits), found.scores.double().cpu().numpy()])


def box_records(
    frontal: Frontal, found: Sequence[np.ndarray], names: Sequence[str], absent: frozenset[str]
) -> list[dict[str, object]]:
    """One row for each finding of which the truth is known: boxes as JSON, so that it is kept."""
    records: list[dict[str, object]] = []
    for place, name in enumerate(names):
        true = boxes_of(frontal.study, frontal.radiograph, name)
        if not true and name not in absent:
            continue
        records.append(
            {
                "study": frontal.study.study_id,
                "image": frontal.path,
                "query": name,
                "score": float(found[place][:, 4].max(initial=0.0)),
                "truth": int(bool(true)),
                "patient": frontal.study.patient_id,
                "boxes": json.dumps(np.round(found[place], 4).tolist()),
                "true_boxes": json.dumps([[box.x1, box.y1, box.x2, box.y2] for box in true]),
            }
        )
    return records


def box_statistics(frame: pl.DataFrame, names: Sequence[str]) -> list[Statistic]:
    """Average precision of every finding, remade from predictions."""
    images = frame.unique(IMAGE, keep="first", maintain_order=True)
    row = {key: place for place, key in enumerate(images.select(IMAGE).iter_rows())}
    statistics = []
    for name in names:
        cases: list[Detections] = [NOTHING] * len(images)
        for record in frame.filter(pl.col("query") == name).iter_rows(named=True):
            cases[row[record["study"], record["image"]]] = detections_of(record)
        statistics.append(detection_statistic(cases, SETS))
    return statistics


def detections_of(record: Mapping[str, Any]) -> Detections:
    """The boxes of one row."""
    boxes = np.array(json.loads(record["boxes"]), dtype=np.float64).reshape(-1, 5)
    truth = np.array(json.loads(record["true_boxes"]), dtype=np.float64).reshape(-1, 4)
    return Detections(boxes=boxes[:, :4], scores=boxes[:, 4], truth=truth)


NOTHING = Detections(boxes=np.zeros((0, 4)), scores=np.zeros(0), truth=np.zeros((0, 4)))
"""An image of which the truth is not known: no box on it counts."""
