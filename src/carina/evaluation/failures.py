"""The worst cases of an evaluation: what was missed, and what was called where nothing is."""

from collections.abc import Sequence

import numpy as np

from carina.errors import RadiographError
from carina.evaluation.outlines import boxes_of, outline_or_nothing
from carina.evaluation.page import choice_of, ranks
from carina.evaluation.page_cases import Choice
from carina.evaluation.result import Evaluation
from carina.evaluation.rows import Rows
from carina.evaluation.scoring import Frontal
from carina.imaging.reader import read_radiograph
from carina.pages.report_content import Case
from carina.studies.manifest import Manifest

SHOWN = 12
"""So many misses, and so many false alarms, are shown."""

MOST_OF_ONE = 2
"""No finding has more of either than this, or the hardest would fill the sheet."""


def worst_cases(
    evaluation: Evaluation, rows: Rows
) -> tuple[tuple[Choice, ...], tuple[Choice, ...]]:
    """Misses and false alarms, the worst first.

    Scores of two findings cannot be compared, so each counts by its rank within its finding: a
    miss is a positive below most negatives, a false alarm a negative above most positives.
    """
    misses: list[tuple[float, Choice]] = []
    alarms: list[tuple[float, Choice]] = []
    for finding in range(len(evaluation.positives)):
        truth = rows.truth[:, finding]
        if not (truth == 1).any() or not (truth == 0).any():
            continue
        rank = ranks(rows.scores[:, finding])
        positives, negatives = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
        for row in positives[np.argsort(rank[positives], kind="stable")][:SHOWN]:
            choice = choice_of(rows, evaluation, finding, int(row), rank[row])
            misses.append((float(rank[row]), choice))
        for row in negatives[np.argsort(-rank[negatives], kind="stable")][:SHOWN]:
            choice = choice_of(rows, evaluation, finding, int(row), rank[row])
            alarms.append((1 - float(rank[row]), choice))
    return few_of_each(misses), few_of_each(alarms)


def few_of_each(ordered: Sequence[tuple[float, Choice]]) -> tuple[Choice, ...]:
    """The first by key, none of an image that is shown already, few of one finding."""
    kept: list[Choice] = []
    for _, choice in sorted(ordered, key=lambda pair: pair[0]):
        same = sum(one.finding == choice.finding for one in kept)
        if same < MOST_OF_ONE and choice.image not in {one.image for one in kept}:
            kept.append(choice)
        if len(kept) == SHOWN:
            break
    return tuple(kept)


def pictures_of(
    choices: Sequence[Choice], manifest: Manifest, place: dict[str, Frontal]
) -> tuple[Case, ...]:
    """The radiographs of cases with the true outline; one that cannot be read is left off."""
    cases = []
    for choice in choices:
        frontal = place[choice.image]
        try:
            image = read_radiograph(manifest.absolute(choice.image))
        except RadiographError:
            continue
        mask = outline_or_nothing(manifest, frontal, choice.finding, *image.shape)
        cases.append(
            Case(
                image=image,
                finding=choice.finding,
                score=choice.score,
                truth=choice.truth,
                mask=mask,
                boxes=boxes_of(frontal, choice.finding) if mask is None else (),
                caption=f"{choice.caption} {who(frontal)}",
            )
        )
    return tuple(cases)


def who(frontal: Frontal) -> str:
    """Sex, age and view as far as they are known; no identifier."""
    study, view = frontal.study, frontal.study.radiographs[frontal.radiograph].view
    age = None if study.age_years is None else f"{study.age_years:.0f} years"
    known = [text for text in (study.sex, age, view) if text]
    return f"{', '.join(known)}." if known else ""
