from pathlib import Path

import pytest

from carina.errors import KnowledgeError
from carina.knowledge.chest import chest_graph, read_toml
from carina.knowledge.graph import ConceptKind

# The prompts of KAD's published code.
PROMPTS = """
normal, pleural effusion, opacity, pneumothorax, edema, atelectasis, tube, consolidation,
enlarged cardiomediastinum, tip, pneumonia, line, cardiomegaly, fracture, calcification,
device, engorgement, nodule, wire, pacemaker, pleural thicken, marking, scar,
hyperinflate, blunt, collapse, emphysema, aerate, mass, infiltration, obscure, deformity,
hernia, drainage, distention, shift, stent, lesion, hardware, dilation, aspiration"""
# What the phantom cohort draws.
DRAWN = """
pneumothorax, pleural effusion, consolidation, atelectasis, pulmonary edema, cardiomegaly,
nodule, mass, emphysema, fibrosis, pleural thickening, hiatal hernia, rib fracture,
endotracheal tube, central venous catheter, pacemaker, chest tube, nasogastric tube,
sternal wires, granuloma, cavity, hilar enlargement, mediastinal widening, elevated
hemidiaphragm, hyperinflation, scoliosis, interstitial opacity, subcutaneous emphysema,
bullae, tortuous aorta, hydropneumothorax, abscess, reticulation, retrocardiac mass"""
SEEN = (ConceptKind.FINDING, ConceptKind.DISEASE, ConceptKind.DEVICE)


def names(text: str) -> list[str]:
    return [name.strip() for name in " ".join(text.split()).split(",")]


@pytest.mark.parametrize("name", names(PROMPTS) + names(DRAWN))
def test_the_embedded_graph_knows_what_is_asked(name: str) -> None:
    concept = chest_graph().find(name)
    assert concept is not None
    assert concept.kind in SEEN


def test_the_embedded_graph_describes_all_that_it_names() -> None:
    graph = chest_graph()
    assert len(graph.of_kind(ConceptKind.FINDING)) >= 60
    assert all(concept.definition.endswith(".") for concept in graph.concepts)
    roots = {"normal", "abnormality"}
    for concept in graph.of_kind(*SEEN):
        assert concept.name in roots or graph.leaving(concept.id), concept.name


def test_no_name_of_the_embedded_graph_stands_for_two_concepts() -> None:
    graph = chest_graph()
    for concept in graph.concepts:
        for name in (concept.name, *concept.synonyms):
            assert graph.find(name) == concept, name


def test_every_attribute_is_used() -> None:
    graph = chest_graph()
    unused = [c.name for c in graph.of_kind(ConceptKind.ATTRIBUTE) if not graph.arriving(c.id)]
    assert unused == ["solitary", "left"]


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_hand_written_graph_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[attribute."dark"]\n[finding."Air"]\nsynonyms = ["gas"]\ncuis = ["C0001861"]\n'
        'definition = "Seen as black."\n"has density" = ["dark"]\n',
    )
    graph = read_toml(path)
    air = graph.find("gas")
    assert air is not None
    assert (air.id, air.definition, air.cuis) == ("chest:air", "Seen as black.", ("C0001861",))
    assert graph.neighbours(air.id)[0].name == "dark"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[finding", "is no TOML"),
        ('[thing."a"]\n', "of no known kind"),
        ("finding = 3\n", "of no known kind"),
        ("[finding]\na = 3\n", "is no table of its own"),
        ('[finding."a"]\n[device."A"]\n', "given twice"),
        ('[finding."a"]\ndefinition = 3\n', "expected a text"),
        ('[finding."a"]\nsynonyms = "b"\n', "expected a list of texts"),
        ('[finding."a"]\n"is a" = ["b"]\n', "no table of the file has that name"),
    ],
)
def test_a_wrong_hand_written_graph_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(KnowledgeError, match=message):
        read_toml(written(tmp_path, text))


def test_a_missing_hand_written_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="cannot be read"):
        read_toml(tmp_path / "none.toml")
