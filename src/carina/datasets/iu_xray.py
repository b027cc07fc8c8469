"""The chest X-ray collection of Indiana University, as Open-i has it: XML reports and pictures.

Source: Demner-Fushman et al., JAMIA 2016, doi:10.1093/jamia/ocv080.
"""

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from carina.datasets.declaration import Dataset, Release
from carina.datasets.iu_xray_layout import ARCHIVE, FOLDER, NOT_INDEXED, SECTIONS, write_iu_xray
from carina.datasets.presence import is_there
from carina.datasets.released_table import read_columns
from carina.datasets.report_text import checked_text
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Assertion, Finding, Radiograph, Report, Study

NAME = "iu-xray"
LICENCE = "CC BY-NC-ND 4.0"
PACKED_PICTURES = ("NLMCXR_png.tgz", "NLMCXR_dcm.tgz")
PROJECTIONS = "indiana_projections.csv"
"""A table of views that others made by eye: Open-i does not tell frontal from lateral."""

ANATOMY = frozenset(
    {
        *("abdomen", "adipose tissue", "aorta", "aorta, thoracic", "blood vessels"),
        *("bone and bones", "cardiac shadow", "cervical vertebrae", "costophrenic angle"),
        *("diaphragm", "epicardial fat", "heart", "heart atria", "heart ventricles", "humerus"),
        *("lumbar vertebrae", "lung", "lymph nodes", "mediastinum", "pleura"),
        *("pulmonary artery", "ribs", "shoulder", "spine", "sulcus", "thoracic vertebrae"),
        *("thorax", "trachea", "trachea, carina"),
    }
)
"""Headings of index codes that are no findings by themselves."""
CHANGES = frozenset(
    {
        *("abnormal", "azygos lobe", "blunted", "degenerative", "elevated", "enlarged"),
        *("flattened", "hyperdistention", "hypoinflation", "obscured", "prominent", "reticular"),
        *("small", "tortuous"),
    }
)
"""Qualifiers that say what has happened to a part of the body."""

_REPORT = re.compile(r"CXR(\d+)")
_PICTURE = re.compile(r"(\d+_IM-\d+(?:-\d+)+)(?:\.dcm)?(?:\.png|\.dcm)?$")


