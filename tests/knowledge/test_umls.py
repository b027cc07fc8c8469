from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from carina.errors import ConfigError, KnowledgeError
from carina.knowledge.graph import ConceptGraph, ConceptKind, Relation
from carina.knowledge.linking import Linker
from carina.knowledge.pairs import OfficialPairs, PaperPairs
from carina.knowledge.reach import Direction, Reach, chest_reach, reach
from carina.knowledge.rrf import MRCONSO, read_table
from carina.knowledge.umls import named_in_umls, reach_umls, read_umls
from carina.knowledge.umls_names import UmlsSelection

LUNG_DISEASES, PNEUMONIA, LUNG, PNEUMOTHORAX, DRUG, HAND, BACTERIAL = (
    f"C000000{number}" for number in range(1, 8)
)


def test_names_are_chosen_and_the_others_counted(release: Path) -> None:
    graph = read_umls(release)
    pneumonia = graph[PNEUMONIA]
    assert pneumonia.name == "Pneumonia"
    assert pneumonia.synonyms == ("Inflammation of lung", 'lung "fire", so called')
    assert pneumonia.cuis == (PNEUMONIA,)
    assert [concept.id for concept in graph.concepts] == [f"C000000{n}" for n in range(1, 8)]
    left_out = dict(graph.origins[0].left_out)
    assert left_out["names in other languages"] == 1
    assert left_out["suppressed names"] == 1
    assert left_out["names of an obsolete kind"] == 1
    assert left_out["names under restriction level 9"] == 1
    assert graph.origins[0].name == "UMLS: HPO, MSH"


def test_an_abbreviation_is_no_preferred_name(release: Path) -> None:
    assert read_umls(release)[PNEUMOTHORAX].name == "Pneumothorax"
    assert read_umls(release)[PNEUMOTHORAX].synonyms == ("PTX",)


def test_relations_lead_from_the_second_concept_to_the_first_and_are_kept_once(
    release: Path,
) -> None:
    graph = read_umls(release)
    assert set(graph.relations) == {
        Relation(head=PNEUMONIA, kind="is a", tail=LUNG_DISEASES),
        Relation(head=PNEUMONIA, kind="has finding site", tail=LUNG),
        Relation(head=PNEUMOTHORAX, kind="has finding site", tail=LUNG),
        Relation(head=BACTERIAL, kind="child of", tail=PNEUMONIA),
        Relation(head=DRUG, kind="may treat", tail=BACTERIAL),
    }
    assert len(graph.relations) == 5
    left_out = dict(graph.origins[0].left_out)
    assert left_out["relations suppressed or of other vocabularies"] == 2
    assert left_out["relations that say too little (SIB, SY, AQ ...)"] == 1
    assert left_out["relations within one concept"] == 1
    assert left_out["relations to concepts that are left out"] == 1


def test_relations_alike_in_both_directions_are_kept_once(
    write_rrf: Callable[..., Path],
) -> None:
    rows = [
        f"{one}||AUI|RO|{two}||AUI|{rela}|R1||MSH|MSH||N|N||"
        for rela in ("", "associated_with")
        for one, two in ((LUNG, HAND), (HAND, LUNG))
    ]
    kinds = [relation.kind for relation in read_umls(write_rrf(MRREL=rows)).relations]
    assert sorted(kinds) == ["associated with", "related to"]


def test_a_pair_of_relations_is_known_from_the_release_itself(
    write_rrf: Callable[..., Path],
) -> None:
    rows = [
        f"{LUNG}||AUI|RO|{HAND}||AUI|b_of|R1||MSH|MSH||N|N||",
        f"{HAND}||AUI|RO|{LUNG}||AUI|a_of|R1||MSH|MSH||N|N||",
    ]
    documented = ["RELA|a_of|rela_inverse|b_of|", "RELA|b_of|rela_inverse|a_of|"]
    graph = read_umls(write_rrf(MRREL=rows, MRDOC=documented))
    assert graph.relations == (Relation(head=LUNG, kind="a of", tail=HAND),)


def test_a_definition_is_in_use_of_a_chosen_vocabulary_and_without_markup(release: Path) -> None:
    graph = read_umls(release)
    assert graph[PNEUMONIA].definition == "Infection of the lung & its air, p < 0.05 > 0."
    assert graph[HAND].definition == ""
    preferred = read_umls(release, UmlsSelection(vocabularies=("HPO", "MSH")))
    assert preferred[PNEUMONIA].definition == "As HPO has it."
    assert dict(graph.origins[0].left_out)["definitions suppressed or of other vocabularies"] == 2


