"""Writes a cohort to disk, with all cores, and goes on where it stopped."""

import csv
import io
import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from carina.files import atomic_path, progress, write_text
from carina.phantom import layout
from carina.phantom.canvas import Mask
from carina.phantom.drawing import PhantomConfig, PhantomStudy, draw_study
from carina.study import Assertion, Study

__all__ = ["PhantomConfig", "PhantomStudy", "draw_study", "write_cohort"]

NOTICE = "Synthetic radiograph drawn by carina.phantom. It shows no person."


def write_cohort(
    config: PhantomConfig, out: Path, processes: int | None = None
) -> tuple[Study, ...]:
    """Writes pictures, masks and manifest.csv of a cohort; files that exist are kept.

    Args:
        config: the cohort.
        out: the folder; made where it is missing.
        processes: how many work at once; all cores where None.

    Returns:
        All studies, in the order of their index.
    """
    workers = processes or len(os.sched_getaffinity(0))
    task = partial(write_study, config, out)
    (out / layout.IMAGES).mkdir(parents=True, exist_ok=True)
    chunks = [
        range(start, min(start + 16, config.studies)) for start in range(0, config.studies, 16)
    ]
    studies: list[Study] = []
    for part in progress(run(task, chunks, workers), "drawing studies", len(chunks)):
        studies += part
    write_text(out / layout.MANIFEST, manifest_text(studies))
    write_text(out / layout.README, f"{NOTICE}\nSettings: {config}\n")
    return tuple(studies)


def run(task: "partial[Study]", chunks: list[range], workers: int) -> Iterator[list[Study]]:
    """Studies chunk by chunk, in order, drawn here or by several processes."""
    if workers == 1:
        for chunk in chunks:
            yield [task(index) for index in chunk]
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(partial(run_chunk, task), chunks)


def run_chunk(task: "partial[Study]", chunk: range) -> list[Study]:
    """Draws a few studies in a worker."""
    return [task(index) for index in chunk]


def write_study(config: PhantomConfig, out: Path, index: int) -> Study:
    """Draws one study and writes its picture and masks."""
    drawn = draw_study(config, index)
    path = out / drawn.study.radiographs[0].path
    if not path.exists():
        for mask in drawn.study.masks:
            write_mask(out / mask.path, drawn.masks[mask.label])
        write_image(config, drawn, path)
    return drawn.study


def write_image(config: PhantomConfig, drawn: PhantomStudy, path: Path) -> None:
    """Writes the picture as PNG, or as DICOM."""
    if config.dicom:
        from carina.phantom.dicom import write_dicom

        write_dicom(drawn, path, config.seed)
        return
    note = PngInfo()
    note.add_text("Source", NOTICE)
    with atomic_path(path) as temporary:
        Image.fromarray(drawn.image).save(temporary, "PNG", pnginfo=note, compress_level=2)


def write_mask(path: Path, mask: Mask) -> None:
    """Writes a mask as a one-bit PNG."""
    note = PngInfo()
    note.add_text("Source", NOTICE)
    with atomic_path(path) as temporary:
        Image.fromarray(mask.astype(np.uint8) * 255).convert("1").save(
            temporary, "PNG", pnginfo=note
        )


def manifest_text(studies: list[Study]) -> str:
    """The whole table as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=layout.COLUMNS, lineterminator="\n")
    writer.writeheader()
    for study in studies:
        writer.writerow(row(study))
    return text.getvalue()


def row(study: Study) -> dict[str, object]:
    """One study as a row of `layout.COLUMNS`."""
    radiograph = study.radiographs[0]
    return {
        "image": radiograph.path,
        "patient_id": study.patient_id,
        "study_id": study.study_id,
        "view": radiograph.view,
        "report": study.report.text,
        "findings": names(study, Assertion.PRESENT),
        "absent": names(study, Assertion.ABSENT),
        "split": study.split,
        "masks": json.dumps({mask.label: mask.path for mask in study.masks}),
        "boxes": json.dumps(
            [
                {"label": box.label, "box": [box.x1, box.y1, box.x2, box.y2], "by": "phantom"}
                for box in study.boxes
            ]
        ),
        "severity": json.dumps({item.name: item.value for item in study.severity}),
        "sex": study.sex,
        "age": study.age_years,
        "width": radiograph.width,
        "height": radiograph.height,
        "source": study.source,
        "licence": study.licence,
    }


def names(study: Study, value: Assertion) -> str:
    """Names of the findings with a value, joined by ";"."""
    return ";".join(finding.name for finding in study.findings if finding.value is value)
