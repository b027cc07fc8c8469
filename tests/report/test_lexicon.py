from pathlib import Path

import pytest

from carina.errors import ReportError
from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon, canonical, plural
from carina.study import EntityKind

LEXICON = Lexicon.default()
PHANTOM = (
    "pneumothorax", "pleural effusion", "consolidation", "atelectasis", "pulmonary edema",
    "cardiomegaly", "nodule", "mass", "emphysema", "fibrosis", "pleural thickening",
    "hiatal hernia", "rib fracture", "endotracheal tube", "central venous catheter", "pacemaker",
    "chest tube", "nasogastric tube", "sternal wires", "granuloma", "calcification", "scoliosis",
    "bronchiectasis", "cavity", "interstitial opacity", "hilar enlargement",
    "mediastinal widening", "elevated hemidiaphragm", "subcutaneous emphysema", "pneumomediastinum",
    "pneumoperitoneum", "hydropneumothorax", "abscess", "infiltrate", "opacity",
    "blunting of the costophrenic angle", "hyperinflation", "low lung volumes", "tortuous aorta",
    "vascular congestion",
)  # fmt: skip


@pytest.mark.parametrize("name", PHANTOM)
def test_common_findings_have_a_term_that_finds_itself(name: str) -> None:
    found = RuleExtractor(LEXICON).extract(f"There is {name}.")
    assert name in [entity.name for entity in found]


def test_parents_exist_and_no_term_is_above_itself() -> None:
    for name, term in LEXICON.terms.items():
        assert set(term.is_a) <= LEXICON.terms.keys(), name
        assert name not in LEXICON.broader(name)


def test_broader_terms_are_followed_to_the_top() -> None:
    assert LEXICON.broader("picc") == {"central venous catheter", "catheter", "line", "device"}
    assert LEXICON.broader("unheard of") == frozenset()


def test_observations_meant_by_states_are_terms() -> None:
    for terms in LEXICON.states.values():
        assert all(term.name in LEXICON.terms for term in terms)


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [("opacity", "opacities"), ("mass", "masses"), ("nodule", "nodules"), ("airway", "airways")],
)
def test_plurals(phrase: str, expected: str) -> None:
    assert plural(phrase) == expected


def test_comparison_form_ignores_case_hyphens_and_line_breaks() -> None:
    assert canonical("Ground-Glass\n opacity ") == "ground glass opacity"


def test_a_file_of_the_users_adds_terms_and_synonyms(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(
        '["crazy paving"]\nis_a = ["opacity"]\nsite = "lung"\n'
        '["nodule"]\nsynonyms = ["white spot"]\n'
    )
    extractor = RuleExtractor(LEXICON.extended(path))
    found = extractor.extract("Left crazy-paving. White spots. A nodule.")
    assert [(e.name, e.place) for e in found] == [
        ("crazy paving", "left lung"),
        ("nodule", None),
        ("nodule", None),
    ]
    assert extractor.lexicon.broader("crazy paving") == {"opacity"}


def test_pairs_from_an_ontology_add_terms() -> None:
    lexicon = LEXICON.extended([("Kartagener syndrome", ("primary ciliary dyskinesia",))])
    found = RuleExtractor(lexicon).extract("No primary ciliary dyskinesia.")
    assert [(e.name, e.assertion, e.kind) for e in found] == [
        ("kartagener syndrome", "absent", EntityKind.OBSERVATION)
    ]
    assert "kartagener syndrome" not in LEXICON.terms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not toml [", "cannot be read as a lexicon"),
        ('nodule = "spot"', "the entry 'nodule' holds 'spot'"),
        ('["nodule"]\nsynonym = ["spot"]', "expected a table with any of"),
        ('["nodule"]\nsynonyms = "spot"', "synonyms is 'spot', expected a list of words"),
        ('["nodule"]\nkind = "thing"', "kind is 'thing', expected one of anatomy, observation"),
        ('["nodule"]\nsynonyms = ["-"]', "has a phrase without letters"),
    ],
)
def test_a_lexicon_file_that_cannot_be_used_says_why(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(text)
    with pytest.raises(ReportError, match=message):
        LEXICON.extended(path)


def test_a_missing_lexicon_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"nothing\.toml"):
        LEXICON.extended(tmp_path / "nothing.toml")
