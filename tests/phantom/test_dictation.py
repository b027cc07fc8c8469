import re

import numpy as np
import pytest

from carina.phantom import phrases
from carina.phantom.clinic import Visit, draw_lesion
from carina.phantom.dictation import dictate, fill
from carina.phantom.drawing import PhantomConfig, draw_study, plan_study
from carina.phantom.findings import DEVICES, FINDINGS, Lesion
from carina.phantom.randomness import generator

CONFIG = PhantomConfig(studies=600, seed=5)
NEGATIVE = re.compile(
    r"^(no|there is no|no evidence of|no definite|negative for|without)\b(?! significant)",
    re.IGNORECASE,
)


def reports(count: int) -> list[tuple[Visit, str]]:
    told = []
    for index in range(count):
        place, visit, _ = plan_study(CONFIG, index)
        rng = generator(CONFIG.seed, "patient", place.patient, "report", place.visit)
        told.append((visit, dictate(visit, rng).text))
    return told


REPORTS = reports(400)


def sentences(text: str) -> list[str]:
    body = re.sub(r"^[A-Z]+: ", "", text, flags=re.MULTILINE)
    return [part.strip() for part in re.split(r"(?<=\.)\s+", body) if part.strip()]


def mentions(sentence: str, name: str) -> bool:
    return any(
        re.search(rf"\b{re.escape(noun.lower())}\b", sentence.lower())
        for noun in phrases.NOUNS[name]
    )


def test_what_a_report_denies_is_not_there() -> None:
    denied = 0
    for visit, text in REPORTS:
        for sentence in sentences(text):
            if not NEGATIVE.search(sentence):
                continue
            for name in phrases.OFTEN_DENIED:
                # "subcutaneous emphysema" says nothing about emphysema of the lungs.
                if re.search(rf"(?<!subcutaneous )\b{phrases.NOUNS[name][0]}\b", sentence.lower()):
                    denied += 1
                    assert name not in visit.present, (sentence, visit.present)
    assert denied > 300


def test_what_a_report_states_is_or_was_there() -> None:
    stated = 0
    for visit, text in REPORTS:
        before = {lesion.name for lesion in visit.before or ()}
        for sentence in sentences(text):
            if NEGATIVE.search(sentence) or not sentence.lower().startswith("there is a"):
                continue
            for name in ("pneumothorax", "nodule", "hiatal hernia", "cavity", "mass"):
                if mentions(sentence, name) and "calcified" not in sentence.lower():
                    stated += 1
                    assert name in set(visit.present) | before, (sentence, visit.present)
    assert stated > 15


def test_sides_in_words_match_the_truth() -> None:
    checked = 0
    for visit, text in REPORTS:
        lesions = {lesion.name: lesion for lesion in visit.lesions}
        effusion = lesions.get("pleural effusion")
        for sentence in sentences(text):
            if effusion is None or effusion.side == 0 or visit.before:
                continue
            found = re.search(r"effusion on the (left|right)", sentence.lower())
            if found:
                checked += 1
                assert found.group(1) == ("left" if effusion.side > 0 else "right")
    assert checked > 5


def test_some_findings_are_missed_some_are_hedged_and_a_fifth_is_put_unusually() -> None:
    told = hedged = unusual = missed = total = 0
    for visit, text in REPORTS:
        for lesion in visit.lesions:
            total += 1
            mine = [s for s in sentences(text) if mentions(s, lesion.name)]
            odd = phrases.HELD_OUT_PHRASINGS[lesion.name][0].split("{")[0].strip().lower()
            unusual += bool(odd) and odd in text.lower()
            told += bool(mine)
            hedged += any(re.match(r"(possible|questionable|probable)", s.lower()) for s in mine)
            missed += not mine and odd not in text.lower()
    assert 0.5 * total < told < 0.97 * total
    assert 0.01 * total < hedged < 0.3 * total
    assert 0.08 * total < unusual < 0.3 * total
    assert missed > 0


