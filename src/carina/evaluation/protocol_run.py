"""Carries out a protocol, and says how near to the paper it came."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from carina.errors import EvaluationError, KnowledgeError
from carina.evaluation.compare import mean_over
from carina.evaluation.deviations import (
    description_deviations,
    digest_of_names,
    finding_deviations,
    part_deviations,
    size_deviations,
    taken_on_trust,
    threshold_deviations,
)
from carina.evaluation.protocol import Asked, Protocol, Told, with_other_names
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.rows import rows_of_evaluation
from carina.evaluation.run import evaluate
from carina.evaluation.scoring import has_split
from carina.evaluation.sources import SYNTHETIC, has_synthetic
from carina.metrics.statistics import Resamples, bootstrap, share_statistic
from carina.studies.manifest import Manifest
from carina.zeroshot.ask import encode
from carina.zeroshot.prompts import PromptedModel, choose_prompts
from carina.zeroshot.protocol import Query, ZeroShotModel

PROTOCOL = "protocol"
"""The setting of an evaluation that says which protocol was carried out, and how near."""


ACCURACY_OF_CLASSES = "accuracy_of_classes"
"""The share of radiographs whose class has the greatest score."""


@dataclass(frozen=True, kw_only=True)
class How:
    """What a caller may choose without leaving the protocol.

    `replicates` and `seed` are of the bootstrap; `store` is an image store to read.
    """

    replicates: int = 1000
    seed: int = 0
    store: Path | None = None


def evaluate_by_protocol(
    model: ZeroShotModel,
    manifest: Manifest,
    protocol: Protocol,
    how: How | None = None,
    model_name: str = "",
) -> Evaluation:
    """Measures a model as a protocol says, without training.

    Args:
        model: anything that can be asked; prompts are set where the protocol names a set.
        manifest: of one of the protocol's datasets, all of it.
        protocol: not one that fine-tunes.
        how: what is left to the caller.
        model_name: what the evaluation calls the model.

    Raises:
        EvaluationError: the manifest is of another dataset, the protocol trains, or the model
            cannot do what is asked.
        ManifestError: no study is in the part that is scored.
    """
    how, task = how or How(), protocol.task
    if not isinstance(task, Told):
        raise EvaluationError(
            f"{protocol.name} fine-tunes: expected one that does not. Run it through "
            "`carina evaluate --protocol` or `carina reproduce --fine-tune`."
        )
    prepared = prepared_manifest(manifest, protocol)
    request = replace(
        task.request(protocol.part.split),
        replicates=how.replicates,
        seed=how.seed,
        store=how.store,
    )
    bare: tuple[str, ...] = ()
    if isinstance(task, Asked):
        prepared = with_other_names(prepared, task.also_called)
        if task.prompts is not None and isinstance(model, PromptedModel):
            choose_prompts(model, task.prompts)
        queries, bare = askable(model, task.queries)
        request = replace(request, queries=queries)
    found = evaluate(model, prepared, request, model_name)
    return told_of(
        found, protocol, manifest, model.preprocessing.size, description_deviations(bare)
    )


def askable(
    model: ZeroShotModel, queries: Sequence[Query]
) -> tuple[tuple[Query, ...], tuple[str, ...]]:
    """The queries, those that the model knows no description of by their names; and these names.

    A protocol asks what its paper asks. A model that looks descriptions up would otherwise refuse
    all 193 names of PadChest for the sake of "suboptimal study".
    """
    try:
        encode(model, queries)
    except KnowledgeError:
        bare = frozenset(query.name for query in queries if not known(model, query))
        asked = (Query(one.name, one.name) if one.name in bare else one for one in queries)
        return tuple(asked), tuple(one.name for one in queries if one.name in bare)
    return tuple(queries), ()


def known(model: ZeroShotModel, query: Query) -> bool:
    """Whether the model can be asked this."""
    try:
        encode(model, (query,))
    except KnowledgeError:
        return False
    return True


def prepared_manifest(manifest: Manifest, protocol: Protocol) -> Manifest:
    """The manifest with the parts of the paper.

    Raises:
        EvaluationError: it was indexed as a dataset that the protocol does not take, or nothing
            is in the part that is scored.
    """
    if not taken_on_trust(manifest) and manifest.dataset not in protocol.part.datasets:
        raise EvaluationError(
            f"{manifest.path}: was indexed as {manifest.dataset}, but {protocol.name} is measured "
            f"on {' or '.join(protocol.part.datasets)} ({protocol.part.told}). Numbers of "
            "different lists cannot be compared: index the release as that."
        )
    prepared, split = protocol.part.prepared(manifest), protocol.part.split
    if split is not None and not has_split(prepared, split):
        found = ", ".join(sorted({one.split for one in prepared.studies if one.split}))
        raise EvaluationError(
            f"{manifest.path}: no study is in the part {split!r}, which {protocol.name} scores "
            f"({protocol.part.told}); found {found or 'none'}. Index the whole release with its "
            "lists; of a synthetic copy draw more studies."
        )
    return prepared


def told_of(
    evaluation: Evaluation,
    protocol: Protocol,
    manifest: Manifest,
    input_size: int,
    deviations: Sequence[str] = (),
) -> Evaluation:
    """The evaluation with what the protocol adds: means of groups, counts, how near it came.

    Args:
        evaluation: as measured.
        protocol: that was carried out.
        manifest: that it was carried out on.
        input_size: side of what the model sees, in pixels.
        deviations: what else is otherwise than in the paper.
    """
    names, synthetic = scored_names(evaluation), has_synthetic(evaluation.settings)
    mean = dict(evaluation.mean)
    if ACCURACY_OF_CLASSES in protocol.metrics:
        mean[ACCURACY_OF_CLASSES] = accuracy_of_classes(evaluation)
    told: dict[str, Any] = {
        "name": protocol.name,
        "section": protocol.section,
        "dataset": manifest.dataset,
        "images": len(names),
        "images_in_the_paper": protocol.part.images,
        "digest": digest_of_names(names),
        "synthetic": synthetic,
        "deviations": [
            *([SYNTHETIC] if synthetic else []),
            *part_deviations(names, protocol, manifest),
            *size_deviations(input_size, protocol),
            *threshold_deviations(evaluation, protocol),
            *finding_deviations(evaluation),
            *deviations,
            *protocol.departures,
        ],
        **grouped(evaluation, protocol),
    }
    return replace(evaluation, mean=mean, settings={**evaluation.settings, PROTOCOL: told})


def scored_names(evaluation: Evaluation) -> list[str]:
    """The names of the radiographs that were scored, without folder and ending, sorted."""
    images = evaluation.predictions.select("study", "image").unique()["image"]
    return sorted(PurePosixPath(image.partition("#")[0]).stem for image in images)


def grouped(evaluation: Evaluation, protocol: Protocol) -> dict[str, Any]:
    """Means of the protocol's groups, and how many findings reach its levels."""
    task = protocol.task
    if not isinstance(task, Asked):
        return {}
    groups = dict(task.groups)
    if task.least_positives:
        for name, members in (("all", task.names), *task.groups.items()):
            groups[f"{name}, more than {task.least_positives} positives"] = tuple(
                one for one in members if evaluation.positives[one] > task.least_positives
            )
    return {
        "groups": {
            name: group_of(evaluation, members, task.levels)
            for name, members in groups.items()
            if members
        }
    }


