"""MIMIC-CXR: a tiny fake in the release's layout, one test for each trap of the real files."""

import gzip
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.datasets.declaration import Release, read_studies
from carina.datasets.indexing import compared_with_whole, index_release
from carina.datasets.mimic_cxr import MIMIC_CXR
from carina.datasets.tally import Tally
from carina.errors import ConfigError, DatasetError
from carina.study import Assertion, Study

ONE, TWO = "10000032", "11000011"
A, B, C = "50414267", "53189527", "51000001"  # A and B are of patient ONE, C of TWO
NAMES = {letter: "-".join([letter * 8] * 5) for letter in "abcd"}
LABELS = (
    "Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,"
    "Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)
METADATA = f"""\
dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate
{NAMES["a"]},{ONE},{A},"CHEST (PA, LAT)",PA,32,40,21800506
{NAMES["b"]},{ONE},{A},"CHEST (PA, LAT)",LATERAL,32,40,21800506
{NAMES["c"]},{ONE},{B},CHEST,,32,40,21800626
{NAMES["d"]},{TWO},{C},CHEST,AP,32,40,21500101
"""
SPLIT = f"""\
dicom_id,study_id,subject_id,split
{NAMES["a"]},{A},{ONE},train
{NAMES["b"]},{A},{ONE},train
{NAMES["c"]},{B},{ONE},train
{NAMES["d"]},{C},{TWO},validate
"""
CHEXPERT = f"""\
subject_id,study_id,{LABELS}
{ONE},{A},1.0,0.0,,-1.0,,,,,,,,,,
{ONE},{B},,,,,,,,,1.0,,,,,
{TWO},{C},,,,,,,,,,1.0,,,0.0,1.0
"""


@dataclass
class Fake:
    """What the two folders hold; a test changes it before `write`."""

    folder: Path
    tables: dict[str, str] = field(
        default_factory=lambda: {
            "mimic-cxr-2.0.0-metadata.csv": METADATA,
            "mimic-cxr-2.0.0-split.csv": SPLIT,
            "mimic-cxr-2.0.0-chexpert.csv": CHEXPERT,
        }
    )
    images: dict[str, str] = field(
        default_factory=lambda: {
            NAMES["a"]: f"p10/p{ONE}/s{A}",
            NAMES["b"]: f"p10/p{ONE}/s{A}",
            NAMES["c"]: f"p10/p{ONE}/s{B}",
            NAMES["d"]: f"p11/p{TWO}/s{C}",
        }
    )
    reports: dict[str, bytes] = field(
        default_factory=lambda: {
            f"p10/p{ONE}/s{A}.txt": b" FINAL REPORT\n IMPRESSION: Edema.\n",
            f"p10/p{ONE}/s{B}.txt": b" FINDINGS: Clear.\n",
            f"p11/p{TWO}/s{C}.txt": b" IMPRESSION: Effusion.\n",
        }
    )

    @property
    def root(self) -> Path:
        return self.folder / "jpg"

    @property
    def texts(self) -> Path:
        return self.folder / "reports"

    def write(self) -> "Fake":
        for name, text in self.tables.items():
            self.root.mkdir(parents=True, exist_ok=True)
            content = text.encode()
            packed = gzip.compress(content) if name.endswith(".gz") else content
            (self.root / name).write_bytes(packed)
        for name, place in self.images.items():
            path = self.root / "files" / place / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.arange(1280, dtype=np.uint16).astype(np.uint8).reshape(32, 40)).save(
                path
            )
        for name, content in self.reports.items():
            path = self.texts / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return self

    def zipped(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in self.reports.items():
                archive.writestr(f"files/{name}", content)
        return path

    def read(self, second: Path | None = None) -> tuple[list[Study], Tally]:
        tally = Tally()
        release = Release(root=self.root, second_root=second or self.texts)
        return list(read_studies(MIMIC_CXR, release, tally)), tally

    def change(self, table: str, old: str, new: str) -> "Fake":
        name = f"mimic-cxr-2.0.0-{table}.csv"
        assert old in self.tables[name]
        self.tables[name] = self.tables[name].replace(old, new)
        return self


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def test_studies_have_their_images_labels_split_and_report(fake: Fake) -> None:
    (a, b, c), tally = fake.write().read()
    assert (a.study_id, a.patient_id, a.split, c.split) == (A, ONE, "train", "validate")
    assert [(image.path, image.view) for image in a.radiographs] == [
        (f"files/p10/p{ONE}/s{A}/{NAMES['a']}.jpg", "PA"),
        (f"files/p10/p{ONE}/s{A}/{NAMES['b']}.jpg", "LATERAL"),
    ]
    assert (b.radiographs[0].view, b.radiographs[0].width, b.radiographs[0].height) == (
        None,
        40,
        32,
    )
    assert {finding.name: finding.value for finding in a.findings} == {
        "Atelectasis": Assertion.PRESENT,
        "Cardiomegaly": Assertion.ABSENT,
        "Edema": Assertion.UNCERTAIN,  # and a blank cell is no finding at all
    }
    assert a.report.text == " FINAL REPORT\n IMPRESSION: Edema.\n"
    assert "PhysioNet" in (a.licence or "")
    assert tally.counts == {}


def test_tables_may_be_packed_and_the_unpacked_one_goes_before(fake: Fake) -> None:
    fake.tables = {f"{name}.gz": text for name, text in fake.tables.items()}
    fake.tables["mimic-cxr-2.0.0-split.csv"] = SPLIT.replace("validate", "test")
    studies, _ = fake.write().read()
    assert [study.split for study in studies] == ["train", "train", "test"]


def test_tables_of_two_versions_in_one_folder_are_refused(fake: Fake) -> None:
    fake.tables["mimic-cxr-2.1.0-split.csv"] = SPLIT
    with pytest.raises(
        DatasetError, match=r"2\.0\.0-split\.csv, mimic-cxr-2\.1\.0-split\.csv, exp"
    ):
        fake.write().read()


@pytest.mark.parametrize(
    "place", ["files", "mimic-cxr-reports/files", ".", "mimic-cxr-reports.zip", "other.zip"]
)
def test_reports_are_found_wherever_people_put_them(fake: Fake, place: str) -> None:
    fake.write()
    second = fake.folder / "elsewhere"
    if place.endswith(".zip"):
        fake.zipped(second / place)
        second = second / place if place == "other.zip" else second
    else:
        (second / place).parent.mkdir(parents=True, exist_ok=True)
        (fake.texts / "files").rename(second / place if place != "." else second)
    studies, tally = fake.read(second)
    assert [study.report.text.split()[-1] for study in studies] == ["Edema.", "Clear.", "Effusion."]
    assert tally.counts == {}


def test_merged_trees_are_named_twice(fake: Fake) -> None:
    fake.write()
    for name, content in fake.reports.items():
        (fake.root / "files" / name).write_bytes(content)
    studies, _ = fake.read(fake.root)
    assert all(study.report.text for study in studies)
    with pytest.raises(ConfigError, match="give a second folder: the reports"):
        read_studies(MIMIC_CXR, Release(root=fake.root))


def test_studies_without_a_report_are_kept_and_counted(fake: Fake) -> None:
    del fake.reports[f"p10/p{ONE}/s{B}.txt"]
    fake.reports[f"p11/p{TWO}/s{C}.txt"] = b""
    for second in (None, fake.zipped(fake.folder / "r.zip")):
        (_, b, c), tally = fake.write().read(second)
        assert (b.report.text, c.report.text) == ("", "")
        assert tally.counts == {"studies without a report": 1, "reports without text": 1}
        assert tally.first["studies without a report"] == B


def test_reports_of_other_patients_are_refused(fake: Fake) -> None:
    fake.reports = {"p19/p19999999/s59999999.txt": b"IMPRESSION: Normal."}
    with pytest.raises(DatasetError, match="none of the 3 studies whose images are there"):
        fake.write().read()


def test_a_folder_without_reports_is_refused(fake: Fake) -> None:
    fake.write()
    with pytest.raises(DatasetError, match=r"found nothing, expected the folder of the reports"):
        fake.read(fake.folder / "nowhere")
    (fake.folder / "wrong" / "notes").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"found notes, expected mimic-cxr-reports\.zip or"):
        fake.read(fake.folder / "wrong")


