import csv
import json
from pathlib import Path

import pytest

from carina.report.entities import RuleExtractor
from carina.report.findings import (
    CHEXPERT_14,
    IU_GOLD_14,
    KAD_41,
    NIH_14,
    NO_FINDING,
    LabelSet,
    chexpert_labels,
    coded_findings,
    findings_from_entities,
    label_values,
    most_frequent_observations,
)
from carina.report.lexicon import Lexicon
from carina.study import Assertion

EXTRACTOR = RuleExtractor(Lexicon.default())
PRESENT, ABSENT, UNCERTAIN = Assertion.PRESENT, Assertion.ABSENT, Assertion.UNCERTAIN


def findings(text: str) -> dict[str, Assertion]:
    return findings_from_entities(EXTRACTOR.extract(text))


def test_present_anywhere_wins_over_uncertain_and_absent() -> None:
    assert findings("No mass. Possible mass. A mass.")["mass"] is PRESENT
    assert findings("No mass. Possible mass.")["mass"] is UNCERTAIN
    assert findings("No mass.") == {"mass": ABSENT}


def test_what_is_present_makes_broader_terms_present_and_absence_does_not_spread() -> None:
    assert findings("Left rib fracture.") == {"rib fracture": PRESENT, "fracture": PRESENT}
    assert findings("No rib fracture.") == {"rib fracture": ABSENT}


@pytest.mark.parametrize("part", ["IMPRESSION:", "FINDINGS:", "            FINAL REPORT\n"])
def test_a_final_report_outranks_a_wet_read(part: str) -> None:
    assert findings(f"WET READ: Pneumonia.\n{part} No effusion.") == {"pleural effusion": ABSENT}
    assert findings(f"WET READ: Pneumonia.\n{part} Signed.")["pneumonia"] is PRESENT
    assert findings("WET READ: Effusion.") == {"pleural effusion": PRESENT}


@pytest.mark.parametrize(
    ("addendum", "expected"),
    [
        ("There is a nodule.", {"effusion": PRESENT, "nodule": PRESENT}),
        ("No effusion.", {"effusion": ABSENT}),
        ("No right effusion.", {"effusion": PRESENT}),
        ("No left effusion.", {"effusion": ABSENT}),
        ("Possible effusion.", {"effusion": PRESENT}),
    ],
)
@pytest.mark.parametrize(
    "order", ["{report}\nADDENDUM: {addendum}", "ADDENDUM: {addendum}\n{report}"]
)
def test_an_addendum_adds_and_what_it_denies_is_taken_back(
    order: str, addendum: str, expected: dict[str, Assertion]
) -> None:
    text = order.format(report="IMPRESSION: Left effusion.", addendum=addendum)
    short = {name.replace("pleural ", ""): value for name, value in findings(text).items()}
    assert {name: short[name] for name in expected} == expected


def test_most_frequent_observations_count_reports_with_them_present() -> None:
    texts = ["Mass. Mass. Mass.", "No edema.", "No edema.", "Edema.", "Nodule. Edema."]
    reports = [EXTRACTOR.extract(text) for text in texts]
    assert most_frequent_observations(reports, 2) == ("pulmonary edema", "mass")
    assert most_frequent_observations([], 3) == ()


@pytest.mark.parametrize("labels", [NIH_14, IU_GOLD_14, CHEXPERT_14, KAD_41], ids=lambda s: s.name)
def test_label_sets_use_terms_of_the_lexicon(labels: LabelSet) -> None:
    for names in labels.labels.values():
        assert names <= EXTRACTOR.lexicon.terms.keys()


def test_label_sets_have_their_numbers_of_labels() -> None:
    assert (len(NIH_14.labels), len(KAD_41.labels)) == (14, 41)
    assert len(CHEXPERT_14.labels) + 1 == 14


def test_a_label_that_is_not_mentioned_is_left_out() -> None:
    values = label_values(findings("No effusion. Possible atelectasis."), NIH_14)
    assert values == {"Effusion": ABSENT, "Atelectasis": UNCERTAIN}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Left basilar atelectasis or scarring.", PRESENT),
        ("Opacity compatible with atelectasis versus infiltrate.", PRESENT),
        ("Probable atelectasis.", PRESENT),
        ("Opacity which may represent atelectasis or infiltrate.", UNCERTAIN),
        ("Possible atelectasis.", UNCERTAIN),
        ("Atelectasis cannot be excluded.", UNCERTAIN),
        ("No mass. Possible nodule. Atelectasis or scarring. May be edema.", PRESENT),
        ("No atelectasis.", ABSENT),
    ],
)
def test_open_i_codes_alternatives_and_no_guesses(text: str, expected: Assertion) -> None:
    assert coded_findings(EXTRACTOR.extract(text), text)["atelectasis"] is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Right chest tube. No pneumothorax.", PRESENT),
        ("Scoliosis.", None),
        ("Possible edema.", None),
        ("Normal chest.", PRESENT),
    ],
)
def test_no_finding_is_present_if_nothing_but_devices_is_there(
    text: str, expected: Assertion | None
) -> None:
    assert chexpert_labels(EXTRACTOR.extract(text)).get(NO_FINDING) is expected


def test_chexpert_labels_do_not_fill_in_their_parents() -> None:
    assert chexpert_labels(EXTRACTOR.extract("Atelectasis.")) == {"Atelectasis": PRESENT}


def test_sample_reports_get_the_labels_expected_for_them(data_dir: Path) -> None:
    words = {"1.0": PRESENT, "0.0": ABSENT, "-1.0": UNCERTAIN}
    # "Clear lungs" makes opacity and consolidation absent for us, not for the labeler.
    implied = {"Lung Opacity": ABSENT, "Consolidation": ABSENT}
    path = data_dir / "chexpert_phrases" / "labeled_reports.csv"
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert rows
    for row in rows:
        text = row.pop("Reports")
        expected = {name: words[value] for name, value in row.items() if value}
        if "clear" in text:
            expected = {**implied, **expected}
        assert chexpert_labels(EXTRACTOR.extract(text)) == expected


def test_presence_on_held_out_hand_labelled_reports_reaches_a_micro_f1_of_090(
    data_dir: Path,
) -> None:
    folder = data_dir / "iu_reports"
    lines = (folder / "reports.jsonl").read_text(encoding="utf-8").splitlines()
    reports = {record["id"]: record for record in map(json.loads, lines)}
    with (folder / "gold_labels_14.csv").open(encoding="utf-8", newline="") as handle:
        gold = {row["filename"]: row for row in csv.DictReader(handle)}
    hits = wrong = missed = 0
    for name, row in gold.items():
        record = reports[name]
        if record["split"] != "test":  # the rules were mended on the other parts
            continue
        text = f"FINDINGS: {record['findings']}\nIMPRESSION: {record['impression']}"
        values = label_values(coded_findings(EXTRACTOR.extract(text), text), IU_GOLD_14)
        for label in IU_GOLD_14.labels.keys() - {"Hernia"}:  # reported, and never marked
            said, true = values.get(label) is PRESENT, row[label] == "1"
            hits += said and true
            wrong += said and not true
            missed += true and not said
    assert 2 * hits / (2 * hits + wrong + missed) >= 0.90