def test_reports_come_in_several_manners() -> None:
    texts = [text for _, text in REPORTS]
    assert 0.15 < np.mean(["FINDINGS:" not in text for text in texts]) < 0.7
    assert 0.3 < np.mean(["IMPRESSION:" in text for text in texts]) < 0.9
    assert 0.01 < np.mean([text.split("\n\n[")[0].isupper() for text in texts]) < 0.15
    assert np.mean([len(text.split()) for text in texts]) > 20
    assert len(set(texts)) > 0.95 * len(texts)


def test_later_visits_are_compared_with_earlier_ones() -> None:
    words = ("unchanged", "stable", "persistent", "new ", "resol", "no longer", "removed")
    later = [text.lower() for visit, text in REPORTS if visit.before]
    assert np.mean([any(word in text for word in words) for text in later]) > 0.7


def test_every_report_says_that_it_is_synthetic() -> None:
    assert all(text.lower().endswith("[synthetic report, carina phantom]") for _, text in REPORTS)


def test_no_field_is_left_unfilled() -> None:
    for name in FINDINGS:
        frames = (
            *phrases.SENTENCES.get(name, ()), *phrases.HELD_OUT_PHRASINGS[name],
            *phrases.FRAMES, *phrases.HEDGED_FRAMES, *phrases.NEW_FRAMES,
            *phrases.UNCHANGED_FRAMES, *phrases.RESOLVED_FRAMES, *phrases.DEVICE_FRAMES,
        )  # fmt: skip
        for number, frame in enumerate(frames):
            lesion = draw_lesion(generator(number, name), name)
            text = fill(frame, lesion, generator(number, "fill"))
            assert not re.search(r"[{}]|  | \.", text), text
            assert text[0].isupper() or text[0].isdigit()


def test_unusual_phrasings_do_not_hold_the_usual_nouns() -> None:
    for name, texts in phrases.HELD_OUT_PHRASINGS.items():
        for text in texts:
            assert not mentions(text, name), text


def test_all_findings_have_words() -> None:
    assert set(phrases.NOUNS) == set(phrases.HELD_OUT_PHRASINGS) == set(FINDINGS)
    assert set(DEVICES) <= set(phrases.SENTENCES)


def lesion(name: str, side: int, zone: str) -> Lesion:
    return Lesion(name=name, side=side, zone=zone, severity=2, extent=0.5, conspicuity=1.0, seed=1)


@pytest.mark.parametrize(
    ("side", "zone", "words"),
    [
        (-1, "upper", "right upper lobe"),
        (-1, "middle", "right middle lobe"),
        (1, "middle", "lingula"),
        (1, "lower", "left lower lobe"),
    ],
)
def test_lobes_are_named_by_side_and_zone(side: int, zone: str, words: str) -> None:
    text = fill("The {lobe} is white.", lesion("consolidation", side, zone), generator(0))
    assert text == f"The {words} is white."


def test_the_report_of_a_drawn_study_is_its_dictation() -> None:
    place, visit, _ = plan_study(CONFIG, 3)
    rng = generator(CONFIG.seed, "patient", place.patient, "report", place.visit)
    assert draw_study(CONFIG, 3).report == dictate(visit, rng).text


def test_boxes_carry_the_words_of_the_report_that_tell_of_them() -> None:
    said = told = 0
    for index in range(40):
        study = draw_study(CONFIG, index).study
        for box in study.boxes:
            told += 1
            if box.phrase is not None:
                said += 1
                assert box.phrase in study.report.text
                assert not NEGATIVE.search(box.phrase)
    # A few findings are missed, or left out of a report that is an impression alone.
    assert 0.75 * told < said < told


def test_a_phrase_names_its_finding_in_some_words() -> None:
    named = 0
    for index in range(200):
        place, visit, _ = plan_study(CONFIG, index)
        rng = generator(CONFIG.seed, "patient", place.patient, "report", place.visit)
        found = dictate(visit, rng).phrases
        assert set(found) <= set(visit.present)
        named += sum(mentions(phrase, name) for name, phrase in found.items())
    assert named > 100
