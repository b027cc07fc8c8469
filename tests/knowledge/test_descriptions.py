"""Descriptions: every finding's own, found by any of its names; files of the caller's own."""

import json
import re
from pathlib import Path

import pytest

from carina.errors import KnowledgeError
from carina.evaluation.padchest_names import PADCHEST_NAMES
from carina.knowledge.chest import chest_graph, read_toml
from carina.knowledge.descriptions import (
    DESCRIPTIONS_FILE,
    Description,
    Descriptions,
)
from carina.knowledge.graph import Concept, ConceptGraph, ConceptKind, Origin
from carina.phantom.findings import FINDINGS
from carina.report.lexicon import Lexicon
from carina.report.triplets import PAPER_ENTITIES
from carina.study import EntityKind

DEFAULT = Descriptions.default()

MORE = """
covid-19, tuberculosis, sarcoidosis, interstitial lung disease, pneumoperitoneum,
pneumomediastinum, subcutaneous emphysema, bronchiectasis, cavity, miliary pattern,
hydropneumothorax, lung abscess, rib fracture, scoliosis, hiatal hernia, aortic aneurysm,
pericardial effusion, lymphadenopathy, asbestosis, pleural plaques, silicosis, pulmonary
hypertension, bullae, azygos lobe, situs inversus, endotracheal tube, nasogastric tube, central
venous catheter, chest drain, Swan-Ganz, prosthetic valve, mastectomy, ARDS, pulmonary
embolism, cystic fibrosis, empyema, hemothorax, mesothelioma, Pancoast tumor, aspergilloma,
mitral stenosis, aortic dissection, goiter, kyphosis, pneumonectomy, fat pad, skin fold, COPD
"""
"""Named beforehand: what a user may well ask, in the words that they may use."""

SEEN_TEXT = """
air airway angle apex apical band base bases black blood blurred bones border borders bright
brighter broad carina chest clips dark darker dense density dome domes edge edges fluid grey
haze hazy heart hilar hilum hila large lens line lines lobe long lung lungs mediastinum metal
narrow net nodes opacity opaque outline patches picture pleura rib ribs rim ring rings round
sharp shape side size small spine spot spots thick thin tube upper vein veil vessel vessels
wall wedge white wide wider wire wires zone zones dots crescent windpipe ventricle vertebra
"""
SEEN_WORDS = frozenset(SEEN_TEXT.split())
"""Words of appearance or place."""


def named(text: str) -> list[str]:
    return [" ".join(name.split()) for name in text.split(",")]


def test_each_of_the_75_entities_has_a_text_of_its_own() -> None:
    texts = [DEFAULT.of(name).text for name in PAPER_ENTITIES]
    assert len(set(texts)) == 75


@pytest.mark.parametrize("name", [*named(MORE), *FINDINGS])
def test_what_one_may_well_ask_is_described(name: str) -> None:
    assert name in DEFAULT
    assert DEFAULT.of(name).text


def test_every_observation_that_reports_are_read_for_is_described() -> None:
    terms = Lexicon.default().terms.values()
    observed = [term.name for term in terms if term.kind is EntityKind.OBSERVATION]
    assert [name for name in observed if name not in DEFAULT] == []


def test_there_are_many_more_than_the_75() -> None:
    described = {DEFAULT.of(name).name for name in PAPER_ENTITIES}
    assert len([entry for entry in DEFAULT if entry.name not in described]) >= 150


@pytest.mark.parametrize("entry", DEFAULT, ids=lambda entry: entry.name)
def test_a_text_says_in_few_words_what_is_seen(entry: Description) -> None:
    words = re.findall(r"[a-z]+", entry.text.lower())
    assert 8 <= len(entry.text.split()) <= 60
    assert SEEN_WORDS & set(words)
    assert entry.text[0].isupper() or entry.text[0].isdigit()
    assert entry.text.endswith(".")
    assert entry.licence == "Apache-2.0"
    assert entry.source.startswith("carina")