def test_semantic_types_tell_what_a_concept_is(release: Path) -> None:
    graph = read_umls(release)
    assert graph[PNEUMOTHORAX].types == ("T033", "T046")
    kinds = [concept.kind for concept in graph.concepts]
    disease, finding, place = ConceptKind.DISEASE, ConceptKind.FINDING, ConceptKind.PLACE
    assert kinds == [disease, disease, place, finding, ConceptKind.OTHER, place, disease]


@pytest.mark.parametrize("wanted", ["T047", "disease or SYNDROME"])
def test_semantic_types_choose_concepts(release: Path, wanted: str) -> None:
    graph = read_umls(release, UmlsSelection(types=(wanted,)))
    assert [concept.id for concept in graph.concepts] == [LUNG_DISEASES, PNEUMONIA, BACTERIAL]
    assert len(graph.relations) == 2
    assert dict(graph.origins[0].left_out)["concepts of other semantic types"] == 4


def test_types_without_their_table_and_unknown_types_are_refused(
    write_rrf: Callable[..., Path],
) -> None:
    folder = write_rrf(MRSTY=None)
    assert {concept.kind for concept in read_umls(folder).concepts} == {ConceptKind.OTHER}
    with pytest.raises(KnowledgeError, match=r"no MRSTY\.RRF"):
        read_umls(folder, UmlsSelection(types=("T047",)))
    (folder / "MRSTY.RRF").write_text(f"{LUNG}|T023|A|Organ|||\n")
    with pytest.raises(KnowledgeError, match="no semantic type 'T999'"):
        read_umls(folder, UmlsSelection(types=("Organ", "T999")))
    with pytest.raises(KnowledgeError, match="no concept is left of 1"):
        reach_umls(folder, Reach(seeds=("hand",)), UmlsSelection(types=("T023",)))


def test_a_vocabulary_under_restriction_is_taken_when_allowed(release: Path) -> None:
    graph = read_umls(release, UmlsSelection(restrictions=(0, 9)))
    assert graph[PNEUMOTHORAX].synonyms == ("Air in pleura", "PTX")
    assert Relation(head=PNEUMOTHORAX, kind="has finding site", tail=HAND) in graph.relations


def test_languages_and_vocabularies_choose_names(release: Path) -> None:
    german = read_umls(release, UmlsSelection(languages=("GER",)))
    assert [concept.name for concept in german.concepts] == ["Lungenentzündung"]
    hpo = read_umls(release, UmlsSelection(vocabularies=("HPO",)))
    assert {concept.name for concept in hpo.concepts} == {"pneumonia", "PTX"}
    with pytest.raises(KnowledgeError, match=r"none of its 16 names is left: 1 names in other lan"):
        read_umls(release, UmlsSelection(vocabularies=("NONE",)))
    with pytest.raises(ConfigError, match="a language and a level"):
        UmlsSelection(languages=())


def test_ranks_order_the_names_that_the_release_does_not_prefer(
    write_rrf: Callable[..., Path], rrf_line: Callable[..., str]
) -> None:
    names = [rrf_line(LUNG, "A", tty="ET"), rrf_line(LUNG, "B", tty="PT"), rrf_line(LUNG, "C")]
    ranks = ["0100|MSH|ET|N|", "0300|MSH|PT|N|", "0200|MSH|SY|N|"]
    graph = read_umls(write_rrf(MRCONSO=names, MRRANK=ranks))
    assert (graph[LUNG].name, graph[LUNG].synonyms) == ("B", ("C", "A"))


@pytest.mark.parametrize("form", ["gz", "windows", "no last line end", "parts", "parts.gz"])
def test_every_form_of_the_files_reads_alike(
    release: Path, in_another_form: Callable[[Path, str], None], form: str
) -> None:
    expected = read_umls(release)
    in_another_form(release, form)
    assert read_umls(release) == expected


