"""An evaluation as the input of the report page."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version

import numpy as np
from jaxtyping import Float

from carina.evaluation.compare import mean_over
from carina.evaluation.grounding_page import grounding_rows, pointed_groups
from carina.evaluation.outlines import outlined
from carina.evaluation.page_cases import SHOWN_CASES, Choice, distinct, drawn
from carina.evaluation.page_values import chosen, measured_of
from carina.evaluation.result import Evaluation, Scores
from carina.evaluation.rows import Rows, rows_of_evaluation
from carina.evaluation.scoring import frontals_of
from carina.evaluation.sources import has_synthetic
from carina.evaluation.table import remarks
from carina.metrics.calibration import EqualMassBins, reliability_curve
from carina.metrics.classification import RATES
from carina.metrics.curves import precision_recall_points, roc_points
from carina.pages.matrices import Confusion
from carina.pages.measured import Measured
from carina.pages.report_content import FindingCurves, Headline, ReportPage, RunFact, ScoreRow
from carina.studies.manifest import Manifest
from carina.studies.truth import canonical
from carina.zeroshot.protocol import ZeroShotModel

CURVE_POINTS = 200
TABLE_METRICS = (
    *("auc", "average_precision", "mcc", "f1", "accuracy"),
    *("sensitivity", "specificity", "brier", "calibration_error"),
)


def evaluation_page(
    evaluation: Evaluation,
    model: ZeroShotModel,
    manifest: Manifest,
    *,
    grounding: Evaluation | None = None,
    unseen: Collection[str] = (),
    described: Evaluation | None = None,
    title: str | None = None,
) -> ReportPage:
    """Fills a report page; whoever has more to show adds it with `dataclasses.replace`.

    Args:
        evaluation: of either task.
        model: asked again for the heat-maps of the few cases that are shown.
        manifest: the one that was evaluated.
        grounding: a grounding evaluation to show beside a zero-shot one.
        unseen: findings that never occurred in training, shown in a table of their own.
        described: the unseen findings asked by name and description, shown beside `unseen`.
        title: of the page.
    """
    pointing = evaluation if evaluation.task == "grounding" else grounding
    classified = evaluation if evaluation.task == "zero-shot" else None
    best, worst = case_choices(classified, manifest) if classified else ((), ())
    seen = [name for name in evaluation.findings if name not in unseen]
    mean: Scores = {}
    if classified:
        mean = mean_over(classified, seen) if unseen and seen else classified.mean
    return ReportPage(
        title=title or f"{evaluation.task.capitalize()} evaluation",
        summary=summary_of(evaluation),
        synthetic=has_synthetic(evaluation.settings),
        headlines=(
            *headlines_of(classified, mean, seen),
            *headlines_of(pointing, {}, ()),
            *unseen_headlines(classified, list(unseen)),
        ),
        scores=score_rows(classified, seen) if classified else (),
        mean=chosen(mean, TABLE_METRICS),
        unseen=unseen_rows(classified, list(unseen), described),
        curves=finding_curves(classified) if classified else (),
        best=drawn(model, manifest, evaluation, best),
        worst=drawn(model, manifest, evaluation, worst),
        grounding=grounding_rows(pointing) if pointing else (),
        pointed=pointed_groups(pointing, model, manifest) if pointing else (),
        confusions=confusions_of(classified) if classified else (),
        facts=facts_of(evaluation),
        notes=notes_of(evaluation, grounding),
    )


def score_rows(evaluation: Evaluation, names: Sequence[str]) -> tuple[ScoreRow, ...]:
    """One row a finding."""
    known = evaluation.settings["known_truth"]
    return tuple(
        ScoreRow(
            finding=name,
            positives=evaluation.positives[name],
            images=known[name],
            values=chosen(evaluation.findings[name], TABLE_METRICS),
        )
        for name in names
        if name in evaluation.findings
    )


def unseen_rows(
    evaluation: Evaluation | None, unseen: Sequence[str], described: Evaluation | None
) -> tuple[ScoreRow, ...]:
    """Unseen findings by name, each followed by itself with a description if it was so asked.

    Metrics at a threshold are left out where no row has one.
    """
    rows = score_rows(evaluation, unseen) if evaluation else ()
    with_text = score_rows(described, list(described.findings)) if described else ()
    pairs = [
        (row, *(replace(d, finding=f"{d.finding}, described") for d in with_text if same(row, d)))
        for row in rows
    ]
    ordered = [row for pair in pairs for row in pair]
    known = {name for row in ordered for name, one in row.values.items() if one.defined}
    return tuple(replace(row, values=kept(row.values, known)) for row in ordered)


def kept(values: Mapping[str, Measured], known: Collection[str]) -> dict[str, Measured]:
    """What needs no threshold, and the rest as far as it is known of any row."""
    return {name: one for name, one in values.items() if name in known or name not in RATES}


def same(first: ScoreRow, second: ScoreRow) -> bool:
    """Whether two rows are of one finding."""
    return canonical(first.finding) == canonical(second.finding)


def headlines_of(
    evaluation: Evaluation | None, mean: Scores, seen: Sequence[str]
) -> tuple[Headline, ...]:
    """The numbers at the top: mean AUC of seen findings, or the pointing game of focal ones."""
    if evaluation is None:
        return ()
    if evaluation.task == "zero-shot":
        defined = sum(evaluation.findings[name]["auc"].value is not None for name in seen)
        return (
            Headline(
                label=f"Mean AUC, {defined} findings",
                measured=measured_of(mean["auc"]),
                note="how often a radiograph with the finding outscores one without",
            ),
        )
    return pointing_headlines(evaluation)


def pointing_headlines(evaluation: Evaluation) -> tuple[Headline, ...]:
    """The pointing game and both answers that need no image.

    Of the focal findings where most are: the peak of a whole lung's map is arbitrary.
    """
    number, focal = len(evaluation.findings), len(evaluation.settings["focal"])
    mostly_focal = 2 * focal > number
    ending = "_focal" if mostly_focal else ""
    what = "focal finding" if mostly_focal else "finding"
    plural = what if (focal if mostly_focal else number) == 1 else f"{what}s"
    return (
        Headline(
            label=f"Pointing game, {focal if mostly_focal else number} {plural}",
            measured=measured_of(evaluation.mean[f"pointing_game{ending}"]),
            note="how often the peak of the heat-map lies inside the true outline",
        ),
        Headline(
            label="Pointing at the usual place instead",
            measured=measured_of(evaluation.mean[f"position_baseline{ending}"]),
            note="what one reaches without looking at the image",
        ),
        Headline(
            label="Pointing at random",
            measured=measured_of(evaluation.mean[f"chance{ending}"]),
            note="the share of the image that the outlines cover",
        ),
    )


def unseen_headlines(evaluation: Evaluation | None, unseen: Sequence[str]) -> tuple[Headline, ...]:
    """The mean AUC of the findings that never occurred in training, where there are any."""
    if evaluation is None or not unseen:
        return ()
    return (
        Headline(
            label=f"Mean AUC, {len(unseen)} findings never seen",
            measured=measured_of(mean_over(evaluation, unseen)["auc"]),
            note="in no training report or radiograph; asked by name alone; 0.5 is chance",
        ),
    )


def finding_curves(evaluation: Evaluation) -> tuple[FindingCurves, ...]:
    """ROC, precision-recall and calibration of every finding that has both kinds of images."""
    rows = rows_of_evaluation(evaluation)
    curves = []
    for i, (name, values) in enumerate(evaluation.findings.items()):
        scores, truth = rows.scores[:, i], rows.truth[:, i]
        roc = roc_points(scores, truth)
        if not len(roc[0]):
            continue
        reliability = reliability_curve(scores, truth, EqualMassBins())
        curves.append(
            FindingCurves(
                finding=name,
                auc=measured_of(values["auc"]),
                average_precision=measured_of(values["average_precision"]),
                prevalence=float(np.nanmean(truth)),
                roc=thinned(*roc),
                precision_recall=thinned(*precision_recall_points(scores, truth)),
                calibration=(reliability.mean_score, reliability.share_positive),
            )
        )
    return tuple(curves)


def thinned(
    x: Float[np.ndarray, " points"], y: Float[np.ndarray, " points"]
) -> tuple[Float[np.ndarray, " fewer"], Float[np.ndarray, " fewer"]]:
    """At most `CURVE_POINTS` of the points, both ends among them."""
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), CURVE_POINTS)).round().astype(np.int64))
    return x[kept], y[kept]


def confusions_of(evaluation: Evaluation) -> tuple[Confusion, ...]:
    """Counts at the thresholds from validation data, where there are any."""
    rows = rows_of_evaluation(evaluation)
    confusions = []
    for i, name in enumerate(evaluation.findings):
        threshold = evaluation.thresholds[name].value
        if threshold is None:
            continue
        called, truth = rows.scores[:, i] >= threshold, rows.truth[:, i]
        confusions.append(
            Confusion(
                finding=name,
                threshold=threshold,
                true_positive=int((called & (truth == 1)).sum()),
                false_positive=int((called & (truth == 0)).sum()),
                false_negative=int((~called & (truth == 1)).sum()),
                true_negative=int((~called & (truth == 0)).sum()),
            )
        )
    return tuple(confusions)


def case_choices(
    evaluation: Evaluation, manifest: Manifest
) -> tuple[tuple[Choice, ...], tuple[Choice, ...]]:
    """The best and the worst cases, no two of one finding or image among either."""
    known = {
        (frontal.path, finding)
        for frontal in frontals_of(manifest)
        for finding in outlined(frontal)
    }
    return zero_shot_choices(evaluation, known)


def zero_shot_choices(
    evaluation: Evaluation, known_outlines: Collection[tuple[str, str]]
) -> tuple[tuple[Choice, ...], tuple[Choice, ...]]:
    """Best: positives that outscore all but few images. Worst: misses and false alarms.

    Scores are compared as ranks within their finding, since scores of two findings cannot be.
    Among the best, images with a known outline come first: there one can see whether the map is
    right.
    """
    rows = rows_of_evaluation(evaluation)
    best, misses, alarms = [], [], []
    for i, name in enumerate(map(canonical, evaluation.findings)):
        truth = rows.truth[:, i]
        if not (truth == 1).any() or not (truth == 0).any():
            continue
        rank = ranks(rows.scores[:, i])
        positives, negatives = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
        shown = [row for row in positives if (rows.images[row], name) in known_outlines]
        candidates = np.array(shown) if shown else positives
        top = int(candidates[rank[candidates].argmax()])
        miss, alarm = positives[rank[positives].argmin()], negatives[rank[negatives].argmax()]
        best.append((1 - rank[top], choice_of(rows, evaluation, i, top, rank[top])))
        misses.append((rank[miss], choice_of(rows, evaluation, i, int(miss), rank[miss])))
        alarms.append((1 - rank[alarm], choice_of(rows, evaluation, i, int(alarm), rank[alarm])))
    half = SHOWN_CASES // 2
    missed = distinct(misses, half, ())
    return distinct(best, SHOWN_CASES, ()), (*missed, *distinct(alarms, half, missed))


def choice_of(rows: Rows, evaluation: Evaluation, finding: int, row: int, rank: float) -> Choice:
    """A row as a choice."""
    return Choice(
        image=rows.images[row],
        finding=list(evaluation.findings)[finding],
        score=float(rows.scores[row, finding]),
        truth=bool(rows.truth[row, finding] == 1),
        caption=f"Higher than {rank:.0%} of the radiographs for this finding.",
    )


def ranks(scores: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """The share of rows with a lower score, in [0, 1)."""
    shares: Float[np.ndarray, " rows"] = np.searchsorted(np.sort(scores), scores) / len(scores)
    return shares


def summary_of(evaluation: Evaluation) -> str:
    """One paragraph: what was done, with what, on whom."""
    done = {
        "zero-shot": "asked by name about findings that it was given no labels of",
        "grounding": "asked where findings are that it was given no outlines of",
    }[evaluation.task]
    return (
        f"A model ({evaluation.model or 'unnamed'}) was {done}: {len(evaluation.findings)} "
        f"findings on {evaluation.images} radiographs of {evaluation.studies} studies "
        f"({evaluation.split}). Intervals are 95%, from resampling "
        f"{evaluation.settings['resampled']} {evaluation.settings['replicates']} times."
    )


def facts_of(evaluation: Evaluation) -> tuple[RunFact, ...]:
    """How the evaluation was made: the settings that fit a line."""
    facts = {
        "carina": version("carina"),
        "task": evaluation.task,
        "model": evaluation.model,
        "data": evaluation.data,
        "part": evaluation.split,
        **{
            name.replace("_", " "): str(value)
            for name, value in evaluation.settings.items()
            if isinstance(value, str | int | float) or value is None
        },
    }
    return tuple(RunFact(name=name, value=value) for name, value in facts.items())


def notes_of(*evaluations: Evaluation | None) -> tuple[str, ...]:
    """What was left out, merged or undefined."""
    return tuple(line for one in evaluations if one is not None for line in remarks(one))