def test_an_archive_that_is_cut_short_damaged_or_of_something_else_is_refused(fake: Fake) -> None:
    fake.write()
    path = fake.zipped(fake.folder / "r.zip")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match="is no whole zip archive"):
        fake.read(path)
    at = content.index(b"Edema")
    path.write_bytes(content[:at] + b"edema" + content[at + 5 :])
    with pytest.raises(DatasetError, match=rf"s{A}\.txt is damaged in it"):
        fake.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.md", "x")
    with pytest.raises(DatasetError, match="holds no reports such as"):
        fake.read(path)


def test_images_that_are_not_there_or_empty_are_left_out_and_counted(fake: Fake) -> None:
    fake.write()
    (fake.root / "files" / fake.images[NAMES["a"]] / f"{NAMES['a']}.jpg").unlink()
    (fake.root / "files" / fake.images[NAMES["c"]] / f"{NAMES['c']}.jpg").write_bytes(b"")
    studies, tally = fake.read()
    assert [study.study_id for study in studies] == [A, C]
    assert [image.view for image in studies[0].radiographs] == ["LATERAL"]
    assert tally.counts == {
        "images that are listed but not there, left out": 1,
        "images of zero bytes, left out": 1,
        "studies left out: none of their images is there": 1,
    }


def test_a_release_whose_images_are_elsewhere_is_refused(fake: Fake) -> None:
    fake.images = {}
    (fake.root / "files" / "p10").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"none of the 4 images is there, such as files/p10/p1"):
        fake.write().read()


