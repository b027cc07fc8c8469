"""Human readers measured against the truth, and a model against the readers.

Source: Tiu et al., Nat Biomed Eng 2022, and KAD (Zhang et al., Nat Commun 2023, Fig. 4): MCC and F1
of each of three radiologists on CheXpert's 500 test studies, their mean over readers and findings,
and what a model has more than that mean. Readers decide, so they have no AUC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from carina.errors import EvaluationError
from carina.evaluation.label_files import Labels, read_labels
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.rows import rows_of
from carina.metrics.classification import threshold_statistic, undefined_reason
from carina.metrics.statistics import Bootstrap, Resamples, bootstrap
from carina.studies.truth import canonical

COMPETITION = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
"""CheXpert's five competition tasks (Irvin et al., AAAI 2019)."""

METRICS = ("mcc", "f1", "accuracy", "sensitivity", "specificity")
READERS_MEAN = "mean of the readers"
MEAN = "mean"


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """Who says what of which study: all [studies, findings], of 1 and 0.

    `readers` goes from a reader's name to their decisions, `truth` is the reference.
    """

    studies: tuple[str, ...]
    findings: tuple[str, ...]
    truth: Float[np.ndarray, "studies findings"]
    readers: Mapping[str, Float[np.ndarray, "studies findings"]]