def test_no_text_is_given_twice() -> None:
    assert len({entry.text.casefold() for entry in DEFAULT}) == len(DEFAULT)


def test_no_text_names_a_system_or_a_dataset() -> None:
    foreign = re.compile(
        r"kad\b|medklip|maco\b|biovil|gloria|chexzero|convirt|radgraph|chexpert|mimic|umls|snomed"
        r"|wikipedia|radiopaedia|phantom patient",
        re.IGNORECASE,
    )
    assert [entry.name for entry in DEFAULT if foreign.search(entry.text)] == []


def test_every_name_and_synonym_finds_one_description() -> None:
    for entry in DEFAULT:
        assert DEFAULT.of(entry.name) == entry
        for name in entry.synonyms:
            assert DEFAULT.of(name) == entry, name


def test_the_two_files_describe_no_concept_twice() -> None:
    words = read_toml(DESCRIPTIONS_FILE, Origin(name="words"))
    asked = (ConceptKind.FINDING, ConceptKind.DISEASE, ConceptKind.DEVICE)
    concepts = {concept.name for concept in chest_graph().of_kind(*asked)}
    assert [concept.name for concept in words.concepts if concept.name in concepts] == []
    assert all(concept.definition for concept in words.concepts)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("Effusion", "pleural effusion"),
        ("pleural effusions", "pleural effusion"),
        ("efusion", "pleural effusion"),  # a misspelling that the lexicon of reports knows
        ("EDEMA", "pulmonary edema"),
        ("oedema", "pulmonary edema"),
        ("haemothorax", "hemothorax"),
        ("covid 19", "covid-19 pneumonia"),
        ("Swan-Ganz catheter", "pulmonary artery catheter"),
        ("tail_abnorm_obs", "tail_abnorm_obs"),
        ("catheter", "catheter"),
        ("tortuous", "tortuous aorta"),
        ("bullae", "bulla"),
        ("dilated bronchi", "bronchiectasis"),
    ],
)
def test_a_finding_is_found_by_its_other_names(asked: str, found: str) -> None:
    assert DEFAULT.of(asked).name == found


def test_a_name_without_description_says_what_is_like_it_and_what_to_do() -> None:
    assert "sarcoidisis" not in DEFAULT
    with pytest.raises(KnowledgeError, match=r"'sarcoidisis' \(names like it: sarcoidosis.*Write"):
        DEFAULT.of("sarcoidisis")
    with pytest.raises(KnowledgeError, match=r"'covid-91' \(names like it: covid[ -]19\)\. Write"):
        DEFAULT.of("covid-91")
    with pytest.raises(KnowledgeError, match=r"no description of 'xyzzy'\. Write"):
        DEFAULT.texts(["edema", "xyzzy"])


def test_all_names_without_description_are_told_at_once() -> None:
    with pytest.raises(KnowledgeError, match="no description of 'xyzzy', 'plugh'"):
        DEFAULT.texts(["xyzzy", "edema", "plugh"])


def test_texts_come_in_the_order_asked() -> None:
    texts = DEFAULT.texts(("edema", "effusion"))
    assert texts == (DEFAULT.of("pulmonary edema").text, DEFAULT.of("pleural effusion").text)


def entry(name: str, text: str = "A bright spot.", *synonyms: str) -> Description:
    return Description(name=name, text=text, synonyms=synonyms)


def test_an_own_description_goes_before_ours_under_all_names() -> None:
    own = Descriptions(entries=(entry("Effusion", "Mine."), entry("gossypiboma", "A sponge.")))
    both = DEFAULT.extended(own)
    for name in ("effusion", "pleural effusion", "hydrothorax"):
        assert both.of(name).text == "Mine."
    assert both.of("gossypiboma").text == "A sponge."
    assert both.of("edema") == DEFAULT.of("edema")
    assert len(both) == len(DEFAULT) + 1


