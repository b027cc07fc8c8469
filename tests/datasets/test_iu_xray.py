"""The Indiana University collection: a tiny fake in Open-i's layout, and the real archive."""

import io
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.datasets.declaration import Release, read_studies
from carina.datasets.indexing import index_release
from carina.datasets.iu_xray import IU_XRAY, finding_name
from carina.datasets.layouts import write_layout
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.phantom.cohort import PhantomConfig, draw_study
from carina.study import Assertion, Study

NO_VIEWS = "Open-i does not say which pictures are lateral: all views are not known."


def report(
    number: object, findings: str = "Clear.", codes: str = "normal", pictures: str = ""
) -> bytes:
    """One XML file; codes and pictures are parted by ";"."""
    majors = "".join(f"<major>{code}</major>" for code in codes.split(";") if code)
    images = "".join(
        f'<parentImage id="{name}"><caption>PA and lateral</caption></parentImage>'
        for name in pictures.split(";")
        if name
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<eCitation><uId id="CXR{number}"/>'
        "<MedlineCitation><Article><Abstract>"
        '<AbstractText Label="COMPARISON"/><AbstractText Label="INDICATION">Pain</AbstractText>'
        f'<AbstractText Label="FINDINGS">{findings}</AbstractText>'
        '<AbstractText Label="IMPRESSION"></AbstractText></Abstract></Article></MedlineCitation>'
        f"<MeSH>{majors}<automatic>Lung</automatic></MeSH>{images}</eCitation>"
    ).encode()


def unpacked(root: Path, **files: bytes) -> Path:
    folder = root / "ecgen-radiology"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{name}.xml").write_bytes(content)
    return root


def packed(root: Path, files: dict[str, bytes]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(root / "NLMCXR_reports.tgz", "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"ecgen-radiology/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return root


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30), 90, np.uint8)).save(path)


def read(root: Path) -> tuple[list[Study], Tally]:
    tally = Tally()
    return list(read_studies(IU_XRAY, Release(root=root), tally)), tally


def test_reports_are_read_from_the_archive_by_number_with_sections_and_codes(
    tmp_path: Path,
) -> None:
    names = "CXR2_IM-0652-1001;CXR2_IM-0652-2001"
    root = packed(
        tmp_path,
        {
            "10.xml": report(10),
            "2.xml": report(2, "x &lt; 3 cm.", "Opacity/lung/base/left;Opacity/lingula", names),
            "._2.xml": b"a file of macOS",
            "readme.txt": b"no report",
        },
    )
    for name in names.split(";"):
        picture(root / "NLMCXR_png" / f"{name}.png")
    (two, ten), tally = read(root)
    assert (two.study_id, two.patient_id, two.split, ten.study_id) == (
        "CXR2",
        "CXR2",
        None,
        "CXR10",
    )
    assert two.report.text == "INDICATION: Pain\nFINDINGS: x < 3 cm."
    assert [(finding.name, finding.value) for finding in two.findings] == [
        ("Opacity", Assertion.PRESENT)
    ]
    assert [image.path for image in two.radiographs] == [
        "NLMCXR_png/CXR2_IM-0652-1001.png",
        "NLMCXR_png/CXR2_IM-0652-2001.png",
    ]
    assert ten.radiographs == ()
    assert (tally.counts, tally.notes) == ({}, [NO_VIEWS])


def test_an_unpacked_folder_reads_as_the_archive_does(tmp_path: Path) -> None:
    files = {"3": report(3), "20": report(20, codes="Nodule"), "1": report(1)}
    packed(tmp_path / "a", {f"{name}.xml": content for name, content in files.items()})
    unpacked(tmp_path / "b", **files)
    assert read(tmp_path / "a")[0] == read(tmp_path / "b")[0]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("normal", "normal"),
        ("Opacity/lung/base/left/mild", "Opacity"),
        ("Pulmonary Atelectasis/base/bilateral", "Pulmonary Atelectasis"),
        ("Lung/hypoinflation/mild", "Lung/hypoinflation"),  # a lung is no finding
        ("Diaphragm/right/elevated", "Diaphragm/elevated"),
        ("Aorta/enlarged/tortuous", "Aorta/enlarged/tortuous"),
        ("Thorax/left", "Thorax"),
    ],
)
def test_a_code_names_its_finding(code: str, name: str) -> None:
    assert finding_name(code) == name