def test_lines_longer_than_a_block_are_whole(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_umls(release)
    monkeypatch.setattr("carina.knowledge.rrf.BLOCK", 50)
    assert read_umls(release) == expected


def test_only_names_are_needed(write_rrf: Callable[..., Path]) -> None:
    graph = read_umls(write_rrf(MRREL=None, MRDEF=None, MRSTY=None))
    assert (len(graph.concepts), graph.relations, graph[PNEUMONIA].definition) == (7, (), "")


def test_columns_and_rows_are_those_that_the_subset_says(write_rrf: Callable[..., Path]) -> None:
    definitions = [f"{LUNG}|Breathes.|MSH|N|"]
    files = ["MRDEF.RRF|Defs|CUI,DEF,SAB,SUPPRESS|4|1|20|", "MRCONSO.RRF|Names||18|20|999|"]
    folder = write_rrf(MRDEF=definitions, MRFILES=files)
    graph = read_umls(folder)
    assert graph[LUNG].definition == "Breathes."
    missing = "rows that MRFILES.RRF announces and MRCONSO.RRF lacks"
    assert dict(graph.origins[0].left_out)[missing] == 4
    (folder / "MRFILES.RRF").write_text("MRDEF.RRF|Defs|CUI,DEF|2|1|20|\n")
    with pytest.raises(KnowledgeError, match="SAB, SUPPRESS is needed"):
        read_umls(folder)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("C1|ENG|P", r"MRCONSO\.RRF: line 2 has 2 fields, expected 18"),
        ("C1" + "|x" * 19 + "|", "line 2 has 20 fields"),
        ("", "line 2 has 0 fields"),
    ],
)
def test_a_line_of_another_length_is_named(
    write_rrf: Callable[..., Path], rrf_line: Callable[..., str], line: str, message: str
) -> None:
    folder = write_rrf(MRCONSO=[rrf_line(LUNG, "Lung"), line])
    with pytest.raises(KnowledgeError, match=message):
        read_umls(folder)


def test_a_short_and_a_long_line_do_not_make_up_for_each_other(
    write_rrf: Callable[..., Path], rrf_line: Callable[..., str]
) -> None:
    good = rrf_line(LUNG, "Lung")
    folder = write_rrf(MRCONSO=[good, good.removesuffix("|"), good + "|"])
    with pytest.raises(KnowledgeError, match="line 2 has 17 fields"):
        read_umls(folder)


