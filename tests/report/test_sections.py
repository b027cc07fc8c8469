import pytest

from carina.report.sections import canonical_name, split_sections

MIMIC = (
    "                                 FINAL REPORT\n"
    " EXAMINATION:  CHEST (PA AND LAT)\n \n INDICATION:  Rule out pneumonia.\n \n"
    " COMPARISON:  ___.\n \n FINDINGS: \n \n The heart is large.\n \n IMPRESSION: \n \n"
    " No pneumonia."
)


def bodies(text: str) -> list[tuple[str, str]]:
    return [(s.name, text[s.start : s.end].strip()) for s in split_sections(text)]


def test_a_report_of_the_mimic_form_is_cut_at_its_headers() -> None:
    assert bodies(MIMIC) == [
        ("preamble", "FINAL REPORT"),
        ("examination", "CHEST (PA AND LAT)"),
        ("indication", "Rule out pneumonia."),
        ("comparison", "___."),
        ("findings", "The heart is large."),
        ("impression", "No pneumonia."),
    ]


def test_an_empty_section_does_not_swallow_the_next_header() -> None:
    assert bodies("FINDINGS:\n IMPRESSION: Normal.") == [
        ("findings", ""),
        ("impression", "Normal."),
    ]


def test_a_text_without_headers_is_one_full_report() -> None:
    assert bodies("No effusion.") == [("full report", "No effusion.")]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("AP CHEST, 5:10 A.M.: Clear.", ["findings"]),
        ("Findings: clear.\nImpression: normal.", ["findings", "impression"]),
        ("IMPRESSION:AP view. Clear.", ["impression"]),
        ("HISTORY: cough FINDINGS: clear IMPRESSION: none", ["history", "findings", "impression"]),
        ("IMPRESSION: clear\n DR. A B", ["impression", "signature"]),
        ("IMPRESSION: clear\nI have personally reviewed the images", ["impression", "signature"]),
        ("IMPRESSION: clear\n Dr. A\n ADDENDUM: B.", ["impression", "signature", "addendum"]),
        ("FINDINGS: told\n Dr. A.\n IMPRESSION: B", ["findings", "signature", "impression"]),
        ("WET READ: a\n ___\n   FINAL REPORT\n Clear.", ["wet read", "preamble"]),
        ("WET READ: a\n FINAL REPORT\n FINDINGS: b", ["wet read", "preamble", "findings"]),
        ("IMPRESSION: a\n FINAL ADDENDUM\n Clear.", ["impression", "addendum"]),
        ("   FINAL REPORT\n Clear.", ["full report"]),
        ("PLEURAL EFFUSION: None.", ["pleural effusion"]),
        ("The ratio: 3 of 4", ["full report"]),
        ("History: cough. Findings: clear. Impression: a.", ["history", "findings", "impression"]),
        ("Findings: clear, as the last Impression: clear.", ["findings"]),
    ],
)
def test_headers_are_found_in_all_their_forms(text: str, names: list[str]) -> None:
    assert [section.name for section in split_sections(text)] == names


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("IMPRESSON", "impression"),
        ("FINDNGS", "findings"),
        ("COMPARISION", "comparison"),
        ("NDICATION", "indication"),
        ("CHEST, TWO VIEWS", "findings"),
        ("PORTABLE SEMI-UPRIGHT", "findings"),
        ("CONCLUSION", "impression"),
        ("PERTINENT HISTORY", "history"),
        ("REASON FOR EXAM", "indication"),
        ("LINES", "lines"),
    ],
)
def test_names_and_their_misspellings_become_common_names(header: str, name: str) -> None:
    assert canonical_name(header) == name


def test_spans_point_into_the_raw_text() -> None:
    for section in split_sections(MIMIC):
        assert 0 <= section.header <= section.start <= section.end <= len(MIMIC)


def test_a_header_said_twice_is_one_of_its_kind() -> None:
    sections = split_sections("INDICATION: INDICATION: Cough.\nIMPRESSION: Clear.")
    assert [section.name for section in sections] == ["indication", "indication", "impression"]
    assert not any(section.reported for section in sections[:2])
