"""A UMLS release in small, written by hand: every rule of reading one can be seen on it."""

import gzip
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

LUNG_DISEASES, PNEUMONIA, LUNG, PNEUMOTHORAX, DRUG, HAND, BACTERIAL = (
    f"C000000{number}" for number in range(1, 8)
)


def name(
    cui: str,
    text: str,
    *,
    lat: str = "ENG",
    chosen: bool = False,
    sab: str = "MSH",
    tty: str = "SY",
    srl: str = "0",
    suppress: str = "N",
) -> str:
    ts, pref = ("P", "Y") if chosen else ("S", "N")
    return f"{cui}|{lat}|{ts}|L1|PF|S1|{pref}|A1||M1|D1|{sab}|{tty}|D1|{text}|{srl}|{suppress}|256|"


def relation(one: str, rel: str, two: str, rela: str = "", sab: str = "MSH", sup: str = "N") -> str:
    return f"{one}|A1|AUI|{rel}|{two}|A2|AUI|{rela}|R1||{sab}|{sab}||N|{sup}||"


def definition(cui: str, text: str, sab: str = "MSH", suppress: str = "N") -> str:
    return f"{cui}|A1|AT1||{sab}|{text}|{suppress}||"


def semantic_type(cui: str, tui: str, text: str) -> str:
    return f"{cui}|{tui}|A1.2|{text}|AT1||"


TABLES: dict[str, list[str]] = {
    "MRCONSO": [
        name(LUNG_DISEASES, "Lung Diseases", chosen=True, tty="MH"),
        name(PNEUMONIA, "Inflammation of lung", tty="ET"),
        name(PNEUMONIA, "Pneumonia", chosen=True, tty="MH"),
        name(PNEUMONIA, "pneumonia", sab="HPO", tty="PT"),
        name(PNEUMONIA, 'lung "fire", so called', tty="ET"),
        name(PNEUMONIA, "Lungenentzündung", lat="GER", sab="MSHGER"),
        name(PNEUMONIA, "Old pneumonia", suppress="O"),
        name(PNEUMONIA, "Older pneumonia", tty="OAP"),
        name(LUNG, "Lung", chosen=True, tty="MH"),
        name(PNEUMOTHORAX, "PTX", tty="AB", sab="HPO", chosen=True),
        name(PNEUMOTHORAX, "Pneumothorax", tty="MH"),
        name(PNEUMOTHORAX, "Air in pleura (disorder)", sab="SNOMEDCT_US", tty="FN", srl="9"),
        name(DRUG, "Pentoxifylline", chosen=True, tty="MH"),
        name(DRUG, "PTX", tty="AB"),
        name(HAND, "Hand", chosen=True, tty="MH"),
        name(BACTERIAL, "Pneumonia, Bacterial", chosen=True, tty="MH"),
    ],
    "MRREL": [
        # The second concept is what the first is told about: "pneumonia isa lung disease".
        relation(LUNG_DISEASES, "CHD", PNEUMONIA, "isa"),
        relation(PNEUMONIA, "PAR", LUNG_DISEASES, "inverse_isa"),
        relation(LUNG, "RO", PNEUMONIA, "has_finding_site"),
        relation(PNEUMONIA, "RO", LUNG, "finding_site_of"),
        relation(LUNG, "RO", PNEUMOTHORAX, "has_finding_site", "HPO"),
        relation(PNEUMONIA, "CHD", BACTERIAL),
        relation(BACTERIAL, "PAR", PNEUMONIA),
        relation(DRUG, "RO", BACTERIAL, "may_be_treated_by"),
        relation(BACTERIAL, "RO", DRUG, "may_treat"),
        relation(HAND, "RO", PNEUMOTHORAX, "has_finding_site", sup="O"),
        relation(HAND, "RO", PNEUMOTHORAX, "has_finding_site", "SNOMEDCT_US"),
        relation(PNEUMONIA, "SIB", PNEUMOTHORAX),
        relation(PNEUMONIA, "RO", PNEUMONIA),
        relation(PNEUMONIA, "RO", "C9999999", "isa"),
    ],
    "MRDEF": [
        definition(PNEUMONIA, "Nope.", suppress="Y"),
        definition(PNEUMONIA, "Zánět plic.", sab="MSHCZE"),
        definition(PNEUMONIA, "Infection of the <i>lung</i> &amp; its air, p < 0.05 > 0."),
        definition(PNEUMONIA, "As HPO has it.", sab="HPO"),
        definition(LUNG, "Breathes."),
    ],
    "MRSTY": [
        semantic_type(LUNG_DISEASES, "T047", "Disease or Syndrome"),
        semantic_type(PNEUMONIA, "T047", "Disease or Syndrome"),
        semantic_type(LUNG, "T023", "Body Part, Organ, or Organ Component"),
        semantic_type(PNEUMOTHORAX, "T046", "Pathologic Function"),
        semantic_type(PNEUMOTHORAX, "T033", "Finding"),
        semantic_type(DRUG, "T121", "Pharmacologic Substance"),
        semantic_type(HAND, "T023", "Body Part, Organ, or Organ Component"),
        semantic_type(BACTERIAL, "T047", "Disease or Syndrome"),
    ],
}


def written(lines: Iterable[str], end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


@pytest.fixture
def write_rrf(tmp_path: Path) -> Callable[..., Path]:
    """Writes the release, with tables replaced by the given ones, or left out if None."""

    def write(**changed: list[str] | None) -> Path:
        folder = tmp_path / "META"
        folder.mkdir()
        for table, lines in {**TABLES, **changed}.items():
            if lines is not None:
                (folder / f"{table}.RRF").write_bytes(written(lines))
        return folder

    return write


@pytest.fixture
def release(write_rrf: Callable[..., Path]) -> Path:
    """The folder of the release as it is."""
    return write_rrf()


@pytest.fixture
def rrf_line() -> Callable[..., str]:
    """Writes one line of MRCONSO."""
    return name


@pytest.fixture
def in_another_form() -> Callable[[Path, str], None]:
    """Rewrites MRCONSO as a full release has it: compressed, in parts, with other line ends."""

    def rewrite(folder: Path, form: str) -> None:
        plain = folder / "MRCONSO.RRF"
        content = plain.read_bytes()
        plain.unlink()
        middle = content.index(b"Inflammation") + 3  # within a line
        if form == "gz":
            plain.with_name("MRCONSO.RRF.gz").write_bytes(gzip.compress(content))
        elif form == "windows":
            plain.write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
        elif form == "no last line end":
            plain.write_bytes(content.removesuffix(b"\n"))
        elif form == "parts":
            plain.with_name("MRCONSO.RRF.aa").write_bytes(content[:middle])
            plain.with_name("MRCONSO.RRF.ab").write_bytes(content[middle:])
        else:
            plain.with_name("MRCONSO.RRF.aa.gz").write_bytes(gzip.compress(content[:middle]))
            plain.with_name("MRCONSO.RRF.ab.gz").write_bytes(gzip.compress(content[middle:]))

    return rewrite