def test_an_equal_name_takes_the_place_and_a_mere_synonym_stands_alone() -> None:
    ours = Descriptions(entries=(entry("line", "A thread.", "catheter", "wire"),))
    own = Descriptions(entries=(entry("catheter", "A tube."), entry("line", "A stripe.")))
    both = ours.extended(own)
    texts = {name: both.of(name).text for name in ("line", "catheter", "wire")}
    assert texts == {"line": "A stripe.", "catheter": "A tube.", "wire": "A stripe."}


def test_a_name_that_an_own_description_claims_is_not_inherited_by_another() -> None:
    ours = Descriptions(entries=(entry("pleural effusion", "A veil.", "effusion", "hydrothorax"),))
    own = Descriptions(
        entries=(entry("effusion", "Fluid."), entry("fluid", "Any.", "pleural effusion"))
    )
    both = ours.extended(own)
    assert both.of("pleural effusion").text == "Any."
    assert both.of("hydrothorax").text == both.of("effusion").text == "Fluid."


def test_a_name_that_fits_several_is_refused() -> None:
    some = Descriptions(
        entries=(entry("pleural effusion", "Fluid.", "PE"), entry("embolism", "Dark.", "PE"))
    )
    assert "PE" not in some
    with pytest.raises(KnowledgeError, match="'PE' may mean 'pleural effusion' or 'embolism'"):
        some.of("PE")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ((), "there is no description"),
        ((entry("mass", " "),), "'mass': ' ' has a blank text"),
        ((entry(" - "),), "blank name"),
        ((entry("lung mass"), entry("Lung-Mass")), "'Lung-Mass' is described twice"),
    ],
)
def test_descriptions_that_cannot_be_used_are_refused(
    entries: tuple[Description, ...], message: str
) -> None:
    with pytest.raises(KnowledgeError, match=message):
        Descriptions(entries=entries)


def test_texts_are_laid_on_one_line() -> None:
    assert Descriptions(entries=(entry("mass", " A\n  round\tspot. "),)).of("mass").text == (
        "A round spot."
    )


def written(folder: Path, content: str | bytes, name: str = "own.json") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_json_is_read_in_its_order(tmp_path: Path) -> None:
    texts = {name: f"Text {place}." for place, name in enumerate(PAPER_ENTITIES)}
    own = Descriptions.read(written(tmp_path, json.dumps(texts)))
    assert tuple(one.name for one in own) == PAPER_ENTITIES
    assert own.of("tail abnorm obs").text == "Text 73."
    assert own.of("mass").source == "own.json"


def test_the_name_that_medklips_file_misspells_is_found(tmp_path: Path) -> None:
    official = written(tmp_path, '{"low": "Small lungs.", "eumonia": "Patches."}')
    assert [one.name for one in Descriptions.read(official)] == ["low", "pneumonia"]
    both = written(tmp_path, '{"pneumonia": "Patches.", "eumonia": "Other."}')
    assert Descriptions.read(both).of("pneumonia").text == "Patches."


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf" + '{"mass": "Größer als 3 cm."}'.encode())
    assert Descriptions.read(path).of("mass").text == "Größer als 3 cm."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is no JSON"),
        ('{"mass": "round"', "is no JSON"),
        ('{"mass": "größer"}'.encode("latin-1"), "is not UTF-8 .byte 12 is 0xf6"),
        ('{"mass": "round"}'.encode("utf-16"), "is not UTF-8 .byte 0 is 0xff"),
        ('["mass"]', "holds no object of names and texts"),
        ("{}", "holds no object of names and texts"),
        ('{"mass": 3}', "the description of 'mass' is 3, expected a text"),
        ('{"mass": {"text": "round"}}', "expected a text"),
        ('{"mass": "  "}', "has a blank text"),
        ('{"": "round"}', "has a blank name"),
        ('{"mass": "round", "mass": "large"}', "'mass' is described twice"),
        ('{"mass": "round", "MASS": "large"}', "'MASS' is described twice"),
    ],
)
def test_a_wrong_json_file_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(KnowledgeError, match=message) as refused:
        Descriptions.read(path)
    assert str(refused.value).startswith(f"{path}: ")