def test_a_root_above_or_beside_the_release_is_told_from_it(fake: Fake) -> None:
    fake.tables = {}
    inner = fake.root / "files" / "mimic-cxr-jpg" / "2.1.0"
    inner.mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"neither a table .* Name .*mimic-cxr-jpg/2\.1\.0 inst"):
        fake.write().read()
    inner.rmdir()
    with pytest.raises(DatasetError, match=r"the folder with the images comes first"):
        fake.read()
    with pytest.raises(
        DatasetError, match=r"files/ expected for mimic-cxr but not there; found mimic-cxr-jpg, p1"
    ):
        list(read_studies(MIMIC_CXR, Release(root=fake.root / "files", second_root=fake.texts)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b"<!DOCTYPE html><title>Log in</title>", "is a web page, expected a CSV table"),
        (lambda b: b"  \n", "is empty, expected a CSV table"),
        (lambda b: b"a\0b", "is no text, expected a CSV table"),
        (lambda b: gzip.compress(b)[:-20], "the packed file ends too early or is damaged"),
        (
            lambda b: b[:-6],
            "row 5: found 7 cells, expected 8 as in the header. The file may be cut",
        ),
        (lambda b: b.replace(b'LAT)"', b"LAT)"), "The file may be cut short"),
        (lambda b: b'"' + b, "line 2: .* The file may be cut short"),
        (lambda b: b.replace(b"ViewPosition", b"View"), "expected ViewPosition too. This may be"),
        (lambda b: b.replace(b"StudyDate", b"Rows"), "the header names Rows more than once"),
    ],
)
def test_a_table_that_is_not_whole_is_refused(
    fake: Fake, change: Callable[[bytes], bytes], message: str
) -> None:
    fake.write()
    path = fake.root / "mimic-cxr-2.0.0-metadata.csv"
    path.write_bytes(change(path.read_bytes()[: -len("0101\n")]))
    with pytest.raises(DatasetError, match=message):
        fake.read()


def test_a_table_that_ends_in_the_middle_of_its_last_cell_is_counted(fake: Fake) -> None:
    fake.write()
    path = fake.root / "mimic-cxr-2.0.0-metadata.csv"
    path.write_bytes(path.read_bytes()[:-2])
    studies, tally = fake.read()
    assert len(studies) == 3
    assert tally.counts == {"tables without a line end after the last row: perhaps cut short": 1}


def test_a_table_that_cannot_be_opened_is_refused(fake: Fake) -> None:
    fake.write()
    path = fake.root / "mimic-cxr-2.0.0-split.csv"
    path.unlink()
    path.mkdir()
    with pytest.raises(DatasetError, match="cannot be read"):
        fake.read()


