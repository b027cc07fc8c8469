"""Retrieval: does a model find the report of a radiograph, and the radiograph of a report?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from jaxtyping import Float, Integer

from carina.errors import EvaluationError
from carina.evaluation.bounds import check_at_least_one
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.scoring import Frontal, check_any, frontals_of, part_of
from carina.evaluation.sources import SOURCES, sources_of
from carina.files import progress
from carina.metrics.retrieval import chance_recall, recall_at
from carina.metrics.statistics import (
    Bootstrap,
    Resamples,
    bootstrap,
    mean_statistic,
    share_statistic,
    together,
)
from carina.report.sections import split_sections
from carina.studies.manifest import Manifest
from carina.zeroshot.protocol import ImageTextModel
from carina.zeroshot.reading import Prepared, evaluating, read_ahead

RANKS = (1, 5, 10)
IMAGE_TO_REPORT = "image to report"
REPORT_TO_IMAGE = "report to image"
RECALLS = tuple(f"recall_at_{k}" for k in RANKS)
CHANCES = tuple(f"chance_at_{k}" for k in RANKS)
METRICS = (*RECALLS, *CHANCES)


@dataclass(frozen=True, kw_only=True)
class RetrievalSettings:
    """How retrieval is measured.

    Attributes:
        split: the part that is scored; None for every study. All its radiographs and reports are
            the candidates, so recalls of parts of different size cannot be compared.
        replicates: bootstrap resamples, of the queries: the candidates stay.
        whole_patients: resample patients with all their radiographs, not single radiographs.
        seed: of the bootstrap.
        batch_size: radiographs that go through the network at once.

    Raises:
        ConfigError: a number is out of range.
    """

    split: str | None = "test"
    replicates: int = 1000
    whole_patients: bool = True
    seed: int = 0
    batch_size: int = 16

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        check_at_least_one("replicates", self.replicates)
        check_at_least_one("batch_size", self.batch_size)


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Radiographs as vectors, and the number of the text that each belongs with."""

    frontals: tuple[Frontal, ...]
    images: Float[np.ndarray, "images dim"]
    reports: Float[np.ndarray, "texts dim"]
    text_of: Integer[np.ndarray, " images"]
    unreadable: tuple[tuple[str, str], ...]


def evaluate_retrieval(
    model: object,
    manifest: Manifest,
    settings: RetrievalSettings | None = None,
    *,
    model_name: str = "",
) -> Evaluation:
    """Ranks the reports of a part for each of its radiographs, and the other way round.

    Reports of the same words are one candidate: each of them is right for each of its
    radiographs. A report is asked once for each radiograph that it belongs to, and finding any
    of them is right. Studies without a report are left out, and counted.

    Args:
        model: an `ImageTextModel`.
        manifest: with reports; all its studies, the split is taken here.
        settings: by default `RetrievalSettings()`.
        model_name: what the evaluation calls the model.

    Raises:
        EvaluationError: the model has no common space of images and texts, no study has a
            report, or not one radiograph can be read.
        ManifestError: no study is in `settings.split`.
    """
    settings = settings or RetrievalSettings()
    if not isinstance(model, ImageTextModel):
        raise EvaluationError(
            f"A {type(model).__name__} answers queries about a radiograph, but has no space in "
            "which radiographs and reports can be compared. Retrieval needs a model trained by "
            "contrast alone, such as MaCo, ConVIRT or CLIP."
        )
    part = part_of(manifest, settings.split)
    frontals = frontals_of(part)
    texts = {one.study.study_id: report_text(one.study.report.text) for one in frontals}
    told = [one for one in frontals if texts[one.study.study_id]]
    if not told:
        raise EvaluationError(
            f"{manifest.path}: none of {len(part)} studies of the split {settings.split or 'all'} "
            "has a report; expected radiographs with reports."
        )
    embedded = embed(model, part, told, texts, settings.batch_size)
    return assembled(embedded, len(frontals) - len(told), settings, manifest, model_name)


def report_text(text: str) -> str:
    """The sections of a report that tell what is seen, else all of it; "" for a blank one."""
    seen = [text[one.start : one.end] for one in split_sections(text) if one.reported]
    return " ".join(" ".join(seen).split()) or " ".join(text.split())