def test_reports_without_index_are_counted_and_have_no_findings(tmp_path: Path) -> None:
    root = unpacked(
        tmp_path, a=report(1, codes="No Indexing"), b=report(2, codes=""), c=report(3, codes="A  B")
    )
    studies, tally = read(root)
    assert [[f.name for f in study.findings] for study in studies] == [[], [], ["A B"]]
    assert tally.counts == {"reports that no expert has indexed": 2}


def test_reports_without_findings_and_impression_are_kept_and_counted(tmp_path: Path) -> None:
    silent = report(2, "").replace(b">Pain<", b"><")
    studies, tally = read(unpacked(tmp_path, a=report(1, " "), b=silent))
    assert [study.report.text for study in studies] == ["INDICATION: Pain", ""]
    assert tally.counts == {
        "reports with neither findings nor impression": 1,
        "reports without text": 1,
    }


def test_sections_that_are_twice_or_unknown_are_kept_and_counted(tmp_path: Path) -> None:
    twice = report(1).replace(b'Label="IMPRESSION">', b'Label="FINDINGS">Dry. <i>No</i> edema.')
    other = report(2).replace(b'Label="IMPRESSION">', b'Label="NOTE">Seen.')
    studies, tally = read(unpacked(tmp_path, a=twice, b=other))
    assert studies[0].report.text.endswith("FINDINGS: Clear.\nFINDINGS: Dry. No edema.")
    assert studies[1].report.text.endswith("NOTE: Seen.")
    assert tally.counts == {
        "reports with a section twice, both kept": 1,
        "reports with a section that the release has not": 1,
    }


def test_files_that_are_no_whole_report_are_left_out_and_counted(tmp_path: Path) -> None:
    root = unpacked(
        tmp_path,
        a=report(1),
        b=report(2)[:-40],
        c=b"",
        d=b"<html>Log in</html>",
        e=report("number"),
    )
    studies, tally = read(root)
    assert [study.study_id for study in studies] == ["CXR1"]
    assert tally.counts == {"files that are no whole report, left out": 4}
    assert tally.first["files that are no whole report, left out"] == "b.xml"


def test_encodings_line_ends_and_lost_characters_are_read_and_counted(tmp_path: Path) -> None:
    latin = report(1, "37°C").decode().encode("latin-1")
    declared = latin.replace(b'"utf-8"', b'"iso-8859-1"').replace(b"CXR1", b"CXR4")
    marked = b"\xef\xbb\xbf" + report(2, "Dry.\r\nClear.")
    studies, tally = read(
        unpacked(tmp_path, a=latin, b=marked, c=report(3, "x\ufffdy"), d=declared)
    )
    assert [study.report.text.split("FINDINGS: ")[1] for study in studies] == [
        "37°C",
        "Dry.\nClear.",
        "x\ufffdy",
        "37°C",
    ]
    assert tally.counts == {
        "reports that are not UTF-8, read as Latin-1": 2,
        "reports in which characters were lost": 1,
    }


def test_two_reports_of_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"b\.xml has the id CXR1 of another report"):
        read(unpacked(tmp_path, a=report(1), b=report(1, "Other.")))


def test_an_archive_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    files = {f"{number}.xml": report(number, "Clear. " * number) for number in range(1, 99)}
    path = packed(tmp_path, files) / "NLMCXR_reports.tgz"
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(DatasetError, match="is no whole archive"):
        read(tmp_path)
    path.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(DatasetError, match="is no whole archive"):
        read(tmp_path)


def test_a_folder_without_reports_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "CXR1_1_IM-0001-3001.png")
    with pytest.raises(DatasetError, match=r"NLMCXR_reports\.tgz or ecgen-radiology/ expected"):
        read(tmp_path)


def test_pictures_that_are_still_packed_are_told(tmp_path: Path) -> None:
    root = unpacked(tmp_path, a=report(1, pictures="CXR1_1_IM-0001-3001"))
    (root / "NLMCXR_png.tgz").write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"mkdir NLMCXR_png && tar -xzf NLMCXR_png\.tgz -C NLM"):
        read(root)
    picture(root / "CXR1_1_IM-0001-3001.png")  # unpacked, and the archive kept
    assert read(root)[0][0].radiographs[0].path == "CXR1_1_IM-0001-3001.png"