def group_of(
    evaluation: Evaluation, members: Sequence[str], levels: Sequence[float]
) -> dict[str, Any]:
    """One group: how many findings, their means, and how many reach each AUC."""
    aucs = [evaluation.findings[name]["auc"].value for name in members]
    defined = [auc for auc in aucs if auc is not None]
    means = mean_over(evaluation, members) if defined else {}
    return {
        "findings": len(members),
        "defined": len(defined),
        "mean": {metric: score.to_json() for metric, score in means.items()},
        "reaching": {f"{level:g}": sum(auc >= level for auc in defined) for level in levels},
    }


def accuracy_of_classes(evaluation: Evaluation) -> Score:
    """How often the class with the greatest score is the one that is present.

    Radiographs on which none, or more than one, of the classes is present are left out.
    """
    rows = rows_of_evaluation(evaluation)
    counted = (rows.truth == 1).sum(axis=1) == 1
    if not counted.any():
        return Score(value=None, reason="no radiograph of exactly one class")
    right = rows.scores.argmax(axis=1) == np.nan_to_num(rows.truth).argmax(axis=1)
    values = np.where(counted, right.astype(np.float64), np.nan)
    settings = evaluation.settings
    whole = settings.get("resampled") == "whole patients"
    resamples = Resamples(
        len(values),
        int(settings["replicates"]),
        int(settings["seed"]),
        rows.patients if whole else None,
    )
    result = bootstrap([share_statistic(ACCURACY_OF_CLASSES, values)], resamples)
    return Score.of(result.interval(ACCURACY_OF_CLASSES, 0), None)