def embed(
    model: ImageTextModel,
    part: Manifest,
    frontals: Sequence[Frontal],
    texts: Mapping[str, str],
    batch_size: int,
) -> Embedded:
    """Puts radiographs and the different texts into the model's space.

    Raises:
        EvaluationError: not one radiograph could be read.
    """
    kept: list[Frontal] = []
    vectors: list[Float[np.ndarray, "batch dim"]] = []
    unreadable: list[tuple[str, str]] = []
    paths = [part.absolute(one.path) for one in frontals]
    batches = read_ahead(paths, model.preprocessing, batch_size)
    total = -(-len(paths) // batch_size)
    for batch in progress(batches, "Embedding radiographs", total):
        readable = [one for one in batch if isinstance(one, Prepared)]
        unreadable += [
            (frontals[one.index].path, one.message)
            for one in batch
            if not isinstance(one, Prepared)
        ]
        kept += [frontals[one.index] for one in readable]
        if readable:
            with evaluating(model) as device:
                pixels = torch.stack([one.pixels for one in readable]).to(device)
                vectors.append(model.embed_radiographs(pixels).float().cpu().numpy())
    check_any(kept, unreadable)
    keys = [texts[one.study.study_id].casefold() for one in kept]
    number = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    words = {key: texts[one.study.study_id] for key, one in zip(keys, kept, strict=True)}
    with evaluating(model):
        reports = model.embed_reports([words[key] for key in number]).float().cpu().numpy()
    return Embedded(
        frontals=tuple(kept),
        images=np.concatenate(vectors),
        reports=reports,
        text_of=np.array([number[key] for key in keys]),
        unreadable=tuple(unreadable),
    )


def assembled(
    embedded: Embedded,
    untold: int,
    settings: RetrievalSettings,
    manifest: Manifest,
    model_name: str,
) -> Evaluation:
    """Vectors as an evaluation."""
    frame = query_frame(embedded)
    findings, mean = retrieval_scores(frame, settings)
    return Evaluation(
        task="retrieval",
        model=model_name,
        data=f"{manifest.path.name} sha256:{manifest.digest}",
        split=settings.split or "all",
        studies=len({one.study.study_id for one in embedded.frontals}),
        images=len(embedded.frontals),
        positives=dict.fromkeys((IMAGE_TO_REPORT, REPORT_TO_IMAGE), len(embedded.frontals)),
        findings=findings,
        mean=mean,
        thresholds={},
        settings=settings_as_json(settings, embedded, untold),
        predictions=frame,
    )


def query_frame(embedded: Embedded) -> pl.DataFrame:
    """One row a query: study, image, query (the direction), patient, and each recall.

    `score` is the likeness of the radiograph and its own report.
    """
    similarity = embedded.images.astype(np.float64) @ embedded.reports.astype(np.float64).T
    texts, reports = embedded.text_of, np.arange(len(embedded.reports))
    own = similarity[np.arange(len(texts)), texts]
    directions = {
        IMAGE_TO_REPORT: (similarity, texts, reports),
        # Each radiograph's own report is asked, so that both directions have the same queries.
        REPORT_TO_IMAGE: (similarity.T[texts], texts, texts),
    }
    return pl.concat(
        pl.DataFrame(
            {
                "study": [one.study.study_id for one in embedded.frontals],
                "image": [one.path for one in embedded.frontals],
                "query": [direction] * len(own),
                "score": own,
                "truth": pl.Series([1] * len(own), dtype=pl.Int8),
                "patient": [one.study.patient_id for one in embedded.frontals],
                **dict(zip(RECALLS, recall_at(*ranked, RANKS).T, strict=True)),
                **dict(zip(CHANCES, chance_recall(ranked[1], ranked[2], RANKS).T, strict=True)),
            }
        )
        for direction, ranked in directions.items()
    )


def retrieval_scores(
    frame: pl.DataFrame, settings: RetrievalSettings
) -> tuple[dict[str, dict[str, Score]], dict[str, Score]]:
    """Recalls of both directions, and their means."""
    parts = {
        name: frame.filter(pl.col("query") == name) for name in (IMAGE_TO_REPORT, REPORT_TO_IMAGE)
    }
    result = bootstrap_queries(list(parts.values()), settings)
    findings = {
        name: {metric: Score.of(result.interval(metric, i), None) for metric in METRICS}
        for i, name in enumerate(parts)
    }
    mean = {metric: Score.of(result.mean_interval(metric), None) for metric in METRICS}
    return findings, mean


def bootstrap_queries(directions: Sequence[pl.DataFrame], settings: RetrievalSettings) -> Bootstrap:
    """Resamples radiographs, or whole patients, with both of their queries."""
    units = directions[0]["patient"].to_list() if settings.whole_patients else None
    statistics = [
        together(
            *(share_statistic(metric, rows[metric].to_numpy()) for metric in RECALLS),
            *(mean_statistic(metric, rows[metric].to_numpy()) for metric in CHANCES),
        )
        for rows in directions
    ]
    resamples = Resamples(len(directions[0]), settings.replicates, settings.seed, units)
    return bootstrap(statistics, resamples)


def settings_as_json(
    settings: RetrievalSettings, embedded: Embedded, untold: int
) -> dict[str, Any]:
    """How the evaluation was made, in words and numbers."""
    return {
        "candidate_images": len(embedded.images),
        "candidate_reports": len(embedded.reports),
        "reports": "the sections that tell what is seen, else the whole text; equal texts, but "
        "for case and space, are one candidate",
        "right": "any radiograph or report with the text of the query",
        "ties": "drawn by lot",
        "without_report": untold,
        "interval": "bootstrap, 95% (BCa with quantiles of Student's t), of the queries",
        "replicates": settings.replicates,
        "resampled": "whole patients" if settings.whole_patients else "single radiographs",
        "seed": settings.seed,
        "unreadable": [{"image": path, "message": text} for path, text in embedded.unreadable],
        SOURCES: sources_of(one.study for one in embedded.frontals),
    }
