"""ECAMP's entities as words of a text."""

from carina.report.descriptor_counts import count_descriptions
from carina.report.entities import RuleExtractor
from carina.report.entity_words import (
    entities_named,
    entity_forms,
    entity_names,
    entity_words,
    is_denied,
)
from carina.report.lexicon import Lexicon, packaged


def described(text: str) -> list[tuple[str, list[str]]]:
    return [(w.name, [text[a:b] for a, b in w.before]) for w in entity_words(text)]


def test_the_paper_has_44_entities_and_no_form_belongs_to_two() -> None:
    assert len(entity_names()) == 44
    table = packaged("ecamp.toml")
    assert len(entity_forms()) == len(table) + sum(map(len, table.values()))
    assert all(form == form.lower() and " " not in form for form in entity_forms())


def test_inflections_and_capitals_are_met_and_parts_of_words_are_not() -> None:
    text = "COPD with hyperinflated lungs, effusions. Massive aortas amass."
    assert [name for name, _ in described(text)] == ["copd", "hyperinflate", "effusion", "aorta"]


def test_two_words_before_an_entity_describe_it() -> None:
    assert described("There is no pleural effusion or pneumothorax") == [
        ("effusion", ["no", "pleural"]),
        ("pneumothorax", ["effusion", "or"]),
    ]


def test_a_sentence_ends_what_describes_and_a_number_does_not() -> None:
    assert described("Lungs clear. Effusion. Heart: mass of 2.5 cm nodule; edema") == [
        ("effusion", []),
        ("mass", []),
        ("nodule", ["5", "cm"]),
        ("edema", []),
    ]


def test_entities_are_named_once_as_first_written() -> None:
    assert entities_named("Effusions. effusion. Aortic") == {
        "effusion": "effusions",
        "aorta": "aortic",
    }


def test_denied_is_what_the_narrowest_reading_calls_absent() -> None:
    text = "The mediastinal contour is normal. No effusion or mass. Edema."
    said = RuleExtractor(Lexicon.default()).extract(text)
    denied = {w.name: is_denied(w.span, said) for w in entity_words(text)}
    assert denied == {"contour": False, "effusion": True, "mass": True, "edema": False}


def test_descriptions_are_counted_with_what_they_deny() -> None:
    rules = RuleExtractor(Lexicon.default())
    texts = ["There is no pneumonia. There is no effusion.", "There may be edema.", "Mass."]
    counted = count_descriptions(texts, rules)
    found = [(row.words, row.count, row.denied, row.negative) for row in counted.descriptions]
    assert found == [("is no", 2, 2, True), ("may be", 1, 0, False)]
    assert (counted.reports, counted.count, counted.denied) == (3, 3, 2)
    assert counted.balance == 0.5  # one that is not denied to two that are


def test_without_denials_there_is_nothing_to_balance() -> None:
    assert count_descriptions(["Small mass."], RuleExtractor(Lexicon.default())).balance is None