def test_byte_order_marks_line_ends_blank_lines_and_latin_1_are_read(fake: Fake) -> None:
    fake.write()
    path = fake.root / "mimic-cxr-2.0.0-metadata.csv"
    text = METADATA.replace("\n", "\r\n", 2).replace("CHEST,AP", "THORAX Ö, AP ", 1)
    text = text.replace("THORAX Ö, AP ", "THORAX Ö, AP ") + "\n\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    studies, tally = fake.read()
    assert [study.radiographs[0].view for study in studies] == ["PA", None, "AP"]
    assert tally.counts == {}
    path.write_bytes(text.replace("\n", "\r").encode("latin-1"))
    assert [study.study_id for study in fake.read()[0]] == [A, B, C]
    assert fake.read()[1].counts == {"tables that are not UTF-8, read as Latin-1": 1}


def test_ids_that_a_spreadsheet_read_as_numbers_are_mended_or_refused(fake: Fake) -> None:
    studies, tally = fake.change("split", f"{A},{ONE}", f"{A}.0,{ONE}").write().read()
    assert [study.split for study in studies] == ["train", "train", "validate"]
    assert tally.counts == {"values of study_id that were written as decimal numbers": 2}
    with pytest.raises(
        DatasetError, match=r"row 2, study_id: found '5.04e\+07', expected an id su"
    ):
        fake.change("split", f"{A}.0", "5.04e+07").write().read()


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [(ONE, "32", "subject_id"), (A, "", "study_id"), (NAMES["a"], "a.dcm", "dicom_id")],
)
def test_ids_of_another_form_are_refused(fake: Fake, old: str, new: str, column: str) -> None:
    with pytest.raises(
        DatasetError, match=f"metadata.csv, row 2, {column}: found .*expected an id"
    ):
        fake.change("metadata", old, new).write().read()


def test_rows_that_repeat_are_counted_and_those_that_differ_are_refused(fake: Fake) -> None:
    first = METADATA.splitlines()[1]
    fake.tables["mimic-cxr-2.0.0-metadata.csv"] = f"{METADATA}{first}\n"
    studies, tally = fake.write().read()
    assert [len(study.radiographs) for study in studies] == [2, 1, 1]
    assert tally.counts == {"rows that repeat another, left out": 1}
    fake.tables["mimic-cxr-2.0.0-metadata.csv"] = f"{METADATA}{first.replace(A, B)}\n"
    with pytest.raises(DatasetError, match=f"1 ids have several rows .* such as {NAMES['a']}"):
        fake.write().read()


def test_a_study_of_two_patients_is_refused(fake: Fake) -> None:
    with pytest.raises(DatasetError, match=f"1 studies belong to several patients, such as {A}"):
        fake.change("metadata", f"{TWO},{C}", f"{TWO},{A}").write().read()


def test_a_release_without_a_split_table_has_no_split(fake: Fake) -> None:
    del fake.tables["mimic-cxr-2.0.0-split.csv"]
    studies, tally = fake.write().read()
    assert [study.split for study in studies] == [None, None, None]
    assert tally.notes == ["There is no table mimic-cxr-*-split.csv: no study has a split."]


