import random
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carina.errors import ConfigError
from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.report.position_tree import position_tree
from carina.report.radgraph import read_record
from carina.report.triplets import (
    NO_PLACE,
    PAPER_ENTITIES,
    PAPER_POSITIONS,
    TripletVocabulary,
    frequent_vocabulary,
    paper_vocabulary,
    triplets_of,
)
from carina.report.wording import Wording
from carina.study import Assertion, Entity, EntityKind, Triplet

sys.path.insert(0, str(Path(__file__).parent))
from time_growth import assert_linear

EXTRACTOR = RuleExtractor(Lexicon.default())
MARKS = {Assertion.PRESENT: "", Assertion.ABSENT: "no ", Assertion.UNCERTAIN: "? "}


def read(text: str, vocabulary: TripletVocabulary | None = None) -> set[str]:
    """The triplets of a text, such as "no effusion @ pleural"."""
    found = triplets_of(EXTRACTOR.extract(text), text, vocabulary)
    written = [f"{MARKS[t.exists]}{t.entity} @ {t.position}" for t in found]
    assert len(written) == len(set(written))
    return set(written)


SENTENCES = {
    # a side and a place in front of the finding
    "Right basilar opacity.": {"opacity @ right base"},
    "Left lower lobe consolidation.": {"consolidation @ left lower lobe"},
    "RLL pneumonia.": {"pneumonia @ right lower lobe"},
    "Right middle lobe atelectasis.": {"atelectasis @ right middle lobe"},
    "Lingular scarring.": {"scar @ lingula"},
    "Left-sided pneumothorax.": {"pneumothorax @ left pleural"},
    "Small right apical pneumothorax.": {"pneumothorax @ right apex"},
    "Left perihilar haziness.": {"opacity @ left perihilar region"},
    "Right suprahilar mass.": {"mass @ right perihilar region"},
    "Left hilar enlargement.": {"hilar enlargement @ left hilum"},
    "Right paratracheal mass.": {"mediastinal mass @ right mediastinum"},
    "Retrocardiac opacity.": {"opacity @ retrocardiac region"},
    "Old left sixth rib fracture.": {"fracture @ left rib"},
    # behind it
    "Opacity in the left upper lobe.": {"opacity @ left upper lobe"},
    "Patchy opacity at the right base.": {"opacity @ right base"},
    "Nodule overlying the right mid lung zone.": {"nodule @ right mid lung"},
    "Calcified granuloma in the right upper lung.": {"calcified granuloma @ right upper lung"},
    "Scar left base.": {"scar @ left base"},
    "Elevation of the right hemidiaphragm.": {"elevated hemidiaphragm @ right diaphragm"},
    "Stable elevation of left hemidiaphragm.": {"elevated hemidiaphragm @ left diaphragm"},
    "Blunting of the left costophrenic angle.": {
        "blunting of the costophrenic angle @ left costophrenic angle"
    },
    "Surgical clips in the right upper quadrant.": {"surgical clips @ right abdomen"},
    "Degenerative changes of the thoracic spine.": {"degenerative change @ thoracic spine"},
    "Pleural thickening along the right minor fissure.": {"pleural thickening @ right fissure"},
    "Consolidation has developed in the right lower lobe.": {"consolidation @ right lower lobe"},
    "A nodule is demonstrated in the left upper lobe.": {"nodule @ left upper lobe"},
    "Bullae are present both upper lobes.": {
        "emphysema @ left upper lobe",
        "emphysema @ right upper lobe",
    },
    # in front of the sentence
    "In the left lower lobe there is a 2 cm nodule.": {"nodule @ left lower lobe"},
    "Within the right base a patchy infiltrate is seen.": {"infiltrate @ right base"},
    "Left upper lobe with scarring.": {"scar @ left upper lobe"},
    # on both sides
    "Bibasilar atelectasis.": {"atelectasis @ left base", "atelectasis @ right base"},
    "Scarring at both apices.": {"scar @ left apex", "scar @ right apex"},
    "Biapical scarring.": {"scar @ left apex", "scar @ right apex"},
    "Scarring in both lower lobes.": {"scar @ left lower lobe", "scar @ right lower lobe"},
    "Bilateral pleural effusions, right greater than left.": {
        "pleural effusion @ left pleural",
        "pleural effusion @ right pleural",
    },
    "Left greater than right basilar opacity.": {"opacity @ left base", "opacity @ right base"},
    "Bibasilar areas of atelectasis.": {"atelectasis @ left base", "atelectasis @ right base"},
    # at several places
    "Atelectasis in the right upper and left lower lobes.": {
        "atelectasis @ right upper lobe",
        "atelectasis @ left lower lobe",
    },
    "Moderate right and small left pleural effusions.": {
        "pleural effusion @ left pleural",
        "pleural effusion @ right pleural",
    },
    "Right effusion and left base opacity.": {
        "pleural effusion @ right pleural",
        "opacity @ left base",
    },
    "Elevated left hemidiaphragm and right basilar atelectasis.": {
        "elevated hemidiaphragm @ left diaphragm",
        "atelectasis @ right base",
    },
    # shared by what explains or is listed
    "Opacities in the left base compatible with scarring or atelectasis.": {
        "opacity @ left base",
        "? scar @ left base",
        "? atelectasis @ left base",
    },
    "Left base opacity, atelectasis versus scarring.": {
        "opacity @ left base",
        "? atelectasis @ left base",
        "? scar @ left base",
    },
    "Left lung base atelectasis/airspace disease.": {
        "atelectasis @ left base",
        "airspace disease @ left base",
    },
    "Calcified right hilar nodules.": {"calcified nodule @ right hilum"},
    "Right pleural effusion with adjacent atelectasis.": {
        "pleural effusion @ right pleural",
        "atelectasis @ right lung",
    },
    # devices
    "Right PICC with tip in the SVC.": {"picc @ right chest", "tip @ superior vena cava"},
    "Left subclavian line.": {"central venous catheter @ left chest"},
    "Right IJ catheter terminates at the cavoatrial junction.": {
        "central venous catheter @ cavoatrial junction",
        "central venous catheter @ right chest",
    },
    "Nasogastric tube tip in the stomach.": {"nasogastric tube @ stomach", "tip @ stomach"},
    "Left-sided pacemaker.": {"pacemaker @ left chest wall"},
    "Endotracheal tube 4 cm above the carina.": {"endotracheal tube @ trachea"},
    # nowhere, or where it must be
    "There is an opacity.": {"opacity @ unspecified"},
    "Cardiomegaly.": {"cardiomegaly @ heart"},
    "Tortuous aorta.": {"tortuous aorta @ aorta"},
    "Low lung volumes.": {"low lung volumes @ lung volumes"},
    # existence
    "No pneumothorax.": {"no pneumothorax @ pleural"},
    "No left pleural effusion.": {"no pleural effusion @ left pleural"},
    "Possible right middle lobe pneumonia.": {"? pneumonia @ right middle lobe"},
    "Lungs are clear.": {"no opacity @ lung", "no consolidation @ lung"},
    "Heart size is enlarged.": {"cardiomegaly @ heart"},
    "The right costophrenic angle is sharp.": {
        "no blunting of the costophrenic angle @ right costophrenic angle",
        "no pleural effusion @ right costophrenic angle",
    },
    "Right effusion has resolved.": {"no pleural effusion @ right pleural"},
    # no side of the body
    "Irregular opacity in the left apex seen on both views.": {"opacity @ left apex"},
    "Increased opacity of the right base compared to the left.": {"opacity @ right base"},
    "Leads in the right atrium and right ventricle.": {
        "pacemaker @ right atrium",
        "pacemaker @ right ventricle",
    },
    # nothing at all
    "The trachea and the left lung.": set(),
    "": set(),
    "INDICATION: Right pneumonia?": set(),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_give_the_triplets_worked_by_hand(sentence: str) -> None:
    assert read(sentence) == SENTENCES[sentence]


PAPER = {
    "Right basilar opacity.": {"opacity @ right_lower_lung"},
    "Hazy density in the left lung.": {
        "opacity @ left_lung_unspec",
        "density @ left_lung_unspec",
    },
    "Left lower lobe consolidation.": {"consolidation @ lower_left_lobe"},
    "Lingular nodule.": {"nodule @ upper_left_lobe"},
    "Right perihilar opacity.": {"opacity @ right_hilar"},
    "Bibasilar atelectasis.": {
        "atelectasis @ left_lower_lung",
        "atelectasis @ right_lower_lung",
    },
    "Basilar atelectasis.": {"atelectasis @ lung_bases"},
    "Minor fissure thickening.": {"thicken @ pleural_unspec"},
    "Pulmonary edema.": {"edema @ unspecified"},
    "Vascular engorgement.": {"congestion @ pulmonary", "engorgement @ pulmonary"},
    "Heart size is enlarged.": {"cardiomegaly @ heart_size", "enlarge @ heart_size"},
    "Lungs are clear.": {
        "no opacity @ lung_volumes",
        "no consolidation @ lung_volumes",
        "clear @ lung_volumes",
    },
    "The heart is normal.": {"no cardiomegaly @ heart_size", "normal @ heart_size"},
    "Bones are intact.": {"no fracture @ other", "intact @ other"},
    "The cardiomediastinal silhouette is stable.": {"stable @ mediastinal"},
    "Stable heart size.": {"stable @ heart_size"},
    "Stable cardiomegaly.": {"cardiomegaly @ heart_size"},
    "No rib fracture.": {"no fracture @ rib"},
    "Right rib fractures.": {"fracture @ rib"},
    "Left shoulder arthroplasty.": {"hardware @ other"},
    "Right PICC with tip in the SVC.": {"picc @ right_lung_unspec", "tip @ svc"},
    "Sternotomy wires.": {"wire @ other", "excluded_obs @ other"},
    "Pulmonary fibrosis in the right apex.": {"tail_abnorm_obs @ right_apical_lung"},
    "Infectious process at the left base.": {
        "pneumonia @ left_lower_lung",
        "process @ left_lower_lung",
    },
    "No hydropneumothorax.": {"no tail_abnorm_obs @ pleural_unspec"},
    "Free air under the diaphragm.": {"air @ stomach", "free @ stomach"},
    "Retrocardiac opacity may represent pneumonia.": {
        "opacity @ retrocardiac",
        "? pneumonia @ retrocardiac",
    },
}


@pytest.mark.parametrize("sentence", PAPER)
def test_sentences_in_the_papers_words(sentence: str) -> None:
    assert read(sentence, paper_vocabulary()) == PAPER[sentence]


def test_the_papers_lists_have_its_order() -> None:
    # Rows named in the description of the published code.
    rows = {
        "effusion": 8,
        "pneumothorax": 10,
        "edema": 11,
        "atelectasis": 12,
        "pneumonia": 20,
        "cardiomegaly": 24,
        "nodule": 38,
        "thicken": 43,
        "emphysema": 52,
        "hernia": 59,
        "tail_abnorm_obs": 73,
    }
    assert {name: PAPER_ENTITIES.index(name) for name in rows} == rows
    assert (len(PAPER_ENTITIES), len(set(PAPER_ENTITIES))) == (75, 75)
    assert (len(PAPER_POSITIONS), len(set(PAPER_POSITIONS))) == (51, 51)
    assert PAPER_POSITIONS[:2] == ("trachea", "left_hilar")
    assert PAPER_POSITIONS[-2:] == ("unspecified", "other")


def test_every_place_of_the_tree_has_a_position_of_the_paper() -> None:
    vocabulary = paper_vocabulary()
    for place in position_tree().names:
        entity = Entity(
            name="mass",
            text="mass",
            kind=EntityKind.OBSERVATION,
            assertion=Assertion.PRESENT,
            start=0,
            end=4,
            place=place,
        )
        found = triplets_of([entity], "mass", vocabulary)
        assert found
        assert {t.position for t in found} <= set(PAPER_POSITIONS)


def test_present_counts_before_uncertain_and_uncertain_before_absent() -> None:
    text = "No left effusion. Possible left effusion."
    assert read(text) == {"? pleural effusion @ left pleural"}
    assert read(text + " Left effusion.") == {"pleural effusion @ left pleural"}


def test_a_mention_without_a_place_adds_nothing_where_the_same_is_said_at_one() -> None:
    assert read("Opacity. Left base opacity.") == {"opacity @ left base"}
    assert read("Effusion. No left effusion.") == {
        "pleural effusion @ pleural",
        "no pleural effusion @ left pleural",
    }


def test_a_wet_read_counts_only_without_an_impression() -> None:
    assert read("WET READ: Left effusion.\n\nIMPRESSION: Right effusion.") == {
        "pleural effusion @ right pleural"
    }
    assert read("WET READ: Left effusion.") == {"pleural effusion @ left pleural"}


def test_radgraphs_relations_say_where() -> None:
    text = "opacities at the left and right bases with effusion ."
    spans = (
        ("opacities", "OBS-DP", 0, [["located_at", "4"]]),
        ("left", "ANAT-DP", 3, [["modify", "4"]]),
        ("right", "ANAT-DP", 5, [["modify", "4"]]),
        ("bases", "ANAT-DP", 6, []),
        ("effusion", "OBS-U", 8, []),
    )
    keys = ("tokens", "label", "start_ix", "relations", "end_ix")
    entities = {
        str(number): dict(zip(keys, (*span, span[2]), strict=True))
        for number, span in enumerate(spans, 1)
    }
    record = {"text": text, "entities": entities}
    reading = read_record(record, text, Wording(Lexicon.default()))
    assert reading is not None
    assert triplets_of(reading.entities, text) == (
        Triplet(entity="opacity", position="left base", exists=Assertion.PRESENT),
        Triplet(entity="opacity", position="right base", exists=Assertion.PRESENT),
        Triplet(entity="pleural effusion", position="pleural", exists=Assertion.UNCERTAIN),
    )


def test_words_that_name_no_place_are_other() -> None:
    entity = Entity(
        name="mass",
        text="mass",
        kind=EntityKind.OBSERVATION,
        assertion=Assertion.PRESENT,
        start=0,
        end=4,
        place="garden",
    )
    (triplet,) = triplets_of([entity], "mass")
    assert triplet.position == "other"


# ------------------------------------------------------------------ vocabularies


OWN = TripletVocabulary(
    entities=("fluid in the chest", "effusion", "fracture", "tail_abnorm_obs"),
    positions=("left lung", "lung base", "rib", "unspecified", "other"),
)


def test_a_vocabulary_of_ones_own_takes_the_nearest_position() -> None:
    assert read("Left base atelectasis.", OWN) == {"tail_abnorm_obs @ lung base"}
    assert read("Lingular atelectasis.", OWN) == {"tail_abnorm_obs @ left lung"}
    assert read("Right upper lobe atelectasis.", OWN) == {"tail_abnorm_obs @ other"}
    assert read("Left rib fracture. Clavicle fracture.", OWN) == {
        "fracture @ rib",
        "fracture @ other",
    }


def test_entities_outside_a_vocabulary_without_a_tail_are_left_out() -> None:
    few = TripletVocabulary(entities=("nodule",), positions=NO_PLACE)
    assert read("Nodule. Effusion. No mass.", few) == {"nodule @ unspecified"}


def test_a_term_stands_for_the_broader_one_but_an_absence_does_not() -> None:
    few = TripletVocabulary(entities=("device", "pneumothorax"), positions=NO_PLACE)
    assert read("PICC in place.", few) == {"device @ unspecified"}
    assert read("No PICC. No hydropneumothorax.", few) == set()


def test_the_most_frequent_of_ones_own_reports() -> None:
    texts = [
        "Left base opacity. Nodule.",
        "Left base opacity. No mass.",
        "Opacity at the right apex. Nodule.",
        "Effusion may be present.",
    ]
    reports = [EXTRACTOR.extract(text) for text in texts]
    found = frequent_vocabulary(reports, entities=2, positions=3)
    assert found == TripletVocabulary(
        entities=("opacity", "nodule"), positions=("left base", "unspecified", "other")
    )


def test_reports_without_anything_present_make_no_vocabulary() -> None:
    with pytest.raises(ConfigError, match="no report calls anything present"):
        frequent_vocabulary([EXTRACTOR.extract("No effusion.")])


@pytest.mark.parametrize(("entities", "positions"), [(0, 5), (5, 1)])
def test_a_vocabulary_too_small_is_refused(entities: int, positions: int) -> None:
    with pytest.raises(ConfigError, match="expected at least 1 and 2"):
        frequent_vocabulary([EXTRACTOR.extract("Mass.")], entities, positions)


def test_an_unknown_position_is_refused_with_close_names() -> None:
    with pytest.raises(ConfigError, match=r"no position 'rigth bsae'; expected .* 'right base'"):
        TripletVocabulary(entities=("mass",), positions=("rigth bsae", *NO_PLACE))
    with pytest.raises(ConfigError, match=r"'left_lowr_lung'; expected .* 'left_lower_lung'"):
        TripletVocabulary(entities=("mass",), positions=("left_lowr_lung", *NO_PLACE))


@pytest.mark.parametrize("missing", NO_PLACE)
def test_a_vocabulary_must_say_where_what_has_no_position_goes(missing: str) -> None:
    others = tuple(word for word in NO_PLACE if word != missing)
    with pytest.raises(ConfigError, match=f"positions of a vocabulary lack '{missing}'"):
        TripletVocabulary(entities=("mass",), positions=("left lung", *others))


def test_two_words_for_one_place_are_refused() -> None:
    with pytest.raises(ConfigError, match="'right base' and 'right basilar' are the same place"):
        TripletVocabulary(entities=("mass",), positions=("right base", "right basilar", *NO_PLACE))


def test_a_position_on_both_sides_takes_either() -> None:
    both = TripletVocabulary(entities=("opacity",), positions=("both bases", *NO_PLACE))
    assert read("Left base opacity.", both) == {"opacity @ both bases"}
    assert read("Basilar opacity.", both) == {"opacity @ other"}


def test_names_twice_and_empty_lists_are_refused() -> None:
    with pytest.raises(ConfigError, match="entities of a vocabulary hold 'mass' more than once"):
        TripletVocabulary(entities=("mass", "mass"), positions=NO_PLACE)
    with pytest.raises(ConfigError, match="entities of a vocabulary are empty"):
        TripletVocabulary(entities=(), positions=NO_PLACE)


# ------------------------------------------------------------------ properties


@settings(max_examples=15, deadline=None)
@given(st.permutations([sentence for sentence in SENTENCES if ":" not in sentence]))
def test_the_order_of_the_sentences_does_not_matter(sentences: list[str]) -> None:
    assert read(" ".join(sentences)) == read(" ".join(sorted(sentences)))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(sorted(EXTRACTOR.lexicon.phrases)), max_size=14))
def test_any_words_give_triplets_in_the_vocabulary(words: list[str]) -> None:
    text = " ".join(words)
    entities = EXTRACTOR.extract(text)
    found = triplets_of(entities, text, paper_vocabulary())
    assert {t.entity for t in found} <= set(PAPER_ENTITIES)
    assert {t.position for t in found} <= set(PAPER_POSITIONS)
    own = triplets_of(entities, text)
    assert {t.position for t in own} <= {*position_tree().names, *NO_PLACE}
    assert {t.entity for t in own} == {e.name for e in entities if e.kind is EntityKind.OBSERVATION}


def test_time_grows_linearly_with_the_report() -> None:
    sentences = sorted(SENTENCES)
    mixed = " ".join(random.Random(0).choices(sentences, k=2000)) + " stable heart " * 200

    def work(length: int) -> object:
        text = mixed[:length]
        entities = EXTRACTOR.extract(text)
        return [triplets_of(entities, text, paper_vocabulary()) for _ in range(3)]

    assert_linear(work)