def test_lines_are_counted_over_blocks(
    write_rrf: Callable[..., Path], rrf_line: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carina.knowledge.rrf.BLOCK", 100)
    folder = write_rrf(MRCONSO=[rrf_line(LUNG, "Lung")] * 9 + ["C1|"])
    with pytest.raises(KnowledgeError, match="line 10 has 1 fields"):
        read_umls(folder)


def test_another_encoding_is_refused(
    write_rrf: Callable[..., Path], rrf_line: Callable[..., str]
) -> None:
    folder = write_rrf()
    latin = f"{rrf_line(LUNG, 'Lung')}\n{rrf_line(LUNG, 'Poumon dilaté')}\n".encode("latin-1")
    (folder / "MRCONSO.RRF").write_bytes(latin)
    with pytest.raises(KnowledgeError, match="line 2 is not UTF-8"):
        read_umls(folder)


def test_what_is_half_there_is_refused(
    release: Path, in_another_form: Callable[[Path, str], None]
) -> None:
    in_another_form(release, "parts.gz")
    second = release / "MRCONSO.RRF.ab.gz"
    second.write_bytes(second.read_bytes()[:-20])
    with pytest.raises(KnowledgeError, match=r"ab\.gz: is damaged or cut short"):
        read_umls(release)
    second.rename(release / "MRCONSO.RRF.ac.gz")
    with pytest.raises(KnowledgeError, match=r"holds MRCONSO\.RRF\.aa\.gz, MRCONSO\.RRF\.ac\.gz"):
        read_umls(release)
    for part in release.glob("MRCONSO*"):
        part.unlink()
    with pytest.raises(KnowledgeError, match=r"holds no MRCONSO\.RRF"):
        read_umls(release)


def test_two_forms_of_one_table_are_refused(release: Path) -> None:
    (release / "MRCONSO.RRF.gz").write_bytes(b"")
    with pytest.raises(KnowledgeError, match="each once"):
        read_umls(release)


def test_a_folder_in_place_of_a_table_is_refused(release: Path) -> None:
    (release / "MRREL.RRF").unlink()
    (release / "MRREL.RRF").mkdir()
    with pytest.raises(KnowledgeError, match=r"MRREL\.RRF: cannot be read"):
        read_umls(release)


@pytest.mark.parametrize(
    "how",
    [
        Reach(seeds=("lung",)),
        Reach(seeds=("lung", "hand"), steps=1),
        Reach(seeds=(BACTERIAL, "nowhere"), direction=Direction.UP),
        Reach(seeds=("PTX",), steps=2, direction=Direction.BOTH),
        Reach(seeds=("inflammation of  LUNG",), along=("is a", "child of")),
        chest_reach(),
    ],
)
def test_reaching_in_the_files_and_in_the_graph_is_the_same(release: Path, how: Reach) -> None:
    there, here = reach_umls(release, how), reach(read_umls(release), how)
    assert replace(there.graph, origins=()) == replace(here.graph, origins=())
    assert there.found == here.found


def test_a_reach_by_hand(release: Path) -> None:
    def ids(graph: ConceptGraph) -> str:
        return "".join(concept.id[-1] for concept in graph.concepts)

    assert ids(reach_umls(release, Reach(seeds=("lung",))).graph) == "23457"
    assert ids(reach_umls(release, Reach(seeds=("lung",), steps=1)).graph) == "234"
    assert ids(reach_umls(release, Reach(seeds=("lung",), steps=0)).graph) == "3"
    up = Reach(seeds=(BACTERIAL,), direction=Direction.UP)
    assert ids(reach_umls(release, up).graph) == "1237"
    assert ids(reach_umls(release, replace(up, along=("child of",))).graph) == "27"


def test_seeds_that_several_concepts_share_start_from_each(release: Path) -> None:
    part = reach_umls(release, Reach(seeds=("ptx", "moon"), steps=0))
    assert part.found == (("ptx", (PNEUMOTHORAX, DRUG)), ("moon", ()))
    assert part.missing == ("moon",)
    with pytest.raises(KnowledgeError, match=r"none of the 1 seeds \(moon\)"):
        reach_umls(release, Reach(seeds=("moon",)))


PHRASES = ("pneumonia", "ptx", "PTX", "bacterial pneumonias", "inflammations of the lung", "moon")


def test_what_names_may_mean_is_found_without_the_whole_graph(release: Path) -> None:
    few = named_in_umls(release, PHRASES)
    assert few is not None
    whole = Linker(read_umls(release))
    for phrase in PHRASES:
        here, there = whole.link(phrase), Linker(few).link(phrase)
        assert (here.way, [c.id for c in here.concepts]) == (
            there.way,
            [c.id for c in there.concepts],
        )
    assert {c.id for c in few.concepts} == {PNEUMONIA, PNEUMOTHORAX, DRUG, BACTERIAL}
    assert named_in_umls(release, ["moon"]) is None


def test_stage_1_draws_its_pairs_from_such_a_graph(release: Path) -> None:
    graph = read_umls(release)
    official = OfficialPairs().sampler(graph).draw(0, 0, 400)
    texts = {(pair.first, pair.second, pair.match) for pair in official}
    assert ("Pneumonia [SEP] has finding site", "Lung", LUNG) in texts
    assert ("has finding site [SEP] Lung", "Pneumothorax", PNEUMOTHORAX) in texts
    assert ("Lung", "Breathes.", LUNG) in texts
    # 5 relations in 2 directions and 2 definitions.
    assert len(texts) == 12
    assert OfficialPairs().sampler(graph).size == 7
    papers = PaperPairs().sampler(graph).draw(0, 0, 200)
    said = {(pair.first, pair.second, pair.concept) for pair in papers}
    assert ("Breathes.", "Pneumonia has finding site", LUNG) in said
    assert ("Lung Diseases", "Pneumonia is a", LUNG_DISEASES) in said


def test_more_concepts_than_relations_can_number_are_refused(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carina.knowledge.umls_relations.LARGEST", 7)
    with pytest.raises(KnowledgeError, match="7 concepts are chosen, expected fewer than 7"):
        read_umls(release)


def test_empty_fields_are_no_reason_but_for_names_and_licence(
    write_rrf: Callable[..., Path], rrf_line: Callable[..., str]
) -> None:
    names = [
        rrf_line(LUNG, "Lung", suppress=""),
        rrf_line(LUNG, "  "),
        rrf_line(HAND, "Hand", srl=""),
        rrf_line(PNEUMONIA, "Pneumonia", lat=""),
    ]
    graph = read_umls(write_rrf(MRCONSO=names, MRRANK=[]))
    assert [concept.name for concept in graph.concepts] == ["Lung"]
    left_out = dict(graph.origins[0].left_out)
    assert left_out["rows without name or identifier"] == 1
    assert left_out["names under restriction level ?"] == 1
    assert left_out["names in other languages"] == 1


def test_blocks_hold_the_columns_asked_for(release: Path) -> None:
    (block,) = read_table(release, MRCONSO, ("STR", "CUI"))
    assert block.columns == ["STR", "CUI"]
    assert block.row(0) == ("Lung Diseases", LUNG_DISEASES)
    assert len(block) == 16


def test_real_names_in_this_form_are_read_whole(data_dir: Path) -> None:
    graph = read_umls(data_dir / "ontology" / "rrf")
    # Counted with cut, sort and uniq: identifiers, those with a definition, pairs with "isa".
    numbers = graph.statistics()
    assert (numbers.concepts, numbers.defined, numbers.relations) == (590, 486, 371)
    aspiration = graph.find("aspiration pneumonia")
    assert aspiration is not None
    assert [parent.name for parent in graph.parents(aspiration.id)] == ["bacterial pneumonia"]
