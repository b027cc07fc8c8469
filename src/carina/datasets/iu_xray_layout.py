"""Writes a phantom cohort as the collection of Indiana University lies on Open-i."""

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_png
from carina.phantom.layout import NOTICE
from carina.report.sections import split_sections
from carina.study import Assertion, Study

ARCHIVE = "NLMCXR_reports.tgz"
FOLDER = "ecgen-radiology"
PICTURES = "NLMCXR_png"
SECTIONS = ("COMPARISON", "INDICATION", "FINDINGS", "IMPRESSION")
NORMAL, NOT_INDEXED = "normal", "No Indexing"
DEGREES = {1: "mild", 2: "moderate", 3: "severe", 4: "severe"}


def write_iu_xray(cohort: DrawnCohort, out: Path) -> None:
    """Writes the archive of reports and the unpacked folder of pictures.

    As in the release, each report stands alone: patients and splits are not told, and index
    codes name what is there, with a degree, or are `normal`. There are no lateral views. Only
    the first study of a synthetic person is written: two of one person, whom nobody could tell
    to be one, would stand on two sides of a split.
    """
    files: list[tuple[str, bytes]] = []
    for number, (study, picture) in enumerate(one_each(cohort).pictures(), start=1):
        name = f"CXR{number}_IM-{number:04d}-1001"
        save_png(picture, out / PICTURES / f"{name}.png")
        files.append((f"{FOLDER}/{number}.xml", report_xml(study, number, name)))
    write_archive(files, out / ARCHIVE)


def one_each(cohort: DrawnCohort) -> DrawnCohort:
    """The cohort with the first study of each patient."""
    first = {study.patient_id: study for study in reversed(cohort.studies)}
    kept = (study for study in cohort.studies if first[study.patient_id] is study)
    return replace(cohort, studies=tuple(kept))


def report_xml(study: Study, number: int, picture: str) -> bytes:
    """A report as the release has it; the note says that it is synthetic."""
    root = Element("eCitation")
    SubElement(root, "meta", type="rr")
    SubElement(root, "uId", id=f"CXR{number}")
    SubElement(root, "title").text = "Synthetic chest X-ray reports"
    SubElement(root, "note").text = NOTICE
    citation = SubElement(root, "MedlineCitation", Owner="carina.phantom", Status="synthetic")
    abstract = SubElement(SubElement(citation, "Article", PubModel="Electronic"), "Abstract")
    told = sections_of(study.report.text)
    for label in SECTIONS:
        SubElement(abstract, "AbstractText", Label=label).text = told[label]
    codes = SubElement(root, "MeSH")
    for code in codes_of(study):
        SubElement(codes, "major").text = code
    shown = SubElement(root, "parentImage", id=picture)
    SubElement(shown, "figureId").text = "F1"
    SubElement(shown, "caption").text = "Synthetic chest radiograph, frontal"
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def sections_of(text: str) -> dict[str, str]:
    """The four sections; what has no header of theirs is part of the findings."""
    told = dict.fromkeys(SECTIONS, "")
    for section in split_sections(text):
        label = section.name.upper()
        body = " ".join(text[section.start : section.end].split())
        place = label if label in told else "FINDINGS"
        told[place] = f"{told[place]} {body}".strip()
    return told


def codes_of(study: Study) -> Iterator[str]:
    """Index codes: a heading with its degree where there is one."""
    degrees = {score.name: DEGREES[int(score.value)] for score in study.severity}
    present = [each.name for each in study.findings if each.value is Assertion.PRESENT]
    for name in present:
        heading = name.title()
        yield f"{heading}/{degrees[name]}" if name in degrees else heading
    if not present:
        yield NORMAL


def write_archive(files: Sequence[tuple[str, bytes]], path: Path) -> None:
    """Writes a packed archive; the same files give the same members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
