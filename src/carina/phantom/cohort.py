"""Writes a cohort to disk, with all cores, and goes on where it stopped."""

import csv
import fcntl
import io
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from carina.errors import OutputError
from carina.files import progress, write_error, write_text
from carina.phantom import layout
from carina.phantom.canvas import Mask
from carina.phantom.drawing import PhantomConfig, PhantomStudy, draw_study
from carina.study import Assertion, Box, Study

__all__ = ["PhantomConfig", "PhantomStudy", "draw_study", "write_cohort"]

CHUNK = 16
Row = dict[str, str]


def write_cohort(config: PhantomConfig, out: Path, processes: int | None = None) -> Path:
    """Writes pictures, masks and the table of a cohort, as `layout` says.

    A run that was stopped goes on with the studies that are missing; a cohort that is
    complete is left as it is.

    Args:
        config: the cohort.
        out: the folder; made where it is missing.
        processes: how many work at once; all cores where None.

    Returns:
        The path of the table, `manifest.csv`.

    Raises:
        OutputError: the folder holds another cohort, another run is drawing it, or it cannot be
            written.
    """
    manifest = out / layout.MANIFEST
    if manifest.exists():
        claim(config, out)
        return manifest
    with held(out):
        claim(config, out)
        if not manifest.exists():
            complete(config, out, processes)
    return manifest


def complete(config: PhantomConfig, out: Path, processes: int | None) -> None:
    """Draws the studies that are missing, and writes the table."""
    chunks = [range(i, min(i + CHUNK, config.studies)) for i in range(0, config.studies, CHUNK)]
    missing = [chunk for chunk in chunks if not part_path(out, chunk).exists()]
    workers = min(processes or len(os.sched_getaffinity(0)), max(len(missing), 1))
    task = partial(write_chunk, config, out)
    for _ in progress(run(task, missing, workers), "drawing studies", len(missing)):
        pass
    write_text(out / layout.MANIFEST, manifest_text(out, chunks))
    shutil.rmtree(out / layout.PARTS, ignore_errors=True)


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Keeps a folder for one run alone, however that ends.

    Raises:
        OutputError: another run has it, or it cannot be written.
    """
    path = out / layout.LOCK
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = path.open("wb")
    except OSError as error:
        raise write_error(out, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"{out}: another run is drawing this cohort. Wait until it is done, or stop it; "
                "what it has drawn is kept."
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def claim(config: PhantomConfig, out: Path) -> None:
    """Notes whose folder this is, or refuses a folder that holds another cohort.

    Raises:
        OutputError: the settings written there differ.
    """
    path = out / layout.SETTINGS
    settings = json.dumps(asdict(config), indent=2) + "\n"
    if path.exists():
        found = path.read_text(encoding="utf-8")
        if found != settings:
            raise OutputError(
                f"{out}: holds a cohort with other settings ({' '.join(found.split())}). "
                "Choose an empty folder, or remove this one."
            )
        return
    if (out / layout.MANIFEST).exists():
        raise OutputError(
            f"{out}: holds a {layout.MANIFEST} that is no phantom cohort. Choose an empty folder."
        )
    notice, readme = f"{layout.NOTICE}\n\nLicence: {layout.LICENCE}\n", out / layout.README
    if readme.exists() and readme.read_bytes() != notice.encode():
        raise OutputError(f"{out}: holds a {layout.README} of another. Choose an empty folder.")
    write_text(readme, notice)
    write_text(path, settings)


def run(task: "partial[None]", chunks: list[range], workers: int) -> Iterator[None]:
    """Writes chunk after chunk, here or in several processes."""
    if workers == 1:
        yield from map(task, chunks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield from pool.map(task, chunks)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def write_chunk(config: PhantomConfig, out: Path, chunk: range) -> None:
    """Draws and writes a few studies; their rows come last and say that they are complete."""
    rows = [row(write_study(config, out, index)) for index in chunk]
    write_text(part_path(out, chunk), json.dumps(rows))


def part_path(out: Path, chunk: range) -> Path:
    """Where the rows of a chunk wait until all are there."""
    return out / layout.PARTS / f"{chunk.start:07d}.json"


def write_study(config: PhantomConfig, out: Path, index: int) -> Study:
    """Draws one study and writes its picture and masks."""
    drawn = draw_study(config, index)
    for mask in drawn.study.masks:
        write_mask(out / mask.path, drawn.masks[mask.label])
    path = out / drawn.study.radiographs[0].path
    if config.dicom:
        from carina.phantom.dicom import write_dicom

        write_dicom(drawn, path, config.seed)
    else:
        write_picture(path, Image.fromarray(drawn.image))
    return drawn.study


def write_mask(path: Path, mask: Mask) -> None:
    """Writes a mask: 255 inside, 0 outside."""
    write_picture(path, Image.fromarray(mask.astype(np.uint8) * np.uint8(255)))


def write_picture(path: Path, picture: Image.Image) -> None:
    """Writes an 8-bit PNG with a note that it is synthetic."""
    note = PngInfo()
    note.add_text("Source", layout.NOTICE)
    with quick_path(path) as temporary:
        picture.save(temporary, "PNG", pnginfo=note, compress_level=1)


@contextmanager
def quick_path(path: Path) -> Iterator[Path]:
    """A temporary name, moved into place; not forced to disk, since the rows vouch for it.

    Raises:
        OutputError: the disk is full, or the place may not be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def manifest_text(out: Path, chunks: list[range]) -> str:
    """The whole table as CSV, in the order of the studies."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=layout.COLUMNS, lineterminator="\n")
    writer.writeheader()
    for chunk in chunks:
        writer.writerows(json.loads(part_path(out, chunk).read_text(encoding="utf-8")))
    return text.getvalue()


def row(study: Study) -> Row:
    """One study as a row of `layout.COLUMNS`."""
    radiograph = study.radiographs[0]
    boxes = [box_cell(box) for box in study.boxes]
    return {
        "image": radiograph.path,
        "patient_id": study.patient_id,
        "study_id": study.study_id,
        "view": radiograph.view or "",
        "report": study.report.text,
        "findings": names(study, Assertion.PRESENT),
        "absent": names(study, Assertion.ABSENT),
        "split": study.split or "",
        "masks": json.dumps({mask.label: mask.path for mask in study.masks}),
        "boxes": json.dumps(boxes),
        "severity": json.dumps({item.name: item.value for item in study.severity}),
        "sex": study.sex or "",
        "age": f"{study.age_years:g}",
        "width": str(radiograph.width),
        "height": str(radiograph.height),
        "source": study.source,
        "licence": study.licence or "",
    }


def box_cell(box: Box) -> dict[str, object]:
    """A box as JSON has it; without "phrase" where the report does not tell of the finding."""
    told = {} if box.phrase is None else {"phrase": box.phrase}
    corners = [box.x1, box.y1, box.x2, box.y2]
    return {"label": box.label, "box": corners, "by": layout.SOURCE, **told}


def names(study: Study, value: Assertion) -> str:
    """Names of the findings with a value, joined by ";"."""
    return ";".join(finding.name for finding in study.findings if finding.value is value)
