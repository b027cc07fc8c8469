"""The test sentences: what a radiologist reads out of each, worked by hand."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carina.errors import ReportError
from carina.report import entities as entities_module
from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.study import Assertion, Entity, EntityKind

sys.path.insert(0, str(Path(__file__).parent))
from time_growth import assert_linear

EXTRACTOR = RuleExtractor(Lexicon.default())
SIGNS = {"+": Assertion.PRESENT, "-": Assertion.ABSENT, "?": Assertion.UNCERTAIN}

# sentence -> (standard term or a broader one, sign, words of the place, severity or scope)
SENTENCES = {
    "No pneumothorax or large pleural effusion.": (
        ("pneumothorax", "-", "", None),
        ("pleural effusion", "-", "", "large"),
    ),
    "Small left effusion without pneumothorax.": (
        ("pleural effusion", "+", "left pleural", "small"),
        ("pneumothorax", "-", "", None),
    ),
    "The lungs are clear.": (
        ("opacity", "-", "lung", None),
        ("consolidation", "-", "lung", None),
    ),
    "Heart size is normal.": (("cardiomegaly", "-", "", None),),
    "Heart size is at the upper limits of normal.": (("cardiomegaly", "-", "", None),),
    "Borderline cardiomegaly.": (("cardiomegaly", "?", "", "borderline"),),
    "Stable mild cardiomegaly.": (("cardiomegaly", "+", "", "mild"),),
    "No interval change in the right basilar opacity.": (("opacity", "+", "right base", None),),
    "No new consolidation.": (("consolidation", "-", "", "new"),),
    "The left apical pneumothorax has resolved.": (("pneumothorax", "-", "left apex", None),),
    "Resolving right upper lobe pneumonia.": (("pneumonia", "+", "right upper lobe", None),),
    "Underlying pneumonia cannot be excluded.": (("pneumonia", "?", "", None),),
    "Cannot rule out a tiny right apical pneumothorax.": (
        ("pneumothorax", "?", "right apex", "tiny"),
    ),
    "Left base opacity, atelectasis versus pneumonia.": (
        ("opacity", "+", "left base", None),
        ("atelectasis", "?", "left base", None),
        ("pneumonia", "?", "left base", None),
    ),
    "Findings favor atelectasis rather than pneumonia.": (
        ("atelectasis", "?", "", None),
        ("pneumonia", "-", "", None),
    ),
    "Atelectasis, edema, or infection could have this appearance.": (
        ("atelectasis", "?", "", None),
        ("pulmonary edema", "?", "", None),
        ("pneumonia", "?", "", None),
    ),
    "Clear lungs except for a calcified granuloma in the left lower lobe.": (
        ("opacity", "-", "lung", None),
        ("consolidation", "-", "lung", None),
        ("granuloma", "+", "left lower lobe", None),
    ),
    "The lungs are free of focal airspace disease.": (("airspace disease", "-", "", "focal"),),
    "Negative for pneumothorax.": (("pneumothorax", "-", "", None),),
    "Status post right chest tube removal, no pneumothorax.": (
        ("chest tube", "-", "right", None),
        ("pneumothorax", "-", "", None),
    ),
    "Tip of the endotracheal tube is 4 cm above the carina.": (
        ("tip", "+", "", None),
        ("endotracheal tube", "+", "trachea", None),
    ),
    "Right PICC tip at the cavoatrial junction.": (
        ("picc", "+", "right cavoatrial junction", None),
    ),
    "The nasogastric tube has been removed.": (("nasogastric tube", "-", "", None),),
    "Right effusion is larger; left is unchanged.": (
        ("pleural effusion", "+", "right pleural", None),
        ("pleural effusion", "+", "left pleural", None),
    ),
    "Moderate right and small left pleural effusions.": (
        ("pleural effusion", "+", "right pleural", "moderate"),
        ("pleural effusion", "+", "left pleural", "small"),
    ),
    "Bilateral effusions, right greater than left.": (
        ("pleural effusion", "+", "right pleural", None),
        ("pleural effusion", "+", "left pleural", None),
    ),
    "No consolidation, edema or effusion, but a 6 mm nodule in the right upper lobe.": (
        ("consolidation", "-", "", None),
        ("pulmonary edema", "-", "", None),
        ("pleural effusion", "-", "", None),
        ("nodule", "+", "right upper lobe", "6 mm"),
    ),
    "No acute fracture; old healed left rib fractures.": (
        ("fracture", "-", "", "acute"),
        ("fracture", "+", "left rib", None),
    ),
    "Not only edema but also a new right effusion.": (
        ("pulmonary edema", "+", "", None),
        ("pleural effusion", "+", "right pleural", None),
    ),
    "Nodule over the left sixth rib is questionable.": (("nodule", "?", "left rib", None),),
    "The left costophrenic angle is excluded from the image.": (),
    "The costophrenic angles are sharp.": (
        ("blunting of the costophrenic angle", "-", "costophrenic angle", None),
        ("pleural effusion", "-", "costophrenic angle", None),
    ),
    "Blunting of the left costophrenic angle suggests a small effusion.": (
        ("blunting of the costophrenic angle", "+", "left costophrenic angle", None),
        ("pleural effusion", "?", "left pleural", "small"),
    ),
    "Lingular opacity, which could be infection, has improved.": (
        ("opacity", "+", "lingula", None),
        ("pneumonia", "?", "lingula", None),
    ),
    "INDICATION: Rule out pneumonia.": (),
    "History of heart failure.": (),
    "CT is recommended to exclude an underlying mass.": (("mass", "?", "", None),),
    "No displaced rib fracture.": (("rib fracture", "-", "", "displaced"),),
    "Pleural effusion: None.": (("pleural effusion", "-", "", None),),
    "The mediastinum is not widened.": (("mediastinal widening", "-", "mediastinum", None),),
    "1. No acute disease. 2. Stable 5 mm left apical nodule.": (
        ("acute disease", "-", "", None),
        ("nodule", "+", "left apex", "5 mm"),
    ),
    "Pneumothorax, if any, is tiny.": (("pneumothorax", "?", "", "tiny"),),
    "No effusion on the left; a small one persists on the right.": (
        ("pleural effusion", "-", "left pleural", None),
        ("pleural effusion", "+", "right pleural", "small"),
    ),
    "Left lower lobe collapse is worse, with shift of the mediastinum.": (
        ("collapse", "+", "left lower lobe", None),
        ("mediastinal shift", "+", "", None),  # the name says where
    ),
}


def observations(text: str) -> list[Entity]:
    return [e for e in EXTRACTOR.extract(text) if e.kind is EntityKind.OBSERVATION]


def is_a(name: str, expected: str) -> bool:
    return expected in {name, *EXTRACTOR.lexicon.broader(name)}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentence_is_read_as_a_radiologist_reads_it(sentence: str) -> None:
    found = observations(sentence)
    expected = SENTENCES[sentence]
    assert len(found) == len(expected), found
    for entity, (name, sign, place, severity) in zip(found, expected, strict=True):
        assert is_a(entity.name, name)
        assert entity.assertion is SIGNS[sign]
        if place:
            assert place in (entity.place or "")
        else:
            assert entity.place in {None, "heart", "lung"}
        assert entity.severity == severity


def summary(text: str) -> list[tuple[str, str]]:
    words = {value: sign for sign, value in SIGNS.items()}
    return [(entity.name, words[entity.assertion]) for entity in observations(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No effusion, and the heart is enlarged.", "pleural effusion -, cardiomegaly +"),
        ("No pneumothorax, small effusion.", "pneumothorax -, pleural effusion +"),
        ("No effusion, suspicious nodule, or mass.", "pleural effusion -, nodule -, mass -"),
        ("No nodule to suggest malignancy.", "nodule -, malignancy -"),
        (
            "Lungs clear of edema, effusion, or mass.",
            "pulmonary edema -, pleural effusion -, mass -",
        ),
        ("Atelectasis or scar at the left base.", "atelectasis ?, scar ?"),
        ("There are no XXXX of a pleural effusion.", "pleural effusion -"),
        ("CT of the chest showed a mass. Radiograph shows edema.", "pulmonary edema +"),
        ("Pericardial effusion.", "pericardial effusion +"),
        (
            "\ufeffFINDINGS:\u00a0No\u00a0effusion\ufffd. \u201cMass\u201d.",
            "pleural effusion -, mass +",
        ),
        ("Borderline heart size.", "cardiomegaly ?"),
        ("The heart is borderline in size.", "cardiomegaly ?"),
        ("Opacity XXXX representing atelectasis.", "opacity +, atelectasis ?"),
        ("Opacities are favored to represent scarring.", "opacity +, scar ?"),
        ("Effusion is likely on the left.", "pleural effusion ?"),
        ("Small effusion suspected.", "pleural effusion ?"),
        ("May be secondary to infection.", "pneumonia ?"),
        (
            "Differential includes infection, aspiration, edema.",
            "pneumonia ?, aspiration ?, pulmonary edema ?",
        ),
        ("There is no change in the scar.", "scar +"),
        ("CT is more sensitive in detecting nodules.", ""),
        ("Lungs are otherwise clear.", "opacity -, consolidation -"),
        ("Massive effusion with mass effect.", "pleural effusion +"),
        ("Temperature was normal.", ""),
        ("small\nleft   pleural\n effusion", "pleural effusion +"),
        ("EFFUSION,PNEUMOTHORAX", "pleural effusion +, pneumothorax +"),
        ("Pnuemothorax; effussion; chf.", "pneumothorax +, pleural effusion +, heart failure +"),
    ],
)
def test_reach_of_cues(text: str, expected: str) -> None:
    assert ", ".join(" ".join(said) for said in summary(text)) == expected


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Calcified granuloma left base.", "left base"),
        ("Basilar atelectasis.", "base"),
        ("Left basilar atelectasis.", "left base"),
        ("Opacities are noted in the lung bases.", "bilateral base"),
        ("Compression deformity of T12.", "thoracic spine"),
        ("Nodule between the left fifth and sixth ribs.", "left rib"),
        ("Left effusion, left lung clear.", "left pleural"),
    ],
)
def test_a_place_is_read_where_it_stands(text: str, place: str) -> None:
    assert observations(text)[0].place == place
    assert [entity.place for entity in observations(text)].count(place) == 1


def test_missing_is_not_absent() -> None:
    assert "pneumothorax" not in dict(summary("Mild cardiomegaly."))


def test_sections_about_other_things_give_nothing() -> None:
    text = "INDICATION: pneumonia\nHISTORY: mass\nCOMPARISON: effusion\nFINDINGS: Edema.\n"
    found = EXTRACTOR.extract(text)
    assert [(e.name, e.section) for e in found] == [("pulmonary edema", "findings")]


def test_the_header_of_a_section_of_its_own_kind_is_read() -> None:
    assert summary("PLEURAL EFFUSION: None.\nPNEUMOTHORAX: Small.") == [
        ("pleural effusion", "-"),
        ("pneumothorax", "+"),
    ]


def test_spans_are_the_words_as_written() -> None:
    text = "FINDINGS:\n 1. Small  LEFT\n effusion (2.5 x 3 cm), İ edema. Lungs\tclear."
    found = EXTRACTOR.extract(text)
    assert found
    assert all(text[e.start : e.end] == e.text for e in found)
    assert [e.start for e in found] == sorted(e.start for e in found)
    assert found[0].severity == "small"


def test_anatomy_is_an_entity_with_its_side() -> None:
    found = [e for e in EXTRACTOR.extract("Left apical opacity.") if e.kind == "anatomy"]
    assert [(e.name, e.place) for e in found] == [("apex", "left apex")]


def test_entities_equal_those_made_the_long_way() -> None:
    for entity in EXTRACTOR.extract("Small left effusion."):
        again = Entity(**vars(entity))
        assert again == entity
        assert hash(again) == hash(entity)


@settings(max_examples=60)
@given(st.text(max_size=300))
def test_any_text_is_read_without_a_crash(text: str) -> None:
    for entity in EXTRACTOR.extract(text):
        assert text[entity.start : entity.end] == entity.text


@settings(max_examples=60)
@given(st.lists(st.sampled_from(sorted(EXTRACTOR.lexicon.phrases)), max_size=14))
def test_any_order_of_known_phrases_is_read(phrases: list[str]) -> None:
    text = " ".join(phrases)
    first = EXTRACTOR.extract(text)
    assert first == RuleExtractor(EXTRACTOR.lexicon, remember=False).extract(text)


def test_empty_and_binary_reports_give_nothing() -> None:
    assert EXTRACTOR.extract("") == ()
    assert EXTRACTOR.extract("\x00" * 1000) == ()
    assert EXTRACTOR.extract(bytes(range(256)).decode("latin-1") * 50) == ()


@pytest.mark.parametrize(
    "piece",
    ["no effusion, ", "opacity ", "left ", "FINDINGS: ", ".", "a", "1. ", "or ", "\n", ": ", "no "],
)
def test_time_grows_linearly_with_the_length(piece: str) -> None:
    def extract(length: int) -> None:
        extractor = RuleExtractor(EXTRACTOR.lexicon, remember=False)
        extractor.extract(piece * (length // len(piece)))

    assert_linear(extract)


def test_a_report_too_long_to_be_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entities_module, "LONGEST_REPORT", 10)
    with pytest.raises(ReportError, match="11 characters, expected at most 10"):
        EXTRACTOR.extract("x" * 11)
