"""The table of a radiologist's labels, and a phantom cohort written with it as MIMIC-CXR."""

from collections.abc import Mapping
from pathlib import Path

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_table
from carina.datasets.mimic_cxr_layout import IMAGES_ROOT, label_rows, name_studies, write_mimic_cxr
from carina.datasets.mimic_cxr_tables import LABELS, STUDY
from carina.report.findings import NO_FINDING

TABLE = "mimic-cxr-*-test-set-labeled.csv"
WRITTEN_TABLE = "mimic-cxr-2.1.0-test-set-labeled.csv"
THEIRS: Mapping[str, tuple[str, ...]] = {
    "Lung Opacity": ("Airspace Opacity", "Lung Opacity"),
    NO_FINDING: (NO_FINDING, f"{NO_FINDING}s"),
}
"""Labels that the table calls otherwise; the first of the names that it has is read."""


def write_mimic_cxr_test(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as MIMIC-CXR, with the labels of the test reports in a table beside it."""
    write_mimic_cxr(cohort, out)
    names = {label: THEIRS.get(label, (label,))[0] for label in LABELS}
    tested = (named for named in name_studies(cohort.studies) if named.study.split == "test")
    rows = [
        {STUDY: told[STUDY], **{names[label]: told.get(label) for label in LABELS}}
        for told in label_rows(tested)
    ]
    save_table(rows, (STUDY, *names.values()), out / IMAGES_ROOT / WRITTEN_TABLE)
