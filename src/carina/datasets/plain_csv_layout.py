"""Writes a phantom cohort as a folder of films with a table, as people keep their own."""

import json
from pathlib import Path

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_png, save_table
from carina.study import Assertion, Study

TABLE = "manifest.csv"
FILMS = "films"
COLUMNS = (
    *("image", "patient_id", "study_id", "view", "report", "findings", "absent", "split"),
    *("boxes", "sex", "age"),
)


def write_csv(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as one folder of PNGs and one row a film."""
    rows = []
    for study, picture in cohort.pictures():
        path = f"{FILMS}/{study.study_id}.png"
        save_png(picture, out / path)
        rows.append({"image": path, **cells_of(study)})
    save_table(rows, COLUMNS, out / TABLE)


def cells_of(study: Study) -> dict[str, object]:
    """The cells of a study's row, all but the image."""
    boxes = [
        {"label": box.label, "box": [box.x1, box.y1, box.x2, box.y2], "phrase": box.phrase}
        for box in study.boxes
    ]
    return {
        "patient_id": study.patient_id,
        "study_id": study.study_id,
        "view": study.radiographs[0].view,
        "report": study.report.text,
        "findings": named(study, Assertion.PRESENT),
        "absent": named(study, Assertion.ABSENT),
        "split": study.split,
        "boxes": json.dumps(boxes) if boxes else "",
        "sex": study.sex,
        "age": study.age_years,
    }


def named(study: Study, value: Assertion) -> str:
    """The findings of which one thing is said, joined as the table joins them."""
    return ";".join(item.name for item in study.findings if item.value is value)
