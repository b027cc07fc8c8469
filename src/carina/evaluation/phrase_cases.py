"""The cases of phrase grounding: a phrase on a radiograph, and what its map is worth."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from jaxtyping import Bool

from carina.errors import EvaluationError, QueryError
from carina.evaluation.outlines import outline_of, outlined
from carina.evaluation.scoring import Frontal, frontals_of
from carina.files import progress
from carina.metrics.grounding import (
    area_share,
    box_mask,
    contrast_to_noise,
    framed,
    pointing_hit,
)
from carina.metrics.phrase_grounding import PHRASE_THRESHOLDS, overlap_at_thresholds
from carina.studies.manifest import Manifest
from carina.studies.truth import ANATOMY, NO_FINDINGS, canonical
from carina.zeroshot.ground import Ground, Mapped, ground_in_batches, grounding_of
from carina.zeroshot.phrases import Phrase, readable_phrase
from carina.zeroshot.queries import one_line
from carina.zeroshot.reading import Unreadable

MEASURED_SIDE = 512
"""Maps are measured on the radiograph with its longer side at most so many pixels."""

IOU_METRICS = tuple(f"iou_{limit:g}" for limit in PHRASE_THRESHOLDS)

Truth = Callable[[int, int], Bool[np.ndarray, "height width"]]
"""The mask of a phrase on its radiograph resized to [height, width]."""


@dataclass(frozen=True, kw_only=True)
class PhraseCase:
    """A phrase on one radiograph: its category, and where it is true."""

    frontal: Frontal
    phrase: str
    category: str
    truth: Truth


@dataclass(frozen=True, kw_only=True)
class MeasuredCase:
    """What a map was worth: metrics by name, and the truth on the frame of the baseline."""

    case: PhraseCase
    score: float
    metrics: Mapping[str, float]
    frame: Bool[np.ndarray, "frame frame"]


@dataclass(kw_only=True)
class LeftOut:
    """What could not be scored: (path, message); and phrases that were not read whole."""

    unreadable: list[tuple[str, str]] = field(default_factory=list)
    outlines: list[tuple[str, str]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


def phrase_cases(manifest: Manifest) -> list[PhraseCase]:
    """Every phrase that has boxes: boxes of one phrase on one radiograph are one case.

    Phrases are the same if they are but for case and space; the category is the label of the
    first of their boxes.
    """
    cases = []
    for frontal in frontals_of(manifest):
        boxes: dict[str, list[tuple[float, float, float, float]]] = {}
        named: dict[str, tuple[str, str]] = {}
        for box in frontal.study.boxes:
            if box.radiograph == frontal.radiograph and box.phrase and box.phrase.strip():
                key = one_line(box.phrase).casefold()
                boxes.setdefault(key, []).append((box.x1, box.y1, box.x2, box.y2))
                named.setdefault(key, (one_line(box.phrase), canonical(box.label)))
        for key, (phrase, category) in named.items():
            truth = boxes_truth(frontal, tuple(boxes[key]))
            cases.append(PhraseCase(frontal=frontal, phrase=phrase, category=category, truth=truth))
    return cases


def label_cases(manifest: Manifest, template: str) -> list[PhraseCase]:
    """Every outlined finding, with a phrase made of its label; parts of the body are left out."""
    return [
        PhraseCase(
            frontal=frontal,
            phrase=template.format(name=label),
            category=label,
            truth=outline_truth(manifest, frontal, label),
        )
        for frontal in frontals_of(manifest)
        for label in sorted(outlined(frontal) - ANATOMY - NO_FINDINGS)
    ]


def boxes_truth(frontal: Frontal, boxes: Sequence[tuple[float, float, float, float]]) -> Truth:
    """The union of boxes, given in pixels of the radiograph as the manifest has it."""

    def truth(height: int, width: int) -> Bool[np.ndarray, "height width"]:
        whole_height, whole_width = size_of(frontal)
        across, down = width / whole_width, height / whole_height
        scaled = [(x1 * across, y1 * down, x2 * across, y2 * down) for x1, y1, x2, y2 in boxes]
        return box_mask(scaled, height, width)

    return truth


def outline_truth(manifest: Manifest, frontal: Frontal, label: str) -> Truth:
    """The masks, or else the boxes, of a label."""

    def truth(height: int, width: int) -> Bool[np.ndarray, "height width"]:
        whole_height, whole_width = size_of(frontal)
        whole = outline_of(manifest, frontal, label, whole_height, whole_width)
        rows = ((np.arange(height) + 0.5) * whole_height / height).astype(np.int64)
        columns = ((np.arange(width) + 0.5) * whole_width / width).astype(np.int64)
        return whole[np.ix_(rows, columns)]

    return truth


def size_of(frontal: Frontal) -> tuple[int, int]:
    """Height and width of a radiograph, as the manifest has them.

    Raises:
        EvaluationError: it does not tell them, so boxes cannot be placed.
    """
    radiograph = frontal.study.radiographs[frontal.radiograph]
    if radiograph.width is None or radiograph.height is None:
        raise EvaluationError("the manifest lacks the size of the radiograph; index it again")
    return radiograph.height, radiograph.width


def mapped_cases(
    model: object,
    manifest: Manifest,
    cases: Sequence[PhraseCase],
    left_out: LeftOut,
    *,
    smoothing: float,
    batch_size: int,
    maps_of: Callable[[object, Sequence[str]], Ground] = grounding_of,
) -> Iterator[tuple[PhraseCase, Mapped, int]]:
    """Yields each case with the maps of its radiograph, and which of them is its own.

    Radiographs go through the network once; each batch is asked its own phrases alone.
    """
    by_image: dict[str, list[PhraseCase]] = {}
    for case in cases:
        by_image.setdefault(case.frontal.path, []).append(case)
    batches = list(batched(by_image, batch_size))
    for paths in progress(batches, "Grounding phrases", len(batches)):
        here = [case for path in paths for case in by_image[path]]
        phrases = [*dict.fromkeys(case.phrase for case in here)]
        read = [read_phrase(model, phrase, left_out) for phrase in phrases]
        maps = maps_of(model, read)
        files = [manifest.absolute(path) for path in paths]
        for mapped in ground_in_batches(model, files, maps, smoothing, batch_size=batch_size):
            path = paths[mapped.index]
            if isinstance(mapped, Unreadable):
                left_out.unreadable.append((path, mapped.message))
                continue
            for case in by_image[path]:
                yield case, mapped, phrases.index(case.phrase)


def read_phrase(model: object, phrase: str, left_out: LeftOut) -> str:
    """The phrase as the model reads it; one that it cannot read is asked all the same.

    To leave such a phrase out would flatter the model.
    """
    try:
        read = readable_phrase(model, phrase)
    except QueryError:
        read = Phrase(given=phrase, read=phrase, note="no word of it is known to the model")
    if read.note:
        left_out.notes[read.short] = read.note
    return read.read


def measured_case(
    case: PhraseCase, mapped: Mapped, phrase: int, left_out: LeftOut
) -> MeasuredCase | None:
    """Measures one map; None, with a note, where the truth cannot be used."""
    height, width = measured_size(mapped)
    try:
        truth = case.truth(height, width)
    except EvaluationError as error:
        left_out.outlines.append((case.frontal.path, str(error)))
        return None
    if not truth.any():
        message = f"the outline of a phrase ({case.category}) is empty"
        left_out.outlines.append((case.frontal.path, message))
        return None
    heat = mapped.heatmap(phrase, height, width)
    overlap = overlap_at_thresholds(heat, truth)
    contrast = contrast_to_noise(heat, truth)
    return MeasuredCase(
        case=case,
        score=float(mapped.grids[phrase].max()),
        metrics={
            "cnr": contrast.signed,
            "cnr_absolute": contrast.absolute,
            "miou": float(overlap.mean()),
            "pointing_game": pointing_hit(heat, truth),
            "chance": area_share(truth),
            **dict(zip(IOU_METRICS, map(float, overlap), strict=True)),
        },
        frame=framed(truth),
    )


def measured_size(mapped: Mapped) -> tuple[int, int]:
    """Height and width of the radiograph at the size at which maps are measured."""
    height, width = mapped.placement.height, mapped.placement.width
    scale = min(1.0, MEASURED_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def batched(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Consecutive groups of at most `size`."""
    left = iter(items)
    while group := list(islice(left, size)):
        yield group
