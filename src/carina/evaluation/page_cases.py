"""Cases on a page: which radiographs are worth showing, and the model asked about them again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carina.evaluation.outlines import boxes_of, outline_or_nothing, with_outlines
from carina.evaluation.result import DIRECT, Evaluation
from carina.evaluation.scoring import Frontal, frontals_of
from carina.imaging.reader import read_radiograph
from carina.pages.report_content import Case
from carina.studies.manifest import Manifest
from carina.zeroshot.ask import Answered, answer_in_batches, encode
from carina.zeroshot.protocol import Query, ZeroShotModel

SHOWN_CASES = 4


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A case worth showing: an image, a finding, and why it was chosen."""

    image: str
    finding: str
    score: float
    truth: bool
    caption: str


def distinct(
    ordered: Sequence[tuple[float, Choice]], most: int, taken: Sequence[Choice]
) -> tuple[Choice, ...]:
    """The first few by key, no two of one finding or image, none of an image taken before."""
    kept: list[Choice] = []
    for _, choice in sorted(ordered, key=lambda pair: pair[0]):
        images = {one.image for one in (*kept, *taken)}
        if choice.image not in images and choice.finding not in {one.finding for one in kept}:
            kept.append(choice)
        if len(kept) == most:
            break
    return tuple(kept)


def drawn(
    model: ZeroShotModel, manifest: Manifest, evaluation: Evaluation, choices: Sequence[Choice]
) -> tuple[Case, ...]:
    """Asks the model about the chosen cases once more and lays map and outline on each."""
    manifest = with_outlines(manifest, evaluation.settings.get("outlines", {}))
    place = {frontal.path: frontal for frontal in frontals_of(manifest)}
    encoded = encode(model, queries_again(evaluation))
    names = list(evaluation.findings)
    paths = [manifest.absolute(choice.image) for choice in choices]
    answers = answer_in_batches(model, paths, encoded, batch_size=SHOWN_CASES)
    cases = []
    for choice, path, answer in zip(choices, paths, answers, strict=True):
        # The files were read a moment ago; one that has gone since is left off the page.
        if isinstance(answer, Answered):
            finding = names.index(choice.finding)
            cases.append(case_of(manifest, choice, place[choice.image], path, answer, finding))
    return tuple(cases)


def case_of(
    manifest: Manifest, choice: Choice, frontal: Frontal, path: Path, answer: Answered, finding: int
) -> Case:
    """One case with map and outline."""
    image = read_radiograph(path)
    heatmap = None
    if answer.grids is not None:
        grid = np.asarray(answer.grids[finding], dtype=np.float32)
        heatmap = answer.placement.to_original(grid)
    mask = outline_or_nothing(manifest, frontal, choice.finding, *image.shape)
    return Case(
        image=image,
        finding=choice.finding,
        score=choice.score,
        truth=choice.truth,
        heatmap=heatmap,
        mask=mask,
        boxes=boxes_of(frontal, choice.finding) if mask is None else (),
        caption=choice.caption,
    )


def queries_again(evaluation: Evaluation) -> tuple[Query, ...]:
    """The queries of an evaluation, as they were asked."""
    asked = evaluation.settings["queries"].items()
    if evaluation.settings.get(DIRECT):
        return tuple(Query(name, description=name) for name, _ in asked)
    return tuple(
        Query(name, None if text == name else text.removeprefix(f"{name}: "))
        for name, text in asked
    )