def test_pictures_that_are_not_there_or_empty_are_left_out_and_counted(tmp_path: Path) -> None:
    names = [f"CXR1_1_IM-0001-{number}001" for number in (3, 4, 5)]
    root = unpacked(tmp_path, a=report(1, pictures=";".join(names)))
    picture(root / f"{names[0]}.png")
    (root / f"{names[1]}.png").write_bytes(b"")
    (study,), tally = read(root)
    assert len(study.radiographs) == 1
    assert tally.counts == {
        "images of zero bytes, left out": 1,
        "images that are listed but not there, left out": 1,
    }


def test_other_copies_name_pictures_otherwise_and_may_tell_views(tmp_path: Path) -> None:
    names = "CXR1_1_IM-0001-3001;CXR1_1_IM-0001-4001"
    root = unpacked(tmp_path, a=report(1, pictures=names))
    picture(root / "images" / "1_IM-0001-3001.dcm.png")
    (root / "dicom" / "1").mkdir(parents=True)
    (root / "dicom" / "1" / "1_IM-0001-3001.dcm").write_bytes(b"DICM")
    (root / "dicom" / "1" / "1_IM-0001-4001.dcm").write_bytes(b"DICM")
    (root / "indiana_projections.csv").write_text(
        "uid,filename,projection\n1,1_IM-0001-3001.dcm.png,Lateral\n1,1_IM-0001-4001.dcm.png,Frontal\n"
    )
    (study,), tally = read(root)
    assert [(image.path, image.view) for image in study.radiographs] == [
        ("images/1_IM-0001-3001.dcm.png", "Lateral"),  # PNG before DICOM of the same picture
        ("dicom/1/1_IM-0001-4001.dcm", "Frontal"),
    ]
    assert (tally.counts, tally.notes) == ({}, [])


def test_the_real_archive_is_read_as_its_description_says(data_dir: Path, tmp_path: Path) -> None:
    release, tally = Release(root=data_dir / "iu_reports"), Tally()
    manifest = index_release(IU_XRAY, release, tmp_path / "m.parquet", None, tally)
    assert len(manifest) == IU_XRAY.counts["studies"] == 3955
    texts = [study.report.text for study in manifest.studies]
    # The counts are those of the set's own description.
    assert sum("FINDINGS: " not in text for text in texts) == 530
    assert sum("IMPRESSION: " not in text for text in texts) == 34
    assert tally.counts == {
        "images that are listed but not there, left out": 7470,
        "reports that no expert has indexed": 95,
        "reports without text": 28,
    }
    names = Counter(finding.name for study in manifest.studies for finding in study.findings)
    assert (names["normal"], names["Cardiomegaly"]) == (1391, 375)
    assert names["Lung"] == 1  # one code has a place and no change
    assert len(names) > 40
    for study in manifest.studies:
        normal = any(finding.name == "normal" for finding in study.findings)
        assert not (normal and len(study.findings) > 1)  # it stands alone


def test_a_phantom_cohort_is_written_as_the_release_and_read_back(tmp_path: Path) -> None:
    config = PhantomConfig(studies=12, seed=4, size=64)
    write_layout(IU_XRAY, config, tmp_path / "iu", processes=1)
    release, tally = Release(root=tmp_path / "iu"), Tally()
    manifest = index_release(IU_XRAY, release, tmp_path / "m.parquet", None, tally)
    assert (tally.counts, tally.notes) == ({}, [NO_VIEWS])
    everybody = [draw_study(config, index).study for index in range(config.studies)]
    first = {study.patient_id: study for study in reversed(everybody)}
    people = sorted(first.values(), key=everybody.index)
    assert len(people) < len(everybody)  # of each person, whom the release does not name, one
    for study, drawn in zip(manifest.studies, people, strict=True):
        assert [(image.width, image.height) for image in study.radiographs] == [(64, 64)]
        present = {f.name for f in drawn.findings if f.value is Assertion.PRESENT}
        assert {f.name.lower() for f in study.findings} == (present or {"normal"})
        assert "synthetic report" in study.report.text
        words = drawn.report.text.split("[")[0].split()
        assert {*words} - {*study.report.text.split()} <= {w for w in words if w.endswith(":")}
    with tarfile.open(tmp_path / "iu" / "NLMCXR_reports.tgz") as archive:
        handle = archive.extractfile("ecgen-radiology/1.xml")
        assert handle is not None
        assert b"It shows no person" in handle.read()
