"""Sentences as radiologists write them, and what one reads out of each, worked by hand."""

import pytest

from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.study import Assertion, EntityKind

EXTRACTOR = RuleExtractor(Lexicon.default())
SIGNS = {Assertion.PRESENT: "+", Assertion.ABSENT: "-", Assertion.UNCERTAIN: "?"}


def said(text: str) -> str:
    """Each observation once: sign, name, @ place, ! severity, ~ change."""
    parts = []
    for entity in EXTRACTOR.extract(text):
        if entity.kind is EntityKind.OBSERVATION:
            part = f"{SIGNS[entity.assertion]}{entity.name}"
            part += f" @{entity.place}" if entity.place else ""
            part += f" !{entity.severity}" if entity.severity else ""
            part += f" ~{entity.change}" if entity.change else ""
            parts.append(part)
    return "; ".join(dict.fromkeys(parts))


def check(text: str, expected: str) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Scarring in the apices.", "+scar @bilateral apex"),
        ("Linear densities at both bases.", "+linear opacity @bilateral base"),
        ("Streaks at the left lung bases.", "+linear opacity @left base"),
        (
            "Nodules in the right upper and lower lobes.",
            "+nodule @right upper lobe; +nodule @right lower lobe",
        ),
        (
            "Bronchiectasis in the upper lobes, right worse than left.",
            "+bronchiectasis @right upper lobe; +bronchiectasis @left upper lobe",
        ),
        (
            "Bibasilar consolidation, left larger than right.",
            "+consolidation @left base; +consolidation @right base",
        ),
        ("Effusions are seen bilaterally.", "+pleural effusion @bilateral pleural"),
        ("Effusions are tiny bilaterally.", "+pleural effusion @bilateral pleural !tiny"),
        ("Small b/l effusions.", "+pleural effusion @bilateral pleural !small"),
        ("Flattened hemidiaphragms.", "+flattened diaphragm @bilateral diaphragm"),
        ("Flattened left hemidiaphragm.", "+flattened diaphragm @left diaphragm"),
        ("The hemidiaphragms are flat.", "+flattened diaphragm @bilateral diaphragm"),
    ],
)
def test_plurals_and_adverbs_mean_both_sides(text: str, expected: str) -> None:
    check(text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Effusions, large on the left and tiny on the right.",
            "+pleural effusion @left pleural !large; +pleural effusion @right pleural !tiny",
        ),
        (
            "The effusions are small on the right, moderate on the left.",
            "+pleural effusion @right pleural !small; +pleural effusion @left pleural !moderate",
        ),
        ("Mass measuring 3.1 x 2 cm in the lingula.", "+mass @lingula !3.1 x 2 cm"),
        ("Mass 3cm x 2.5cm in the left hilum.", "+mass @left hilum !3 cm x 2.5 cm"),
        ("Left apical nodule measures about 7-mm.", "+nodule @left apex !7 mm"),
        ("Nodule 9 mm in the right apex.", "+nodule @right apex !9 mm"),
        ("Consolidation more marked on the left.", "+consolidation @left lung"),
    ],
)
def test_sizes_and_degrees_behind_a_finding(text: str, expected: str) -> None:
    check(text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nodule in the right mid and upper lung zones.", "mid lung"),
        ("Wedging of a lower thoracic vertebral body.", "thoracic spine"),
        ("Old fracture of the left mid clavicle.", "left clavicle"),
        ("Opacities in the upper zones and perihilar regions.", "upper lung"),
        ("Left lower lobe shows a nodule.", "left lower lobe"),
        ("The right apex demonstrates scarring.", "right apex"),
        ("Deformities of the left ribs compatible with old fractures.", "left rib"),
        ("Atelectasis versus pneumonia in the lingula.", "lingula"),
        ("LLL opacity c/w atelectasis.", "left lower lobe"),
        ("Atelectasis has increased on the right.", "right lung"),
    ],
)
def test_where_it_is(text: str, expected: str) -> None:
    observed = [e for e in EXTRACTOR.extract(text) if e.kind is EntityKind.OBSERVATION]
    places = [(e.place or "").removeprefix("bilateral ") for e in observed]
    assert all(place.endswith(expected) or "upper lung" in place for place in places[:1])
    assert observed[-1].place is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Left effusion which is unchanged.", "+pleural effusion @left pleural ~unchanged"),
        (
            "There is a tiny left pneumothorax, which has decreased.",
            "+pneumothorax @left pleural !tiny ~decreased",
        ),
        (
            "There was a left pneumothorax which has resolved.",
            "-pneumothorax @left pleural ~resolved",
        ),
        ("Mass at the left base which was not seen on the prior.", "+mass @left base ~new"),
        (
            "Left effusion is larger than on the prior.",
            "+pleural effusion @left pleural ~increased",
        ),
        ("Left effusion is larger than right.", "+pleural effusion @left pleural"),
        ("Multifocal pneumonia, worse on the right.", "+pneumonia"),
        ("Improvement in the previously noted edema.", "+pulmonary edema ~decreased"),
        (
            "Large left effusion, slightly increased; right base clear.",
            "+pleural effusion @left pleural !large ~increased; "
            "-opacity @right base; -consolidation @right base",
        ),
        ("The pneumothorax has not increased.", "+pneumothorax ~unchanged"),
    ],
)
def test_changes_across_clauses_and_comparisons(text: str, expected: str) -> None:
    check(text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The lungs are overinflated but clear.", "+hyperinflation; -opacity; -consolidation"),
        ("Lungs are otherwise grossly clear.", "-opacity; -consolidation"),
        ("The heart is hard to judge but probably mildly enlarged.", "?cardiomegaly"),
        ("The bones of the thorax are intact.", "-fracture"),
        ("The film shows the lungs clear.", "-opacity; -consolidation"),
        ("The aorta is tortuous but normal in caliber.", "+tortuous aorta; -aortic enlargement"),
        ("HEART SIZE NORMAL LUNGS CLEAR", "-cardiomegaly; -opacity; -consolidation"),
        ("Enlarged mediastinal lymph nodes.", "+lymphadenopathy"),
        ("Calcified right paratracheal lymph nodes.", "+calcified lymph node"),
    ],
)
def test_states_find_the_part_that_they_are_said_of(text: str, expected: str) -> None:
    observed = [e for e in EXTRACTOR.extract(text) if e.kind is EntityKind.OBSERVATION]
    found = sorted({f"{SIGNS[e.assertion]}{e.name}" for e in observed})
    assert found == sorted(expected.split("; "))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Calcified left lower lobe granuloma.", "+calcified granuloma @left lower lobe"),
        ("Small calcified right apical nodule.", "+calcified nodule @right apex !small"),
        ("Calcified left hilar adenopathy.", "+calcified lymph node @left hilum"),
        (
            "Enlarged hilar and mediastinal lymph nodes.",
            "+lymphadenopathy @hilum; +lymphadenopathy @mediastinum",
        ),
        ("Left hilar calcified lymph nodes.", "+calcified lymph node @left hilum"),
        ("Calcified hilar lymph nodes bilaterally.", "+calcified lymph node @bilateral hilum"),
        ("Calcified lymph nodes in the mediastinum.", "+calcified lymph node @mediastinum"),
        ("Calcified lymph nodes and granulomas.", "+calcified lymph node; +granuloma"),
        ("Fractured sternal wire.", "+sternal wires"),
        ("The lowest sternotomy wire is fractured.", "+sternal wires"),
        ("Right rib fractures and surgical hardware.", "+rib fracture @right rib; +hardware"),
    ],
)
def test_words_that_belong_to_one_finding(text: str, expected: str) -> None:
    check(text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no effusion mild cardiomegaly", "-pleural effusion; +cardiomegaly !mild"),
        ("no effusion large pneumothorax or edema", "-pulmonary edema"),
        ("No pneumothorax the lungs are overinflated", "-pneumothorax; +hyperinflation"),
        ("Atelectasis w/o effusion", "+atelectasis; -pleural effusion"),
        ("Neg for PNA", "-pneumonia"),
        ("No failure.", "-heart failure"),
        ("Renal failure. Respiratory failure.", ""),
        ("Left base opacity ? pneumonia.", "+opacity @left base; ?pneumonia @left base"),
        ("?small effusion (?empyema)", "?pleural effusion !small; ?pleural effusion"),
        ("Edema is favored over pneumonia.", "?pulmonary edema; ?pneumonia"),
        ("The film is limited for evaluation of pneumothorax.", ""),
    ],
)
def test_denials_and_doubts_in_hurried_dictation(text: str, expected: str) -> None:
    assert said(text).endswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Status post CABG.", "+sternal wires"),
        ("S/p left mastectomy.", "+mastectomy @left"),
        ("Status post pneumonia.", ""),
        ("Status post chest tube removal.", "-chest tube ~resolved"),
        ("History of CABG.", ""),
        (
            "Status post lobectomy with small left effusion.",
            "+postoperative change; +pleural effusion @left pleural !small",
        ),
    ],
)
def test_what_was_done_is_seen_and_what_was_had_is_not(text: str, expected: str) -> None:
    check(text, expected)
