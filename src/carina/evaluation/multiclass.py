"""Classes of which exactly one is true: a fine-tuned model's choice against the label."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import polars as pl

from carina.errors import EvaluationError
from carina.evaluation.labelled import (
    bootstrap_settings,
    bootstrapped,
    evaluation_of,
    positives_of,
)
from carina.evaluation.result import Evaluation
from carina.evaluation.rows import IMAGE, table_of
from carina.evaluation.scoring import Frontal, answers_of, frontals_of, part_of, scored
from carina.finetuning.multiclass import MultiClassClassifier
from carina.imaging.store import ImageStore
from carina.metrics.classification import Statistic, ranking_statistic
from carina.metrics.multiclass import class_statistic
from carina.metrics.statistics import together
from carina.studies.manifest import Manifest
from carina.studies.truth import Unmentioned, absent_where_only_presence_is_listed, truth_of
from carina.zeroshot.ask import encode
from carina.zeroshot.protocol import Query, ZeroShotModel


def evaluate_multiclass(
    model: MultiClassClassifier,
    manifest: Manifest,
    *,
    split: str | None = "test",
    unmentioned: Unmentioned = absent_where_only_presence_is_listed,
    model_name: str = "",
    store: ImageStore | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Measures the choice among all classes on the radiographs that have exactly one of them.

    Raises:
        EvaluationError: none has.
    """
    part, names = part_of(manifest, split), model.config.classes
    known = of_exactly_one(manifest, part, names, split, unmentioned)
    frame, unreadable = chosen_classes(model, part, known, store)
    result = bootstrapped(frame, choice_statistics(frame, names), replicates, seed)
    undefined = "no image of this class"
    return evaluation_of(
        frame,
        result,
        names,
        task="multiclass",
        model_name=model_name,
        manifest=manifest,
        split=split,
        positives=positives_of(frame, names),
        reasons=dict.fromkeys(result.values, undefined),
        nowhere=undefined,
        settings={
            "choice": "the class with the greatest probability",
            "unmentioned": unmentioned.__name__,
            **bootstrap_settings(part, replicates, seed, unreadable),
        },
    )


def of_exactly_one(
    manifest: Manifest,
    part: Manifest,
    names: Sequence[str],
    split: str | None,
    unmentioned: Unmentioned,
) -> list[tuple[Frontal, int]]:
    """The radiographs of a part that have exactly one of the classes, and which.

    Raises:
        EvaluationError: none has.
    """
    frontals = frontals_of(part)
    truth = truth_of([one.study for one in frontals], names, manifest.studies, unmentioned)
    present = truth.values == 1
    rows = np.flatnonzero(present.sum(axis=1) == 1)
    if not len(rows):
        raise EvaluationError(
            f"{manifest.path}: no radiograph of the split {split!r} has exactly one of "
            f"{', '.join(names)}; expected some to measure against."
        )
    return [(frontals[row], int(present[row].argmax())) for row in rows]


def chosen_classes(
    model: MultiClassClassifier,
    part: Manifest,
    known: Sequence[tuple[Frontal, int]],
    store: ImageStore | None,
) -> tuple[pl.DataFrame, tuple[tuple[str, str], ...]]:
    """One row for each class of each radiograph, and what could not be read."""
    asked, names = cast(ZeroShotModel, model), model.config.classes
    answers = answers_of(
        asked,
        part,
        [frontal for frontal, _ in known],
        encode(asked, tuple(Query(name) for name in names)),
        batch_size=16,
        store=store,
        title="Choosing classes",
    )
    said = scored(answers, len(names))
    true = {id(frontal): number for frontal, number in known}
    frame = pl.DataFrame(
        [
            {
                "study": frontal.study.study_id,
                "image": frontal.path,
                "query": name,
                "score": float(said.scores[row, place]),
                "truth": int(true[id(frontal)] == place),
                "patient": frontal.study.patient_id,
            }
            for row, frontal in enumerate(said.images)
            for place, name in enumerate(names)
        ]
    )
    return frame, said.unreadable


def choice_statistics(frame: pl.DataFrame, names: Sequence[str]) -> list[Statistic]:
    """AUC, recall and F1 of every class against the rest, and the accuracy."""
    images = frame.unique(IMAGE, keep="first", maintain_order=True)
    scores = table_of(frame, images, names, "score")
    truth = table_of(frame, images, names, "truth")
    chosen, true = scores.argmax(axis=1), truth.argmax(axis=1)
    return [
        together(
            ranking_statistic(scores[:, place], truth[:, place]),
            class_statistic(chosen, true, place),
        )
        for place in range(len(names))
    ]
