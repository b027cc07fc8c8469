from pathlib import Path

import pytest

from carina.annotation.umls import ConceptExtractor, Umls
from carina.errors import KnowledgeError
from carina.knowledge.graph import IS_A, Concept, ConceptGraph, ConceptKind, Relation
from carina.study import EntityKind

FINDING, DISEASE, PLACE = ConceptKind.FINDING, ConceptKind.DISEASE, ConceptKind.PLACE
GRAPH = ConceptGraph(
    concepts=(
        Concept(id="1", name="Pleural Effusion", kind=FINDING, synonyms=("fluid in the chest",)),
        Concept(id="2", name="Yeti of lung", kind=DISEASE, synonyms=("BIH", "yeti")),
        Concept(id="3", name="Lung", kind=PLACE),
        Concept(id="4", name="Normal", kind=FINDING),
        Concept(id="5", name="Left", kind=FINDING),
        Concept(id="6", name="Tree-in-bud sign", kind=FINDING, types=("T184",)),
        Concept(id="7", name="Crazy paving", kind=ConceptKind.OTHER, types=("T033", "T080")),
        Concept(id="8", name="Clinical modifier", kind=FINDING),
        Concept(id="9", name="Patchwise", kind=FINDING),
        Concept(id="10", name="TB", kind=DISEASE),
    ),
    relations=(Relation(head="9", kind=IS_A, tail="8"),),
)
EXTRACTOR = ConceptExtractor(GRAPH)


def said(text: str) -> list[tuple[str, str]]:
    return [(entity.name, str(entity.assertion)) for entity in EXTRACTOR.extract(text)]


@pytest.mark.parametrize(
    ("sentence", "value"),
    [
        ("Pleural effusion.", "present"),
        ("No pleural effusion.", "absent"),
        ("Pleural effusion: none.", "absent"),
        ("Normal heart, pleural effusion.", "absent"),  # wrong, and KAD's rule
        ("Possible pleural effusion.", "present"),  # it knows no doubt
        ("Without pleural effusion.", "present"),  # nor other words of denial
        ("Abnormal pleural effusion.", "present"),
        ("NO PLEURAL EFFUSION", "absent"),
    ],
)
def test_a_word_of_denial_denies_the_whole_sentence(sentence: str, value: str) -> None:
    assert said(sentence) == [("pleural effusion", value)]


def test_a_denial_ends_with_its_sentence() -> None:
    assert said("No yeti. Crazy paving.") == [
        ("yeti of lung", "absent"),
        ("crazy paving", "present"),
    ]


def test_findings_and_diseases_are_found_and_nothing_else() -> None:
    # T184 is a sign; a place, general words and words of our own cues are none.
    assert said("Lung, left, normal, patchwise, clinical modifier, tree-in-bud sign.") == []


def test_semantic_types_go_before_kinds() -> None:
    assert said("Crazy-paving") == [("crazy paving", "present")]


def test_abbreviations_count_in_capitals_only_and_two_letters_never() -> None:
    assert said("BIH seen") == [("yeti of lung", "present")]
    assert said("Bih seen, TB seen") == []


def test_entities_stand_in_the_text_and_go_by_the_lexicons_names() -> None:
    text = "INDICATION: effusion? Yeti.\nFINDINGS: There is fluid in\n the chest."
    (entity,) = EXTRACTOR.extract(text)
    assert entity.name == "pleural effusion"
    assert text[entity.start : entity.end] == entity.text == "fluid in\n the chest"
    assert (entity.kind, entity.section) == (EntityKind.OBSERVATION, "findings")
    assert (entity.place, entity.severity) == (None, None)


def test_a_graph_without_findings_is_refused() -> None:
    places = ConceptGraph(concepts=(Concept(id="3", name="Lung", kind=PLACE),))
    with pytest.raises(KnowledgeError, match=r"no finding and no disease .*found place"):
        ConceptExtractor(places)


def test_the_embedded_graph_and_graphs_on_disk_can_be_used(tmp_path: Path) -> None:
    embedded = Umls().make().extract("No pneumothorax.")
    assert [(e.name, str(e.assertion)) for e in embedded] == [("pneumothorax", "absent")]
    GRAPH.write(tmp_path / "g.parquet")
    read = Umls(knowledge=tmp_path / "g.parquet").make()
    assert [e.name for e in read.extract("Yeti.")] == ["yeti of lung"]


def test_a_report_is_read_the_same_by_several_processes(studies_of) -> None:
    studies = studies_of("No pneumothorax.", "", "Edema.")
    assert Umls(processes=2).read(studies) == Umls().read(studies)


def test_an_ontology_is_read_as_downloaded(data_dir: Path) -> None:
    extractor = Umls(knowledge=data_dir / "ontology" / "doid_chest.obo").make()
    found = extractor.extract("Frontal view. There is pneumonia and a hiatal hernia.")
    assert [entity.name for entity in found] == ["pneumonia", "hiatal hernia"]
