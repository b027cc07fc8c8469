"""ChestX-ray14's files: the names they have, and a phantom cohort written under them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_png, save_text
from carina.study import Assertion, Study

TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
"""The corrected table, and the older one; the corrected one is taken where both are there."""

BOXES = "BBox_List_2017.csv"
TRAIN_LIST = "train_val_list.txt"
TEST_LIST = "test_list.txt"
CHEXNET_LISTS = {"train": "train_list.txt", "validate": "val_list.txt", "test": "test_list.txt"}
CHEXNET_FOLDER = "lists"
"""Where a phantom release has the second set of lists; the real ones are another download."""

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
"""As shipped: the commas in the brackets part columns too."""

BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
BOX_SIDE = 1024
"""Boxes are in pixels of the original square, also where a mirror has smaller pictures."""

NO_FINDING = "No Finding"
MADE_OF: Mapping[str, tuple[str, ...]] = {
    "Atelectasis": ("atelectasis",),
    "Cardiomegaly": ("cardiomegaly",),
    "Consolidation": ("consolidation",),
    "Edema": ("pulmonary edema",),
    "Effusion": ("pleural effusion",),
    "Emphysema": ("emphysema",),
    "Fibrosis": ("fibrosis",),
    "Hernia": ("hiatal hernia",),
    "Infiltration": ("interstitial opacity",),
    "Mass": ("mass",),
    "Nodule": ("nodule", "granuloma"),
    "Pleural_Thickening": ("pleural thickening",),
    "Pneumonia": (),
    "Pneumothorax": ("pneumothorax",),
}
"""The fourteen labels as the table writes them, and the phantom's findings that make each."""

LABELS = tuple(MADE_OF)
BOX_LABELS = {"Infiltration": "Infiltrate"}
"""Where the list of boxes calls a label by another name."""

BOXED = (
    *("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass"),
    *("Nodule", "Pneumonia", "Pneumothorax"),
)
IMAGES_A_FOLDER = 40
"""Of a phantom release; the real one has 4,999 or 10,000 and twelve folders."""

ONE_IN_RGBA = 25


def write_chestxray14(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as ChestX-ray14: PNGs in numbered folders, table, lists and boxes.

    Every 25th picture is RGBA, as a few hundred of the release are. Boxes are those of the test
    part, in pixels of a square of 1024 whatever the size of the pictures.
    """
    rows, boxes = [HEADER], [BOX_HEADER]
    lists: dict[str, list[str]] = {TRAIN_LIST: [], TEST_LIST: []}
    for place, (study, name, picture) in enumerate(named(cohort)):
        folder = f"images_{place // IMAGES_A_FOLDER + 1:03d}/images"
        save_png(
            picture.convert("RGBA") if place % ONE_IN_RGBA == 0 else picture, out / folder / name
        )
        rows.append(row_of(study, name))
        lists[TEST_LIST if study.split == "test" else TRAIN_LIST].append(name)
        boxes += boxes_of(study, name) if study.split == "test" else ()
    save_text("\n".join(rows) + "\n", out / TABLES[0])
    save_text("\n".join(boxes) + "\n", out / BOXES)
    for file, names in lists.items():
        save_text("\n".join(names) + "\n", out / file)


def write_chexnet(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as ChestX-ray14, and the lists of the other split in a folder."""
    write_chestxray14(cohort, out)
    for split, file in CHEXNET_LISTS.items():
        lines = [
            " ".join([name, *("1" if label in labels_of(study) else "0" for label in LABELS)])
            for study, name in numbered(cohort)
            if study.split == split
        ]
        save_text("".join(f"{line}\n" for line in lines), out / CHEXNET_FOLDER / file)


def numbered(cohort: DrawnCohort) -> Iterator[tuple[Study, str]]:
    """Each study with the name of its image: number of the patient, number of the visit."""
    patients: dict[str, int] = {}
    visits: Counter[int] = Counter()
    for study in cohort.studies:
        patient = patients.setdefault(study.patient_id, len(patients) + 1)
        yield study, f"{patient:08d}_{visits[patient]:03d}.png"
        visits[patient] += 1


def named(cohort: DrawnCohort) -> Iterator[tuple[Study, str, Image.Image]]:
    """Each study with the name of its image and the image."""
    for (study, name), (_, picture) in zip(numbered(cohort), cohort.pictures(), strict=True):
        yield study, name, picture


def row_of(study: Study, name: str) -> str:
    """A line of the table."""
    patient, visit = name.removesuffix(".png").split("_")
    radiograph = study.radiographs[0]
    cells = (
        name,
        "|".join(labels_of(study)) or NO_FINDING,
        int(visit),
        int(patient),
        int(study.age_years or 0),
        study.sex,
        radiograph.view,
        radiograph.width,
        radiograph.height,
        0.143,
        0.143,
    )
    return ",".join(map(str, cells))


def labels_of(study: Study) -> tuple[str, ...]:
    """The labels that a study has."""
    there = {item.name for item in study.findings if item.value is Assertion.PRESENT}
    return tuple(label for label, parts in MADE_OF.items() if there & set(parts))


def boxes_of(study: Study, name: str) -> tuple[str, ...]:
    """The lines of the list of boxes that a study gives."""
    scale = BOX_SIDE / (study.radiographs[0].width or BOX_SIDE)
    lines = []
    for box in study.boxes:
        for label in BOXED:
            if box.label in MADE_OF[label]:
                corners = (box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1)
                cells = (name, BOX_LABELS.get(label, label), *(scale * side for side in corners))
                lines.append(",".join(map(str, cells)))
    return tuple(lines)
