"""Makes the picture of the README from a finished demo.

    python docs/make_picture.py demo
    python docs/make_picture.py demo --finding mass --finding cavity --out picture.png

Of each finding it shows the test radiograph with the highest score among those that have it and
were not taken before: as it is, and below that under the model's heat-map with the true outline.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont

import carina
from carina.errors import EvaluationError
from carina.evaluation.outlines import outline_or_nothing
from carina.evaluation.result import Evaluation
from carina.evaluation.scoring import frontals_of
from carina.files import atomic_path
from carina.imaging.reader import read_radiograph
from carina.pages.overlay import ALONE, EVERYWHERE, OUTLINE, heat_colours, overlay, resized
from carina.phantom.findings import SEEN, UNSEEN
from carina.studies.manifest import Manifest
from carina.zeroshot.ask import LoadedModel

FINDINGS = ("pneumothorax", "pleural effusion", "mass", "pacemaker")
HERE = Path(__file__).resolve().parent
TILE, GAP = 292, 8  # pixels; four tiles and their gaps make 1,208
CAPTION, FOOT = 66, 78  # height of the lines below a tile, and of those below them all
PAPER, INK, SOFT = (18, 21, 23), (240, 242, 244), (170, 178, 184)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One radiograph of the picture; all three arrays lie on the same pixels."""

    finding: str
    score: float
    image: Float[np.ndarray, "height width"]
    heatmap: Float[np.ndarray, "height width"]
    mask: Bool[np.ndarray, "height width"]


def main() -> None:
    """Reads the arguments, makes the picture, writes it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path, help="folder of a finished demo")
    parser.add_argument("--finding", action="append", help="shown; give it once for each")
    parser.add_argument("--out", type=Path, default=HERE / "images" / "result.png")
    arguments = parser.parse_args()
    shown = chosen(arguments.demo, arguments.finding or FINDINGS)
    with atomic_path(arguments.out) as temporary:
        composed(shown).save(temporary, "PNG", optimize=True)


def chosen(demo: Path, findings: Sequence[str]) -> list[Shown]:
    """For each finding the test radiograph of the highest score, none of them twice.

    Raises:
        EvaluationError: no test radiograph is left that has a finding and an outline of it.
    """
    model = carina.load(demo / "run")
    manifest = Manifest.read(demo / "annotated.parquet", demo / "cohort")
    rows = Evaluation.read(demo / "evaluation" / "zero-shot").predictions
    shown: dict[str, Shown] = {}
    for finding in findings:
        positives = rows.filter((rows["query"] == finding) & (rows["truth"] == 1))
        ordered = positives.sort("score", descending=True)["image"].to_list()
        tried = ((p, answered(model, manifest, p, finding)) for p in ordered if p not in shown)
        path, one = next(((p, one) for p, one in tried if one is not None), ("", None))
        if one is None:
            raise EvaluationError(f"{demo}: no test radiograph with an outline of {finding!r}.")
        shown[path] = one
    return list(shown.values())


def answered(model: LoadedModel, manifest: Manifest, path: str, finding: str) -> Shown | None:
    """A radiograph with map and outline; None where it has no outline."""
    frontal = next(one for one in frontals_of(manifest) if one.path == path)
    image = read_radiograph(manifest.absolute(path))
    mask = outline_or_nothing(manifest, frontal, finding, *image.shape)
    # Queries attend to one another: asked together, as the demo's evaluation asked them.
    asked = list(dict.fromkeys((*SEEN, *UNSEEN, finding)))
    answer = model.ask([manifest.absolute(path)], asked)
    heatmap = answer.heatmap(0, asked.index(finding))
    if mask is None or heatmap is None:
        return None
    score = float(answer.scores[0, asked.index(finding)])
    return Shown(finding=finding, score=score, image=image, heatmap=heatmap, mask=mask)


def composed(shown: list[Shown]) -> Image.Image:
    """All tiles, their captions and the key on one canvas."""
    width = len(shown) * (TILE + GAP) + GAP
    canvas = Image.new("RGB", (width, 2 * TILE + 3 * GAP + CAPTION + FOOT), PAPER)
    draw = ImageDraw.Draw(canvas)
    for column, one in enumerate(shown):
        left = GAP + column * (TILE + GAP)
        plain, drawn = tiles(one)
        canvas.paste(Image.fromarray(plain), (left, GAP))
        canvas.paste(Image.fromarray(drawn), (left, TILE + 2 * GAP))
        top = 2 * TILE + 2 * GAP
        middle = left + TILE / 2
        draw.text((middle, top + 22), one.finding, INK, ImageFont.load_default(25), "mm")
        draw.text(
            (middle, top + 49), f"score {one.score:.2f}", SOFT, ImageFont.load_default(20), "mm"
        )
    draw_key(canvas, 2 * TILE + 2 * GAP + CAPTION)
    return canvas


def tiles(
    shown: Shown,
) -> tuple[UInt8[np.ndarray, "rows cols 3"], UInt8[np.ndarray, "rows cols 3"]]:
    """The radiograph, and the same under its map and outline, as squares."""
    side = (TILE, TILE)
    image, heatmap = resized(shown.image, *side), resized(shown.heatmap, *side)
    mask = resized(shown.mask.astype(np.float32), *side) >= 0.5
    return overlay(image), overlay(image, heatmap, mask=mask)


def draw_key(canvas: Image.Image, top: int) -> None:
    """What the colours mean, and that nobody is shown."""
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(18)
    bar = np.repeat(heat_colours(np.linspace(0, 1, 130))[None], 14, axis=0)
    middle, x = top + 20, GAP + 6.0
    for text in (f"Heat-map: {EVERYWHERE}", None, f"{ALONE}."):
        if text is None:
            canvas.paste(Image.fromarray(bar), (round(x), middle - 7))
            x += bar.shape[1] + 10
        else:
            draw.text((x, middle), text, SOFT, font, "lm")
            x += draw.textlength(text, font) + 10
    draw.line((x + 20, middle, x + 54, middle), OUTLINE, 4)
    draw.text((x + 64, middle), "True outline.", SOFT, font, "lm")
    said = "Drawn radiographs of patients that training never saw; for each finding the highest"
    note = f"{said} score of a positive."
    draw.text((GAP + 6, middle + 30), note, SOFT, font, "lm")


if __name__ == "__main__":
    main()
