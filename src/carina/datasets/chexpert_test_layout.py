"""The files of CheXpert's test part and its readers, and a phantom cohort written under them."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from carina.datasets.chexpert_layout import LABELS, labels_of
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_jpeg, save_table
from carina.phantom.randomness import generator
from carina.study import Study

TRUTH = "groundtruth.csv"
TABLES = ("test.csv", "test_labels.csv", TRUTH)
"""By image or, the last, by study; the first that is there is read."""

READERS = ("bc4", "bc6", "bc8")
"""The three radiologists who had no part in the truth."""

READERS_FOLDER = "radiologists/benchmark_radiologists"
READERS_LABELS = (*LABELS[:3], "Lung Lesion", "Lung Opacity", *LABELS[5:])
"""Their columns stand in another order than those of the truth."""

PREFIX = "CheXpert-v1.0/test"
FIRST_PATIENT = 64_741
SEEN = ("validate", "test")
"""The parts of a cohort that are written: no model trains on their patients."""

MISSED, IMAGINED = 0.25, 0.05
"""How often a phantom's reader misses what is there, and sees what is not."""

Row = dict[str, str]


def write_chexpert_test(cohort: DrawnCohort, out: Path) -> None:
    """Writes the patients of a cohort that nobody trains on: images, truth and three readers."""
    patients: dict[str, str] = {}
    visits: Counter[str] = Counter()
    rows: dict[str, list[Row]] = {reader: [] for reader in (TRUTH, *READERS)}
    for study, picture in cohort.pictures():
        if study.split not in SEEN:
            continue
        patient = patients.setdefault(study.patient_id, f"patient{FIRST_PATIENT + len(patients)}")
        visits[patient] += 1
        place = f"{patient}/study{visits[patient]}"
        save_jpeg(picture, out / "test" / place / "view1_frontal.jpg")
        truth = truth_of(cohort.seed, study)
        rows[TRUTH].append({"Study": f"{PREFIX}/{place}", **truth})
        for reader in READERS:
            read = read_by(reader, cohort.seed, study, truth)
            rows[reader].append({"Study": f"{PREFIX}/{place}", **read})
    save_table(rows[TRUTH], ("Study", *LABELS), out / TRUTH)
    for reader in READERS:
        columns = ("Study", *READERS_LABELS)
        save_table(rows[reader], columns, out / READERS_FOLDER / f"{reader}.csv")


def truth_of(seed: int, study: Study) -> Row:
    """The fourteen labels of a study, "1" or "0"."""
    cells = labels_of(study, generator(seed, study.study_id, "chexpert-test"), complete=True)
    return {label: cell.removesuffix(".0") for label, cell in cells.items()}


def read_by(reader: str, seed: int, study: Study, truth: Mapping[str, str]) -> Row:
    """What a reader makes of a study: the truth, with slips of one's own."""
    rng = generator(seed, study.study_id, reader)
    lots = rng.random(len(truth))
    return {
        label: str(int(lot >= MISSED if cell == "1" else lot < IMAGINED))
        for (label, cell), lot in zip(truth.items(), lots, strict=True)
    }
