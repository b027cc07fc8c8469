"""What an evaluation found: numbers with intervals, as evaluation.json holds them."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from carina.errors import EvaluationError
from carina.files import atomic_folder
from carina.metrics.paired import Difference
from carina.metrics.statistics import Interval

RESULT = "evaluation.json"
PREDICTIONS = "predictions.parquet"
VALIDATION_PREDICTIONS = "predictions_validate.parquet"
PAGE = "index.html"
DESCRIBED = "described"
COMPARISON = "comparison.json"
FILES = frozenset({RESULT, PREDICTIONS, VALIDATION_PREDICTIONS, PAGE, DESCRIBED, COMPARISON})

DIRECT = "direct_names"
"""The setting that says that findings were asked by their names, whatever the model knows."""

Settings = Mapping[str, Any]
"""How an evaluation was made: plain JSON values by name."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """A number with its 95% interval, or why there is none.

    `value` is None where it is undefined and `reason` says why. `low` and `high` are None where
    there is no interval. `undefined_resamples` counts the bootstrap resamples that could not be
    used, such as those without a positive.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None
    undefined_resamples: int = 0

    @classmethod
    def of(cls, interval: Interval | Difference, reason: str | None) -> "Score":
        """An interval as a score; `reason` is used where the value is undefined."""
        if not math.isfinite(interval.value):
            return cls(value=None, reason=reason or "not defined on these images")
        bounded = math.isfinite(interval.low)
        return cls(
            value=interval.value,
            low=interval.low if bounded else None,
            high=interval.high if bounded else None,
            reason=None if bounded else "no interval: too few images tell",
            undefined_resamples=interval.undefined,
        )

    def to_json(self) -> dict[str, Any]:
        """Value and bounds; reason and count only where there is something to say."""
        plain: dict[str, Any] = {"value": self.value, "low": self.low, "high": self.high}
        if self.reason is not None:
            plain["reason"] = self.reason
        if self.undefined_resamples:
            plain["undefined_resamples"] = self.undefined_resamples
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Score":
        """The score that `to_json` wrote."""
        return cls(
            value=plain["value"],
            low=plain.get("low"),
            high=plain.get("high"),
            reason=plain.get("reason"),
            undefined_resamples=plain.get("undefined_resamples", 0),
        )


Scores = Mapping[str, Score]
"""Metric -> score."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """One task of one model on one part of a manifest.

    Attributes:
        task: "zero-shot" or "grounding".
        model: the model folder, as it was named.
        data: the manifest, as it was named, and the digest of its content.
        split: the part that was scored, or "all".
        studies: how many studies were scored.
        images: how many radiographs were scored.
        positives: finding -> images on which it is present.
        findings: finding -> metric -> score.
        mean: metric -> mean over the findings in which it is defined.
        thresholds: finding -> the threshold that was chosen on validation data.
        settings: everything else that one must know to make the numbers again.
        predictions: study, image, query, score, truth (1, 0, null), patient; a row a pair.
        validation_predictions: the same of the images that the thresholds were chosen on.
    """

    task: str
    model: str
    data: str
    split: str
    studies: int
    images: int
    positives: Mapping[str, int]
    findings: Mapping[str, Scores]
    mean: Scores
    thresholds: Scores
    settings: Settings
    predictions: pl.DataFrame
    validation_predictions: pl.DataFrame | None = None

    def to_json(self) -> dict[str, Any]:
        """The content of evaluation.json."""
        return {
            "task": self.task,
            "model": self.model,
            "data": self.data,
            "split": self.split,
            "studies": self.studies,
            "images": self.images,
            "positives": dict(self.positives),
            "findings": {name: _plain(scores) for name, scores in self.findings.items()},
            "mean": _plain(self.mean),
            "thresholds": _plain(self.thresholds),
            "settings": dict(self.settings),
        }

    def save(self, folder: Path, page: str | None = None) -> None:
        """Writes evaluation.json, the predictions and a page, all of them or nothing.

        An evaluation saved there before is replaced.

        Args:
            folder: new, empty, or holding an earlier evaluation.
            page: HTML for index.html, or None for no page.

        Raises:
            EvaluationError: the folder holds something else.
            OutputError: it cannot be written.
        """
        check_replaceable(folder)
        with atomic_folder(folder) as temporary:
            self.write_into(temporary)
            if page is not None:
                (temporary / PAGE).write_text(page, encoding="utf-8")

    def write_into(self, folder: Path) -> None:
        """Writes evaluation.json and the predictions into a folder that is there."""
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
        (folder / RESULT).write_text(text + "\n", encoding="utf-8")
        self.predictions.write_parquet(folder / PREDICTIONS)
        if self.validation_predictions is not None:
            self.validation_predictions.write_parquet(folder / VALIDATION_PREDICTIONS)

    @classmethod
    def read(cls, path: Path) -> "Evaluation":
        """Reads what `save` wrote.

        Args:
            path: the folder, or the evaluation.json in it.

        Raises:
            EvaluationError: a file is missing, or is no evaluation.
        """
        file = path / RESULT if path.is_dir() else path
        try:
            plain = json.loads(file.read_text(encoding="utf-8"))
            held = file.parent / VALIDATION_PREDICTIONS
            return cls(
                **{name: plain[name] for name in ("task", "model", "data", "split", "studies")},
                images=plain["images"],
                positives=plain["positives"],
                findings={name: _scores(rows) for name, rows in plain["findings"].items()},
                mean=_scores(plain["mean"]),
                thresholds=_scores(plain["thresholds"]),
                settings=plain["settings"],
                predictions=pl.read_parquet(file.parent / PREDICTIONS),
                validation_predictions=pl.read_parquet(held) if held.exists() else None,
            )
        except FileNotFoundError as error:
            raise EvaluationError(
                f"{error.filename or file}: there is no such file; expected the folder of an "
                "evaluation. Make one with `carina evaluate ... --out FOLDER`."
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, _PolarsError) as error:
            raise EvaluationError(
                f"{file}: is no evaluation ({type(error).__name__}: {error}). Expected what "
                "`carina evaluate` wrote, with predictions.parquet beside it."
            ) from error


_PolarsError = pl.exceptions.PolarsError


def check_replaceable(folder: Path) -> None:
    """Refuses to put an evaluation where anything but an earlier one is.

    Raises:
        EvaluationError: the path is a file, or a folder that holds other files.
    """
    if folder.exists() and not folder.is_dir():
        raise EvaluationError(f"{folder}: is a file, expected a folder to write to. Name another.")
    others = (
        sorted(p.name for p in folder.iterdir() if p.name not in FILES) if folder.exists() else []
    )
    if others:
        raise EvaluationError(
            f"{folder}: holds {others[0]!r}, which is no part of an evaluation, expected a new or "
            "empty folder or an earlier evaluation. Nothing was written; name another folder."
        )


def _plain(scores: Scores) -> dict[str, dict[str, Any]]:
    return {name: score.to_json() for name, score in scores.items()}


def _scores(plain: Mapping[str, Mapping[str, Any]]) -> dict[str, Score]:
    return {name: Score.from_json(score) for name, score in plain.items()}
