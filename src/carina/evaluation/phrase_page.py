"""An evaluation of phrase grounding as the input of the report page."""

from dataclasses import replace

import polars as pl

from carina.evaluation.page import facts_of
from carina.evaluation.page_values import measured_of
from carina.evaluation.phrase_cases import LeftOut, PhraseCase, mapped_cases, measured_size
from carina.evaluation.phrase_grounding import PhraseGroundingSettings, cases_of
from carina.evaluation.result import Evaluation
from carina.evaluation.scoring import part_of
from carina.evaluation.sources import has_synthetic
from carina.evaluation.table import remarks
from carina.imaging.reader import read_radiograph
from carina.pages.overlay import resized
from carina.pages.report_content import Case, GroundingRow, Headline, ReportPage
from carina.studies.manifest import Manifest

SHOWN_CASES = 6
TABLE_METRICS = ("cnr", "cnr_absolute", "miou", "pointing_game")


def phrase_grounding_page(evaluation: Evaluation, model: object, manifest: Manifest) -> ReportPage:
    """Fills a report page: numbers by category, and the best and worst maps with their boxes."""
    best, worst = chosen_rows(evaluation.predictions)
    return ReportPage(
        title="Phrase grounding",
        summary=summary_of(evaluation),
        synthetic=has_synthetic(evaluation.settings),
        headlines=headlines_of(evaluation),
        best=drawn(evaluation, model, manifest, best),
        worst=drawn(evaluation, model, manifest, worst),
        grounding=tuple(
            GroundingRow(
                finding=name,
                cases=evaluation.positives[name],
                values={metric: measured_of(scores[metric]) for metric in TABLE_METRICS},
                chance=measured_of(scores["chance"]),
                position=measured_of(scores["position_baseline"]),
            )
            for name, scores in evaluation.findings.items()
        ),
        facts=facts_of(evaluation),
        notes=tuple(remarks(evaluation)),
    )


def summary_of(evaluation: Evaluation) -> str:
    """One paragraph: what was done, with what, on whom."""
    return (
        f"A model ({evaluation.model or 'unnamed'}) was asked where "
        f"{evaluation.settings['phrases']} phrases hold on {evaluation.images} radiographs of "
        f"{evaluation.studies} studies ({evaluation.split}), and its maps were compared with what "
        "readers outlined for each phrase. Intervals are 95%, from resampling "
        f"{evaluation.settings['resampled']} {evaluation.settings['replicates']} times."
    )


def headlines_of(evaluation: Evaluation) -> tuple[Headline, ...]:
    """The paper's two numbers, and the pointing game beside one who has not seen the image."""
    mean = evaluation.mean
    return (
        Headline(
            label="Contrast-to-noise ratio, mean over phrases",
            measured=measured_of(mean["cnr_samples"]),
            note="how far a map stands out inside its boxes, in units of its own spread",
        ),
        Headline(
            label="mIoU, mean over phrases",
            measured=measured_of(mean["miou_samples"]),
            note="overlap with the boxes, mean over five thresholds",
        ),
        Headline(
            label="Pointing game, mean over phrases",
            measured=measured_of(mean["pointing_game_samples"]),
            note="how often the peak of the map lies inside a box",
        ),
        Headline(
            label="Pointing at the usual place instead",
            measured=measured_of(mean["position_baseline_samples"]),
            note="what one reaches without looking at the image",
        ),
    )


def chosen_rows(predictions: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The cases with the highest and with the lowest contrast, one an image and category."""
    ordered = predictions.filter(pl.col("cnr").is_not_null()).sort("cnr", descending=True)
    single = ordered.unique("image", keep="first", maintain_order=True)
    best = single.unique("category", keep="first", maintain_order=True).head(SHOWN_CASES)
    lowest = single.reverse().unique("category", keep="first", maintain_order=True)
    return best, lowest.filter(~pl.col("image").is_in(best["image"].implode())).head(SHOWN_CASES)


def drawn(
    evaluation: Evaluation, model: object, manifest: Manifest, rows: pl.DataFrame
) -> tuple[Case, ...]:
    """Grounds the chosen cases once more and lays map and boxes on each radiograph."""
    settings = PhraseGroundingSettings(
        split=None if evaluation.split == "all" else evaluation.split,
        template=template_of(evaluation),
        smoothing=evaluation.settings["smoothing"],
    )
    wanted = {(row["image"], row["query"]): row for row in rows.iter_rows(named=True)}
    part = part_of(manifest, settings.split)
    cases = [one for one in cases_of(part, settings) if (one.frontal.path, one.phrase) in wanted]
    shown = {}
    mapped = mapped_cases(
        model,
        part,
        cases,
        LeftOut(),
        smoothing=settings.smoothing,
        batch_size=SHOWN_CASES,
    )
    for case, maps, phrase in mapped:
        height, width = measured_size(maps)
        key = (case.frontal.path, case.phrase)
        shown[key] = replace(
            plain_case(case, part, height, width),
            heatmap=maps.heatmap(phrase, height, width),
            score=wanted[key]["cnr"],
            said=f"CNR {wanted[key]['cnr']:+.2f}, mIoU {wanted[key]['miou']:.2f}",
            caption=f"{case.category}; peak "
            f"{'inside' if wanted[key]['pointing_game'] > 0.5 else 'outside'} the outline.",
        )
    return tuple(shown[key] for key in wanted if key in shown)


def template_of(evaluation: Evaluation) -> str | None:
    """The template that outlines were asked by, or None where phrases were."""
    asked: str = evaluation.settings["asked_by"]
    return asked if "{name}" in asked else None


def plain_case(case: PhraseCase, part: Manifest, height: int, width: int) -> Case:
    """A radiograph with the true outline of a phrase."""
    image = read_radiograph(part.absolute(case.frontal.path))
    return Case(
        image=resized(image, height, width),
        finding=f"“{case.phrase}”",
        score=0.0,
        truth=True,
        mask=case.truth(height, width),
    )
