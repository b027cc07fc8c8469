from pathlib import Path

import pytest

from carina.errors import KnowledgeError
from carina.knowledge.graph import ConceptKind, Relation
from carina.knowledge.obo import merge, read_obo
from carina.knowledge.reach import chest_reach, reach
from carina.knowledge.sources import read_sources

SMALL = r"""format-version: 1.2
data-version: hp/2025
property_value: terms:license https://example.org/licence

[Term]
id: HP:1
name: Caved\, "chest"
alt_id: HP:9
def: "A chest with a (\"caved\"\nin) look\: hollow." [PMID:1, http\://x.org] {note="n"}
synonym: "Funnel chest" EXACT layperson [PMID:2]
synonym: "funnel  chest" EXACT []
synonym: "Chest change" BROAD []
xref: UMLS:C0000002
xref: UMLS_CUI:C0000001
xref: SNOMEDCT_US:5
is_a: HP:2 {source="x"} ! Chest

[Term]
id: HP:2
name: Chest

[Term]
id: HP:3
name: obsolete Old
is_obsolete: true
replaced_by: HP:1

[Term]
id: HP:5
def: "No name." []

[Term]
id: X:4
name: Bend
relationship: part_of HP:9 ! by the id that was merged
relationship: part_of Y:77 ! elsewhere

[Typedef]
id: part_of
name: part of
"""


def obo(folder: Path, text: str, name: str = "small.obo") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_term_is_read_with_its_quirks(tmp_path: Path) -> None:
    graph = read_obo([obo(tmp_path, SMALL)])
    chest = graph["HP:9"]
    assert chest.id == "HP:1"
    assert chest.name == 'Caved, "chest"'
    assert chest.definition == 'A chest with a ("caved" in) look: hollow.'
    assert chest.synonyms == ("Funnel chest",)
    assert chest.related == ("Chest change",)
    assert chest.cuis == ("C0000002", "C0000001")
    assert chest.kind == ConceptKind.FINDING
    assert graph["HP:2"].definition == ""


def test_relations_are_typed_and_follow_merged_ids(tmp_path: Path) -> None:
    assert read_obo([obo(tmp_path, SMALL)]).relations == (
        Relation(head="HP:1", kind="is a", tail="HP:2"),
        Relation(head="X:4", kind="part of", tail="HP:1"),
    )


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    graph = read_obo([obo(tmp_path, SMALL)])
    assert [concept.id for concept in graph.concepts] == ["HP:1", "HP:2", "X:4"]
    (origin,) = graph.origins
    assert dict(origin.left_out) == {
        "obsolete": 1,
        "relations that lead outside": 1,
        "without name": 1,
    }
    assert (origin.version, origin.licence) == ("hp/2025", "https://example.org/licence")


def test_files_that_share_a_term_are_merged(tmp_path: Path) -> None:
    other = obo(
        tmp_path,
        'format-version: 1.2\n\n[Term]\nid: HP:2\nname: Thorax\ndef: "The trunk." []\n'
        'synonym: "chest" EXACT []\nxref: UMLS:C0817096\n\n[Term]\nid: Y:77\nname: Elsewhere\n',
        "other.obo",
    )
    graph = read_obo([obo(tmp_path, SMALL), other])
    chest = graph["HP:2"]
    assert (chest.name, chest.synonyms) == ("Chest", ("Thorax",))
    assert (chest.definition, chest.cuis) == ("The trunk.", ("C0817096",))
    assert Relation(head="X:4", kind="part of", tail="Y:77") in graph.relations


def test_merging_a_graph_with_itself_changes_no_concept(tmp_path: Path) -> None:
    graph = read_obo([obo(tmp_path, SMALL)])
    assert merge([graph, graph]).digest == graph.digest


def test_no_file_at_all_is_refused() -> None:
    with pytest.raises(KnowledgeError, match="no OBO file was given"):
        read_obo([])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no"),
        ("<html>not found</html>\n", "is no OBO"),
        ("format-version: 1.2\n\n[Term]\nid: a\nname: x\nis_obsolete: true\n", "no term in use"),
    ],
)
def test_what_is_no_ontology_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(KnowledgeError, match=message):
        read_obo([obo(tmp_path, text)])


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.obo"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(KnowledgeError, match="is no OBO"):
        read_obo([path])


def test_a_missing_ontology_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="cannot be read"):
        read_obo([tmp_path / "none.obo"])


def test_sources_of_several_forms_become_one_graph(tmp_path: Path) -> None:
    hand = tmp_path / "mine.toml"
    hand.write_text('[finding."Spot"]\n', encoding="utf-8")
    finished = tmp_path / "a.parquet"
    read_obo([obo(tmp_path, SMALL)]).write(finished)
    graph = read_sources([hand, finished])
    assert {concept.name for concept in graph.concepts} >= {"Spot", "Bend"}
    assert [origin.name for origin in graph.origins] == ["mine.toml", "small.obo"]


def test_a_source_of_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"ends in '.owl'"):
        read_sources([tmp_path / "hp.owl"])


@pytest.mark.parametrize(
    ("name", "concepts", "with_cui", "obsolete", "parts"),
    # Counts taken from the files by grep: terms less obsolete ones, terms with a UMLS xref.
    [("doid_chest.obo", 778, 588, 69, 0), ("uberon_efo_slim.obo", 611, 354, 2, 728)],
)
def test_real_ontologies_are_read_whole(
    data_dir: Path, name: str, concepts: int, with_cui: int, obsolete: int, parts: int
) -> None:
    graph = read_obo([data_dir / "ontology" / name])
    numbers = graph.statistics()
    assert (numbers.concepts, numbers.with_cui) == (concepts, with_cui)
    assert dict(graph.origins[0].left_out)["obsolete"] == obsolete
    assert dict(numbers.relation_kinds).get("part of", 0) == parts
    assert not any("\\" in c.definition or "url:" in c.definition for c in graph.concepts)


def test_the_phenotype_ontology_is_read_and_has_a_chest(data_dir: Path) -> None:
    graph = read_obo([data_dir / "ontology" / "hp.obo"])
    assert graph.statistics().concepts == 19484 - 450
    pectus = graph.find("funnel chest")
    assert pectus is not None
    assert '("pectus") a caved-in ("excavatum")' in pectus.definition
    chest = reach(graph, chest_reach()).graph
    assert chest.find("pneumothorax") is not None
    assert chest.find("webbed neck") is None