def read_iu_xray(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields one study a report, by number; the archive of reports needs no unpacking.

    The release names no patients: each report counts as one. Findings are what the index codes
    of an expert name, see `finding_name`. Pictures that a report names and that are not there
    are left out and counted; where there are none, studies have a report only.

    Raises:
        DatasetError: the archive is damaged, two reports have one id, or the pictures are
            still packed.
    """
    paths = _pictures(release.root)
    views = _views(release.root, tally)
    studies: dict[int, Study] = {}
    for name, content in _files(release.root):
        root = _parsed(name, content, tally)
        number = None if root is None else _number(root)
        if root is None or number is None:
            tally.add("files that are no whole report, left out", name)
            continue
        if number in studies:
            raise DatasetError(
                f"{release.root}: {name} has the id CXR{number} of another report; expected one "
                "file each. Remove the copy, or unpack the archive anew."
            )
        radiographs = _radiographs(release.root, root, paths, views, tally)
        studies[number] = _study(f"CXR{number}", root, tuple(radiographs), tally)
    for number in sorted(studies):
        yield studies[number]


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    """The XML files of the archive, or of the folder where there is no archive."""
    archive = root / ARCHIVE
    if not archive.exists():
        for path in sorted((root / FOLDER).glob("[!.]*.xml")):
            yield path.name, path.read_bytes()
        return
    try:
        # Unpacked at once: read as a stream, an archive that is cut short ends without a word.
        content = gzip.decompress(archive.read_bytes())
        with tarfile.open(fileobj=io.BytesIO(content)) as members:
            for member in members:
                name = member.name.rsplit("/", 1)[-1]
                handle = members.extractfile(member)
                if handle is not None and name.endswith(".xml") and not name.startswith("."):
                    yield name, handle.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DatasetError(
            f"{archive}: is no whole archive ({error}). Download it again."
        ) from error


def _parsed(name: str, content: bytes, tally: Tally) -> Element | None:
    """The root of a report; None where the file is cut short or is no XML."""
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            # Text, not bytes: what the file declares of its encoding is then not asked.
            root = ElementTree.fromstring(content.decode(encoding))
        except (ElementTree.ParseError, UnicodeDecodeError):
            continue
        if encoding == "latin-1":
            tally.add("reports that are not UTF-8, read as Latin-1", name)
        return root
    return None


def _number(root: Element) -> int | None:
    """The number of a report, such as 1 for CXR1."""
    found = root.find("uId")
    match = None if found is None else _REPORT.fullmatch(found.get("id", "").strip())
    return None if match is None else int(match[1])


def _study(
    study_id: str, root: Element, radiographs: tuple[Radiograph, ...], tally: Tally
) -> Study:
    return Study(
        study_id=study_id,
        patient_id=study_id,
        source=NAME,
        radiographs=radiographs,
        report=Report(text=_text(study_id, root, tally)),
        findings=_findings(study_id, root, tally),
        licence=LICENCE,
    )


def _text(study_id: str, root: Element, tally: Tally) -> str:
    """The sections that are not empty, each behind its header."""
    told: dict[str, list[str]] = {}
    for section in root.iter("AbstractText"):
        body = "".join(section.itertext()).strip()
        if body:
            told.setdefault(section.get("Label", "").strip().upper(), []).append(body)
    if any(len(bodies) > 1 for bodies in told.values()):
        tally.add("reports with a section twice, both kept", study_id)
    if told and not {"FINDINGS", "IMPRESSION"} & told.keys():
        tally.add("reports with neither findings nor impression", study_id)
    known = [label for label in SECTIONS if label in told]
    unknown = [label for label in told if label not in SECTIONS]
    if unknown:
        tally.add("reports with a section that the release has not", study_id)
    lines = [f"{label}: {body}" for label in (*known, *unknown) for body in told[label]]
    return checked_text("\n".join(lines), study_id, tally)


def _findings(study_id: str, root: Element, tally: Tally) -> tuple[Finding, ...]:
    """What the codes of an expert name, in their order."""
    codes = [code for code in (_words(each.text or "") for each in root.iter("major")) if code]
    if not codes or codes == [NOT_INDEXED]:
        tally.add("reports that no expert has indexed", study_id)
    names = dict.fromkeys(finding_name(code) for code in codes if code != NOT_INDEXED)
    return tuple(Finding(name=name, value=Assertion.PRESENT) for name in names)


def finding_name(code: str) -> str:
    """What an index code says is there, without place and degree.

    That is its heading ("Opacity/lung/base/left/mild" is Opacity) or, where the heading only
    names a part of the body, heading and change ("Diaphragm/right/elevated/mild" is
    Diaphragm/elevated).
    """
    heading, *qualifiers = (part.strip() for part in code.split("/"))
    if heading.lower() not in ANATOMY:
        return heading
    return "/".join((heading, *(part for part in qualifiers if part.lower() in CHANGES)))


def _words(text: str) -> str:
    """The text with single blanks: the release spells some codes with two."""
    return " ".join(text.split())


def _radiographs(
    root: Path, report: Element, paths: Mapping[str, str], views: Mapping[str, str], tally: Tally
) -> Iterator[Radiograph]:
    """The pictures of a report that are on disk."""
    for picture in report.iter("parentImage"):
        name = picture.get("id", "").strip()
        key = _key(name)
        path = paths.get(key or "", f"{name}.png")
        if is_there(root, path, tally):
            yield Radiograph(path=path, view=views.get(key or ""))


def _pictures(root: Path) -> dict[str, str]:
    """Paths below the root by the part of the name that all copies share; PNG before DICOM.

    Raises:
        DatasetError: there are none, but an archive of them.
    """
    paths: dict[str, str] = {}
    for pattern in ("*.dcm", "*.png"):
        for path in sorted(root.rglob(pattern)):
            key = _key(path.name)
            if key is not None:
                paths[key] = path.relative_to(root).as_posix()
    packed = [name for name in PACKED_PICTURES if (root / name).exists()]
    if packed and not paths:
        folder = packed[0].removesuffix(".tgz")
        raise DatasetError(
            f"{root}: {packed[0]} is still packed; expected a folder of pictures. Unpack it: "
            f"mkdir {folder} && tar -xzf {packed[0]} -C {folder}, or move it away to read "
            "the reports alone."
        )
    return paths


def _views(root: Path, tally: Tally) -> dict[str, str]:
    """The views of pictures, by the shared part of their names, from the table of others."""
    table = root / PROJECTIONS
    if not table.exists():
        tally.note("Open-i does not say which pictures are lateral: all views are not known.")
        return {}
    rows = read_columns(table, ("filename", "projection"), tally).drop_nulls()
    named = ((_key(name), view) for name, view in rows.select("filename", "projection").rows())
    return {key: view for key, view in named if key is not None}


def _key(name: str) -> str | None:
    """1_IM-0001-3001 of CXR1_1_IM-0001-3001.png, and of the same picture in other copies."""
    match = _PICTURE.search(name)
    return None if match is None else match[1]


IU_XRAY = Dataset(
    name=NAME,
    source="Demner-Fushman et al., JAMIA 2016, doi:10.1093/jamia/ocv080",
    licence=LICENCE,
    layout=(f"{ARCHIVE} or {FOLDER}/",),
    read=read_iu_xray,
    write=write_iu_xray,
    counts={"studies": 3955, "radiographs": 7470},
)
