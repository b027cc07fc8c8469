import json
from pathlib import Path

from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.report.sequence import (
    entity_sequence,
    official_entity_sequence,
    official_entity_text,
)

EXTRACTOR = RuleExtractor(Lexicon.default())


def test_parity_kad_report_text(parity_dir: Path) -> None:
    cases = json.loads((parity_dir / "kad" / "report_text.json").read_text())
    assert cases
    for case in cases:
        umls, radgraph = case["umls"], case["radgraph"]
        sentences = [[e["Entity"] for e in s["entity"]] for s in umls["entities"]]
        labels = radgraph and {e["tokens"]: e["label"] for e in radgraph["entities"].values()}
        assert official_entity_text(sentences, umls["caption"], labels) == case["text"]


def test_official_form_keeps_the_missing_space() -> None:
    # Written out from the description of the published code.
    text = official_entity_text(
        [["left lung", "edema"], []], [], {"lung": "ANAT-DP", "edema": "OBS-DA"}
    )
    assert text == (
        " [ENT] left [ENT] lung Anatomy Definitely Present"
        " [ENT] edemaObservation Definitely Absent [SEP]  [SEP] "
    )


def test_paper_form_names_entity_and_category() -> None:
    text = "No effusion. Possible pneumonia in the left lung. No effusion."
    assert entity_sequence(EXTRACTOR.extract(text), text) == (
        "pleural effusion observation definitely absent [SEP] "
        "pneumonia observation uncertain [SEP] lung anatomy"
    )


def test_a_report_without_entities_stands_for_itself() -> None:
    assert entity_sequence((), " Nothing to say. ") == "Nothing to say."
    assert official_entity_sequence((), "One. Two.") == "One. [SEP] Two. [SEP] "
    assert entity_sequence((), "") == ""


def test_official_form_of_our_entities_is_by_sentence() -> None:
    text = "FINDINGS: No effusion. Cardiomegaly."
    assert official_entity_sequence(EXTRACTOR.extract(text), text) == (
        " [ENT] pleural effusionObservation Definitely Absent [SEP] "
        " [ENT] cardiomegalyObservation Definitely Present [SEP] "
    )
