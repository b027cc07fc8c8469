"""The reports of MIMIC-CXR: a folder of text files, or the archive as downloaded."""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from carina.datasets.report_text import report_text
from carina.datasets.tally import Tally
from carina.errors import DatasetError

ARCHIVE = "mimic-cxr-reports.zip"
ReadReport = Callable[[str, str, Tally], str | None]
"""Gives the text of (patient, study), "" where it is empty and None where there is no file."""


def open_reports(root: Path) -> ReadReport:
    """Finds the reports below a folder, or in an archive that is named or lies in the folder.

    An archive is preferred: it is whole, and 227,835 small files are slow to open.

    Raises:
        DatasetError: there are no reports, or the archive is damaged.
    """
    archive = root / ARCHIVE if root.is_dir() else root
    if archive.is_file():
        return ReportArchive(archive).read
    if not root.is_dir():
        raise DatasetError(
            f"{root}: found nothing, expected the folder of the reports or {ARCHIVE}. "
            "Correct the path."
        )
    for folder in (root / "files", root / "mimic-cxr-reports" / "files", root):
        if any(folder.glob("p1[0-9]/p*/s*.txt")):
            return ReportFolder(folder).read
    found = ", ".join(sorted(path.name for path in root.iterdir())[:8])
    raise DatasetError(
        f"{root}: found {found or 'nothing'}, expected {ARCHIVE} or reports such as "
        "files/p10/p10000032/s50414267.txt. Download the archive of MIMIC-CXR, and name its "
        "folder second; where reports and images share a folder, name that one twice."
    )


class ReportFolder:
    """Reports as text files beside the folders of their studies."""

    def __init__(self, folder: Path) -> None:
        """Reads below `folder`, which holds p10 to p19."""
        self.folder = folder

    def read(self, patient: str, study: str, tally: Tally) -> str | None:
        """The text of a study."""
        name = name_of(patient, study)
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DatasetError(
                f"{self.folder / name}: cannot be read ({error.strerror}). Check the disk."
            ) from error
        return report_text(content, name, tally)


class ReportArchive:
    """Reports inside of one zip file."""

    def __init__(self, path: Path) -> None:
        """Opens the archive and lists it.

        Raises:
            DatasetError: it is no whole archive, or holds no reports.
        """
        self.path = path
        try:
            self.archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise DatasetError(
                f"{path}: is no whole zip archive ({error}). Download it again."
            ) from error
        self.names = {
            name[name.index("files/") + len("files/") :]: name
            for name in self.archive.namelist()
            if name.endswith(".txt") and "files/" in name
        }
        if not self.names:
            raise DatasetError(
                f"{path}: holds no reports such as files/p10/p10000032/s50414267.txt. "
                f"Name the folder with {ARCHIVE}."
            )

    def read(self, patient: str, study: str, tally: Tally) -> str | None:
        """The text of a study."""
        name = name_of(patient, study)
        if name not in self.names:
            return None
        try:
            content = self.archive.read(self.names[name])
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise DatasetError(
                f"{self.path}: {name} is damaged in it ({error}). Download the archive again."
            ) from error
        return report_text(content, name, tally)


def name_of(patient: str, study: str) -> str:
    """Where a report lies below `files`."""
    return f"p{patient[:2]}/p{patient}/s{study}.txt"