def test_a_missing_json_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"none\.json: cannot be read"):
        Descriptions.read(tmp_path / "none.json")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"ends in '\.txt', expected \.json, \.toml"):
        Descriptions.read(written(tmp_path, "mass", "own.txt"))


def test_our_own_form_is_read_with_synonyms(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[finding."gossypiboma"]\nsynonyms = ["retained sponge"]\n'
        'definition = "A bright ribbon in a round mass."\n',
        "own.toml",
    )
    found = Descriptions.read(path).of("Retained Sponges")
    assert (found.name, found.text) == ("gossypiboma", "A bright ribbon in a round mass.")
    assert (found.source, found.licence) == ("own.toml", "")
    assert Descriptions.named(str(path)).of("gossypiboma").text == found.text
    assert Descriptions.named("default") == DEFAULT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[finding."mass"]\ndefinition = "A"\n[finding."mass"]\n', "is no TOML"),
        ('[finding."mass"]\n', "none of 1 concepts is a finding, disease or device with a def"),
        ('[finding."mass"]\ndefinition = " "\n', "none of 1 concepts"),
        ('[place."lung"]\ndefinition = "Dark."\n', "none of 1 concepts"),
    ],
)
def test_a_wrong_file_of_our_own_form_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    with pytest.raises(KnowledgeError, match=message):
        Descriptions.read(written(tmp_path, content, "own.toml"))


def concept(number: int, name: str, definition: str) -> Concept:
    return Concept(id=str(number), name=name, definition=definition, kind=ConceptKind.DISEASE)


def test_a_graph_describes_by_its_definitions() -> None:
    graph = ConceptGraph(
        concepts=(
            concept(1, "mass", ""),
            concept(2, "Mass", "A round spot."),
            concept(3, "MASS", "Another."),
            concept(4, "edema", ""),
        ),
        origins=(Origin(name="A", version="1", licence="CC0"), Origin(name="B", licence="CC0")),
    )
    only = Descriptions.from_graph(graph)
    assert [(one.name, one.text) for one in only] == [("Mass", "A round spot.")]
    assert (only.of("mass").source, only.of("mass").licence) == ("A 1; B", "CC0")
    assert "edema" not in only


def test_a_graph_without_definitions_is_refused() -> None:
    graph = ConceptGraph(concepts=(concept(1, "mass", ""),), origins=(Origin(name="A"),))
    with pytest.raises(KnowledgeError, match="A: none of 1 concepts is a finding"):
        Descriptions.from_graph(graph)


def test_definitions_of_real_ontologies_are_found_by_name_and_synonym(data_dir: Path) -> None:
    diseases = Descriptions.read(data_dir / "ontology" / "doid_chest.obo")
    assert "lung" in diseases.of("pneumonia").text
    assert "CC0" in diseases.of("sarcoidosis").licence or diseases.of("sarcoidosis").source
    both = DEFAULT.extended(diseases)
    assert both.of("tb").text == both.of("tuberculosis").text == diseases.of("tuberculosis").text
    assert both.of("endotracheal tube") == DEFAULT.of("endotracheal tube")


def test_an_ontology_of_places_alone_describes_no_finding(data_dir: Path) -> None:
    with pytest.raises(KnowledgeError, match="is a finding, disease or device with a definition"):
        Descriptions.read(data_dir / "ontology" / "uberon_efo_slim.obo")


def test_every_name_of_padchest_is_described() -> None:
    missing = [name for name in PADCHEST_NAMES if not Descriptions.default().of(name).text]
    assert not missing