def test_images_that_the_split_table_lacks_are_counted(fake: Fake) -> None:
    rows = SPLIT.splitlines(keepends=True)
    fake.tables["mimic-cxr-2.0.0-split.csv"] = "".join(rows[:2] + rows[3:4])
    studies, tally = fake.write().read()
    assert [study.split for study in studies] == ["train", "train", None]
    assert tally.counts == {"images that the split table lacks": 2}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("validate", "held out", "row 5, split: found 'held out', expected one of train"),
        (f"{C},{TWO}", f"{A},{TWO}", "has 1 images under another study than the metadata"),
        (
            f"{NAMES['b']},{A},{ONE},train",
            f"{NAMES['b']},{A},{ONE},test",
            f"1 studies have images in two splits, such as {A}",
        ),
    ],
)
def test_a_split_table_that_does_not_fit_is_refused(
    fake: Fake, old: str, new: str, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        fake.change("split", old, new).write().read()


def test_negbio_is_read_where_it_is_alone_and_compared_where_it_is_not(fake: Fake) -> None:
    fake.tables["mimic-cxr-2.0.0-negbio.csv"] = CHEXPERT.replace("1.0,0.0,,-1.0", "1.0,0.0,,")
    studies, tally = fake.write().read()
    assert len(studies[0].findings) == 3
    assert tally.counts == {"studies that negbio labels otherwise than chexpert, which is taken": 1}
    (fake.root / "mimic-cxr-2.0.0-chexpert.csv").unlink()
    del fake.tables["mimic-cxr-2.0.0-chexpert.csv"]
    studies, tally = fake.read()
    assert [finding.name for finding in studies[0].findings] == ["Atelectasis", "Cardiomegaly"]
    assert tally.counts == {}


def test_a_release_without_labels_has_no_findings(fake: Fake) -> None:
    del fake.tables["mimic-cxr-2.0.0-chexpert.csv"]
    studies, tally = fake.write().read()
    assert [study.findings for study in studies] == [(), (), ()]
    assert tally.counts == {}
    assert ["no study has labels" in note for note in tally.notes] == [True]


def test_labels_without_studies_and_studies_without_labels_are_counted(fake: Fake) -> None:
    studies, tally = fake.change("chexpert", f"{TWO},{C}", f"{TWO},59999999").write().read()
    assert studies[2].findings == ()
    assert tally.counts == {
        "studies that the label table lacks": 1,
        "rows of the label table without images in the metadata": 1,
    }


def test_labels_join_on_patient_and_study(fake: Fake) -> None:
    _, tally = fake.change("chexpert", f"{TWO},{C}", f"{ONE},{C}").write().read()
    assert tally.counts["studies that the label table lacks"] == 1


def test_a_label_that_is_none_of_the_four_is_refused(fake: Fake) -> None:
    with pytest.raises(DatasetError, match=r"row 2, Edema: found '-2', expected 1, 0, -1 or noth"):
        fake.change("chexpert", "-1.0", "-2.0").write().read()


def test_the_record_list_is_compared_with_the_metadata(fake: Fake) -> None:
    fake.write()
    rows = (
        "".join(f"{ONE},{A},{NAMES[name]},files/x.dcm\n" for name in "abc")
        + f"{ONE},{A},{'-'.join(['e' * 8] * 5)},files/x.dcm\n"
    )
    (fake.texts / "cxr-record-list.csv").write_text(f"subject_id,study_id,dicom_id,path\n{rows}")
    studies, tally = fake.read()
    assert len(studies) == 3
    assert tally.counts == {
        "images of the metadata that the record list lacks": 1,
        "images of the record list that the metadata lack": 1,
    }


def test_the_dicom_release_is_read_by_its_record_list(fake: Fake) -> None:
    path = f"files/p10/p{ONE}/s{A}/{NAMES['a']}.dcm"
    listed = f"subject_id,study_id,dicom_id,path\n{ONE},{A},{NAMES['a']},{path}\n"
    fake.tables = {"cxr-record-list.csv.gz": listed}
    fake.write()
    (fake.root / path).with_suffix(".jpg").rename(fake.root / path)
    (study,), tally = fake.read()
    (image,) = study.radiographs
    assert (image.path, image.view, image.width) == (path, None, None)  # `index` reads the header
    assert len(tally.notes) == 2  # neither split nor labels are there


def test_sizes_of_the_metadata_are_not_believed_where_files_contradict(
    fake: Fake, tmp_path: Path
) -> None:
    fake.change("metadata", "32,40", "3056,2544.0")  # kept at a smaller size than published
    studies, tally = fake.write().read()
    assert [study.radiographs[0].width for study in studies] == [None, None, None]
    assert tally.notes == [
        "The files are not of the sizes in the metadata: sizes are read from them."
    ]
    release = Release(root=fake.root, second_root=fake.texts)
    indexed = index_release(MIMIC_CXR, release, tmp_path / "m.parquet")
    assert {(i.width, i.height) for s in indexed.studies for i in s.radiographs} == {(40, 32)}


def test_a_part_of_the_release_is_told_from_the_whole(fake: Fake, tmp_path: Path) -> None:
    fake.write()
    release = Release(root=fake.root, second_root=fake.texts)
    manifest = index_release(MIMIC_CXR, release, tmp_path / "m.parquet")
    assert compared_with_whole(MIMIC_CXR, manifest) == {
        "studies": (3, 227_835),
        "radiographs": (4, 377_110),
        "patients": (2, 65_379),
    }
    whole = replace(MIMIC_CXR, counts={"studies": 3, "radiographs": 4, "patients": 2})
    assert compared_with_whole(whole, manifest) == {}


@pytest.mark.parametrize(
    ("content", "text", "counted"),
    [
        (b"\xef\xbb\xbf Clear.\r\n Normal.\r", " Clear.\n Normal.\n", None),
        ("Größe 5\N{DEGREE SIGN}".encode("latin-1"), "Größe 5°", "reports that are not UTF-8"),
        ("Clear.".encode("utf-16"), "Clear.", "reports in UTF-16"),
        ("x\N{REPLACEMENT CHARACTER}y".encode(), "x\ufffdy", "characters were lost"),
        (b"x\0y", "x\ufffdy", "characters were lost"),
        (b" \n\n", "", "reports without text"),
        (b"No. " * 2_500_000, "No. " * 2_500_000, "more than 100,000 characters, kept whole"),
    ],
    ids=["mark", "latin-1", "utf-16", "lost", "nul", "blank", "10 MB"],
)
def test_reports_of_any_encoding_and_size_are_read_and_what_is_odd_is_counted(
    fake: Fake, content: bytes, text: str, counted: str | None
) -> None:
    fake.reports[f"p10/p{ONE}/s{B}.txt"] = content
    studies, tally = fake.write().read()
    assert studies[1].report.text == text
    assert [counted in name for name in tally.counts] == [True] if counted else not tally.counts


def test_a_report_that_cannot_be_opened_is_told(fake: Fake) -> None:
    fake.write()
    path = fake.texts / "files" / f"p10/p{ONE}/s{B}.txt"
    path.unlink()
    path.mkdir()
    with pytest.raises(DatasetError, match=r"s53189527\.txt: cannot be read .* Check the disk"):
        fake.read()


def test_findings_stand_where_the_users_list_of_exceptions_says(fake: Fake) -> None:
    fake.reports[f"p10/p{ONE}/s{A}.txt"] = b" FINAL REPORT\n TECHNIQUE: Large heart.\n"
    fake.reports[f"p10/p{ONE}/s{B}.txt"] = b" Chest film.\r\n Clear lungs. Signed.\n"
    fake.write()
    rows = f"study_id,section,start,end\ns{A},technique,,\n{B},,14,26\n{C},,0,0\n"
    (fake.texts / "section-exceptions.csv").write_text(rows)
    studies, tally = fake.read()
    assert [study.report.text for study in studies] == [
        " FINAL REPORT\nFINDINGS: Large heart.\n",
        "FINDINGS: Clear lungs.",
        "",
    ]
    assert tally.counts["reports whose findings are where section-exceptions.csv says"] == 3
    # An archive has the list beside it.
    zipped = fake.zipped(fake.folder / "zip" / "mimic-cxr-reports.zip")
    (zipped.parent / "section-exceptions.csv").write_text(rows)
    assert fake.read(zipped)[0] == studies


def test_exceptions_that_do_not_fit_their_report_are_counted(fake: Fake) -> None:
    fake.write()
    rows = f"study_id,section,start,end\n{A},technique,,\n{B},,10,9999\n"
    (fake.texts / "section-exceptions.csv").write_text(rows)
    studies, tally = fake.read()
    assert studies[1].report.text == " FINDINGS: Clear.\n"
    name = "reports that do not fit their row of section-exceptions.csv, left as they are"
    assert (tally.counts[name], tally.first[name]) == (2, A)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("5.04e+07,technique,,", "study_id: found '5.04e+07'"),
        (",technique,,", "study_id: found None"),
        (f"{A},,,", "expected the name of a section alone, or start and end"),
        (f"{A},technique,1,2", "expected the name of a section alone"),
        (f"{A},,1,", "found section None, start '1', end None"),
        (f"{A},,a,b", "start 'a'"),
        (f"{A},technique,,\n{A},,1,2", f"study {A} stands in two rows"),
    ],
)
def test_an_exception_that_cannot_be_understood_is_refused(
    fake: Fake, row: str, message: str
) -> None:
    fake.write()
    (fake.texts / "section-exceptions.csv").write_text(f"study_id,section,start,end\n{row}\n")
    with pytest.raises(DatasetError, match=re.escape(message)):
        fake.read()