@dataclass(frozen=True, kw_only=True)
class ReaderScores:
    """What readers reach: reader -> finding (or "mean") -> metric -> score.

    "mean of the readers" is a reader too. `positives` counts the studies with each finding.
    """

    studies: int
    positives: Mapping[str, int]
    readers: Mapping[str, Mapping[str, Mapping[str, Score]]]
    settings: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "studies": self.studies,
            "positives": dict(self.positives),
            "readers": {
                reader: {
                    finding: {metric: score.to_json() for metric, score in scores.items()}
                    for finding, scores in findings.items()
                }
                for reader, findings in self.readers.items()
            },
            "settings": dict(self.settings),
        }


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A model and the mean of the readers: finding (or "mean") -> metric -> score.

    `difference` is model minus readers, on the same resamples of studies.
    """

    model: Mapping[str, Mapping[str, Score]]
    readers: Mapping[str, Mapping[str, Score]]
    difference: Mapping[str, Mapping[str, Score]]
    studies: int

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "studies": self.studies,
            **{
                name: {
                    finding: {metric: score.to_json() for metric, score in scores.items()}
                    for finding, scores in part.items()
                }
                for name, part in (
                    ("model", self.model),
                    ("readers", self.readers),
                    ("difference", self.difference),
                )
            },
        }


def read_decisions(
    truth: Path, readers: Sequence[Path], findings: Sequence[str] = COMPETITION
) -> Decisions:
    """Reads label files of CheXpert's form: `Study` and a column a finding, in any order.

    Args:
        truth: the reference, such as `groundtruth.csv`.
        readers: one file a reader, of the same studies.
        findings: columns to take, each once.

    Raises:
        DatasetError: a file is no table, a study stands twice, or a label is neither 0 nor 1.
        EvaluationError: a file lacks studies or a finding, or readers have one name.
    """
    names = {path.stem: path for path in readers}
    if len(names) != len(readers) or not readers:
        raise EvaluationError(
            f"Readers are {', '.join(str(path) for path in readers) or 'none'}; expected one file "
            "or more, of names that differ: a reader is called as the file is."
        )
    asked = tuple({canonical(name): name for name in findings}.values())
    reference = read_labels(truth, asked)
    tables = {name: read_labels(path, asked) for name, path in names.items()}
    for name, path in names.items():
        check_same_studies(reference, tables[name], path)
    studies = tuple(sorted(reference))
    return Decisions(
        studies=studies,
        findings=asked,
        truth=decided(reference, studies, asked),
        readers={name: decided(table, studies, asked) for name, table in tables.items()},
    )


def decided(
    table: Labels, studies: Sequence[str], names: Sequence[str]
) -> Float[np.ndarray, "studies findings"]:
    """A label file as an array."""
    return np.array([[table[study][name] for name in names] for study in studies], dtype=np.float64)


def check_same_studies(truth: Labels, reader: Labels, path: Path) -> None:
    """Refuses a reader of other studies.

    Raises:
        EvaluationError: says how many differ.
    """
    lacking, more = truth.keys() - reader.keys(), reader.keys() - truth.keys()
    if lacking or more:
        raise EvaluationError(
            f"{path}: lacks {len(lacking)} of the {len(truth)} studies of the truth, and has "
            f"{len(more)} others, such as {min(lacking | more)}; expected the same studies. Take "
            "both from one release."
        )


def measure_readers(decisions: Decisions, replicates: int = 1000, seed: int = 0) -> ReaderScores:
    """MCC, F1 and rates of every reader, and the mean over readers, with intervals over studies.

    Means over readers and over findings are taken within each resample, so that their intervals
    keep what readers and findings of one study have in common.

    Args:
        decisions: of readers, and the truth.
        replicates: bootstrap resamples of studies.
        seed: of the bootstrap.
    """
    resamples = Resamples(len(decisions.studies), replicates, seed)
    found = {
        reader: bootstrapped(said, decisions.truth, resamples)
        for reader, said in decisions.readers.items()
    }
    together = mean_of(list(found.values()))
    reasons = [undefined_reason(decisions.truth[:, i]) for i in range(len(decisions.findings))]
    return ReaderScores(
        studies=len(decisions.studies),
        positives={
            name: int(decisions.truth[:, i].sum()) for i, name in enumerate(decisions.findings)
        },
        readers={
            reader: scored(one, decisions.findings, reasons)
            for reader, one in {**found, READERS_MEAN: together}.items()
        },
        settings={
            "interval": "bootstrap over studies, 95% (BCa with quantiles of Student's t)",
            "replicates": replicates,
            "seed": seed,
        },
    )


def contrast_with_readers(
    evaluation: Evaluation, decisions: Decisions, replicates: int = 1000, seed: int = 0
) -> Contrast:
    """A model minus the mean of the readers, on the same studies.

    A study's score is the greatest over its radiographs; the model decides at the thresholds of
    its evaluation, which come from validation data.

    Args:
        evaluation: zero-shot, with thresholds, of the studies that the readers read.
        decisions: of the readers.
        replicates: bootstrap resamples of studies.
        seed: of the bootstrap.

    Raises:
        EvaluationError: no study is in both, or a finding was not asked or has no threshold.
    """
    names = asked_names(evaluation, decisions.findings)
    rows = rows_of(evaluation.predictions, names, "study-max")
    of_image = dict(evaluation.predictions.select("image", "study").iter_rows())
    place = {of_image[image]: row for row, image in enumerate(rows.images)}
    kept = [(row, place[study]) for row, study in enumerate(decisions.studies) if study in place]
    if not kept:
        raise EvaluationError(
            f"No study of the readers, such as {decisions.studies[0]}, is in the evaluation, whose "
            f"studies are such as {next(iter(place), 'none')}. Evaluate the model on CheXpert's "
            "test part: carina index chexpert-test."
        )
    ours, theirs = (np.array(column) for column in zip(*[(b, a) for a, b in kept], strict=True))
    thresholds = np.array([evaluation.thresholds[name].value for name in names], dtype=np.float64)
    truth = decisions.truth[theirs]
    resamples = Resamples(len(kept), replicates, seed)
    said = (rows.scores[ours] >= thresholds).astype(np.float64)
    model = bootstrapped(said, truth, resamples)
    readers = mean_of(
        [bootstrapped(one[theirs], truth, resamples) for one in decisions.readers.values()]
    )
    reasons = [undefined_reason(truth[:, i]) for i in range(len(names))]
    return Contrast(
        model=scored(model, decisions.findings, reasons),
        readers=scored(readers, decisions.findings, reasons),
        difference=scored(minus(model, readers), decisions.findings, reasons),
        studies=len(kept),
    )


def asked_names(evaluation: Evaluation, findings: Sequence[str]) -> list[str]:
    """The evaluation's names of the readers' findings.

    Raises:
        EvaluationError: one was not asked, or has no threshold.
    """
    known = {canonical(name): name for name in evaluation.positives}
    for finding in findings:
        name = known.get(canonical(finding))
        if name is None:
            raise EvaluationError(
                f"The evaluation did not ask {finding!r}; it asked {', '.join(known)}. Evaluate "
                "with --protocol kad/chexpert."
            )
        if evaluation.thresholds[name].value is None:
            raise EvaluationError(
                f"The evaluation has no threshold for {name!r} "
                f"({evaluation.thresholds[name].reason}), so the model decides nothing. Evaluate a "
                "manifest that has a validation part."
            )
    return [known[canonical(finding)] for finding in findings]


def bootstrapped(
    said: Float[np.ndarray, "studies findings"],
    truth: Float[np.ndarray, "studies findings"],
    resamples: Resamples,
) -> Bootstrap:
    """Decisions measured on the data and on every resample."""
    statistics = [threshold_statistic(said[:, i], truth[:, i], 0.5) for i in range(truth.shape[1])]
    return bootstrap(statistics, resamples)


def mean_of(readers: Sequence[Bootstrap]) -> Bootstrap:
    """The mean over readers, in the data and in every resample."""
    return Bootstrap(
        values={m: np.mean([one.values[m] for one in readers], axis=0) for m in METRICS},
        replicates={m: np.mean([one.replicates[m] for one in readers], axis=0) for m in METRICS},
        left_out={m: np.mean([one.left_out[m] for one in readers], axis=0) for m in METRICS},
        units=readers[0].units,
    )


def minus(first: Bootstrap, second: Bootstrap) -> Bootstrap:
    """The difference, in the data and in every resample."""
    return Bootstrap(
        values={m: first.values[m] - second.values[m] for m in METRICS},
        replicates={m: first.replicates[m] - second.replicates[m] for m in METRICS},
        left_out={m: first.left_out[m] - second.left_out[m] for m in METRICS},
        units=first.units,
    )


def scored(
    found: Bootstrap, findings: Sequence[str], reasons: Sequence[str | None]
) -> dict[str, dict[str, Score]]:
    """Scores of every finding, and the mean over findings."""
    scores = {
        name: {m: Score.of(found.interval(m, i), reasons[i]) for m in METRICS}
        for i, name in enumerate(findings)
    }
    scores[MEAN] = {m: Score.of(found.mean_interval(m), "undefined") for m in METRICS}
    return scores
