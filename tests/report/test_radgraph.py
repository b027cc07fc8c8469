import json
import re
from pathlib import Path

import pytest

from carina.errors import ReportError
from carina.report.lexicon import Lexicon
from carina.report.radgraph import RadGraphReading, read_label, read_record, token_places
from carina.report.wording import Wording
from carina.study import Assertion, EntityKind

WORDING = Wording(Lexicon.default())
PRESENT, ABSENT, UNCERTAIN = Assertion.PRESENT, Assertion.ABSENT, Assertion.UNCERTAIN
XL = {
    "ANAT-DP": "Anatomy::definitely present",
    "OBS-DP": "Observation::definitely present",
    "OBS-DA": "Observation::definitely absent",
    "OBS-U": "Observation::uncertain",
}


def record(text: str, *spans: tuple) -> dict[str, object]:
    """A record from (words, label, {relation: target words}); words must occur once."""
    tokens = text.split(" ")
    keys = {words: str(number) for number, (words, *_) in enumerate(spans, 1)}
    entities = {}
    for words, label, *rest in spans:
        parts = words.split(" ")
        (first,) = (i for i in range(len(tokens)) if tokens[i : i + len(parts)] == parts)
        relations = rest[0] if rest else {}
        entities[keys[words]] = {
            "tokens": words,
            "label": label,
            "start_ix": first,
            "end_ix": first + len(parts) - 1,
            "relations": [
                [kind, keys[target]]
                for kind, targets in relations.items()
                for target in ([targets] if isinstance(targets, str) else targets)
            ],
        }
    return {"text": text, "entities": entities}


def read(text: str, *spans: tuple, raw: str | None = None) -> RadGraphReading:
    reading = read_record(record(text, *spans), raw or text, WORDING)
    assert reading is not None
    return reading


def observations(reading: RadGraphReading) -> list[tuple]:
    return [
        (e.name, str(e.assertion), e.place, e.severity, e.change and str(e.change))
        for e in reading.entities
        if e.kind is EntityKind.OBSERVATION
    ]


def test_modifiers_become_place_severity_and_change() -> None:
    reading = read(
        "Stable small left pleural effusion .",
        ("Stable", "OBS-DP", {"modify": "effusion"}),
        ("small", "OBS-DP", {"modify": "effusion"}),
        ("left", "ANAT-DP", {"modify": "pleural"}),
        ("pleural", "ANAT-DP"),
        ("effusion", "OBS-DP", {"located_at": "pleural"}),
    )
    assert observations(reading) == [
        ("pleural effusion", "present", "left pleural", "small", "unchanged")
    ]
    anatomy = [(e.name, e.place) for e in reading.entities if e.kind is EntityKind.ANATOMY]
    assert anatomy == [("pleural", "left pleural")]


@pytest.mark.parametrize("labels", [{}, XL], ids=["v1", "xl"])
@pytest.mark.parametrize(
    ("label", "value"), [("OBS-DP", PRESENT), ("OBS-DA", ABSENT), ("OBS-U", UNCERTAIN)]
)
def test_assertions_are_radgraphs(labels: dict, label: str, value: Assertion) -> None:
    # The rules would call it absent; the source's word stands.
    reading = read("No nodule .", ("nodule", labels.get(label, label)))
    assert observations(reading) == [("nodule", str(value), None, None, None)]


def test_modifiers_of_modifiers_count() -> None:
    reading = read(
        "opacity in the very small right lower lobe",
        ("opacity", "OBS-DP", {"located_at": "lobe"}),
        ("right", "ANAT-DP", {"modify": "lower"}),
        ("lower", "ANAT-DP", {"modify": "lobe"}),
        ("lobe", "ANAT-DP"),
    )
    assert observations(reading)[0][2] == "right lower lobe"


def test_a_branch_of_a_shared_head_keeps_to_itself() -> None:
    reading = read(
        "Mass in the left , nodule in the right base",
        ("Mass", "OBS-DP", {"located_at": "left"}),
        ("left", "ANAT-DP", {"modify": "base"}),
        ("nodule", "OBS-DP", {"located_at": "right"}),
        ("right", "ANAT-DP", {"modify": "base"}),
        ("base", "ANAT-DP"),
    )
    assert [(o[0], o[2]) for o in observations(reading)] == [
        ("mass", "left base"),
        ("nodule", "right base"),
    ]


def test_an_observation_at_two_places_is_two_entities() -> None:
    reading = read(
        "Atelectasis at apex and base",
        ("Atelectasis", "OBS-DP", {"located_at": ["apex", "base"]}),
        ("apex", "ANAT-DP"),
        ("base", "ANAT-DP"),
    )
    assert [(o[0], o[2]) for o in observations(reading)] == [
        ("atelectasis", "apex"),
        ("atelectasis", "base"),
    ]


def test_circles_of_modifiers_end() -> None:
    reading = read(
        "Dense mass , left base",
        ("Dense", "OBS-DP", {"modify": "mass"}),
        ("mass", "OBS-DP", {"modify": ["Dense", "mass"], "located_at": "left"}),
        ("left", "ANAT-DP", {"modify": "base"}),
        ("base", "ANAT-DP", {"modify": "left"}),
    )
    assert ("mass", "present", "left base", None, None) in observations(reading)


def test_circles_of_suggestions_end() -> None:
    reading = read(
        "edema pneumonia",
        ("edema", "OBS-U", {"suggestive_of": "pneumonia"}),
        ("pneumonia", "OBS-U", {"suggestive_of": "edema"}),
    )
    assert [o[0] for o in observations(reading)] == ["pulmonary edema", "pneumonia"]


def test_what_is_suggested_is_kept_at_the_place_of_what_suggests_it() -> None:
    reading = read(
        "Opacity at the right base suggests pneumonia",
        ("Opacity", "OBS-DP", {"located_at": "base", "suggestive_of": "pneumonia"}),
        ("right", "ANAT-DP", {"modify": "base"}),
        ("base", "ANAT-DP"),
        ("pneumonia", "OBS-U"),
    )
    assert observations(reading)[1][:3] == ("pneumonia", "uncertain", "right base")


@pytest.mark.parametrize(
    ("state", "label", "part", "expected"),
    [
        ("enlarged", "OBS-DP", "heart", [("cardiomegaly", "present")]),
        ("enlarged", "OBS-DA", "heart", [("cardiomegaly", "absent")]),
        ("enlarged", "OBS-U", "heart", [("cardiomegaly", "uncertain")]),
        ("normal", "OBS-DP", "heart", [("cardiomegaly", "absent")]),
        ("clear", "OBS-DP", "lungs", [("opacity", "absent"), ("consolidation", "absent")]),
        ("clear", "OBS-DA", "lungs", []),  # something is there, and nobody says what
        ("normal", "OBS-DP", "elbow", []),
    ],
)
def test_states_mean_what_the_lexicon_says(
    state: str, label: str, part: str, expected: list
) -> None:
    reading = read(
        f"The {part} region seems {state}", (part, "ANAT-DP"), (state, label, {"located_at": part})
    )
    assert [o[:2] for o in observations(reading)] == expected
    assert bool(reading.left_out) == (not expected)


def test_the_lexicons_longer_name_in_the_sentence_is_taken() -> None:
    reading = read(
        "Old rib fracture",
        ("Old", "OBS-DP", {"modify": "fracture"}),
        ("rib", "ANAT-DP"),
        ("fracture", "OBS-DP", {"located_at": "rib"}),
    )
    assert [o[0] for o in observations(reading)] == ["rib fracture"]


def test_words_that_the_lexicon_lacks_are_kept_and_words_of_change_are_not() -> None:
    reading = read("Snowflakes unchanged", ("Snowflakes", "OBS-DP"), ("unchanged", "OBS-DP"))
    assert [o[0] for o in observations(reading)] == ["snowflakes"]
    assert reading.left_out == {"a word that is no observation of its own": 1}


def test_measurements_of_xl_are_sizes() -> None:
    reading = read(
        "A 6 mm nodule , 3 cm",
        ("6 mm", "Observation::measurement::definitely present", {"modify": "nodule"}),
        ("nodule", "Observation::definitely present"),
        ("3 cm", "Observation::measurement::definitely present"),
    )
    assert observations(reading) == [("nodule", "present", None, "6 mm", None)]
    assert sum(reading.left_out.values()) == 1


def test_offsets_are_of_the_raw_report() -> None:
    raw = "  FINAL REPORT\n INDICATION: Mass?\n\n FINDINGS:\n No\n X-ray sign;2.5 cm\nMASS.\n"
    tokens = "FINDINGS : No X - ray sign ; 2 . 5 cm MASS ."
    reading = read(tokens, ("sign", "OBS-DP"), ("MASS", "OBS-DA"), raw=raw)
    assert [(e.text, raw[e.start : e.end], e.section) for e in reading.entities] == [
        ("sign", "sign", "findings"),
        ("MASS", "MASS", "findings"),
    ]


def test_sections_that_do_not_report_are_left_out_and_counted() -> None:
    raw = "INDICATION: Mass?\nFINDINGS: Nodule."
    reading = read(
        "INDICATION : Mass ? FINDINGS : Nodule .", ("Mass", "OBS-U"), ("Nodule", "OBS-DP"), raw=raw
    )
    assert [o[0] for o in observations(reading)] == ["nodule"]
    assert list(reading.left_out) == ["in a section that does not tell what the radiograph shows"]


def test_a_record_of_another_text_is_none() -> None:
    assert read_record(record("A mass .", ("mass", "OBS-DP")), "A nodule.", WORDING) is None


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"entities": {}}, "has the keys entities, expected text and entities"),
        ({"text": "a", "entities": {"1": {"tokens": "a", "label": "OBS-DP"}}}, "expected tokens"),
        ({"text": "a", "entities": {"1": 3}}, "the RadGraph entity '1' is 3"),
        (
            {
                "text": "a",
                "entities": {
                    "1": {
                        "tokens": "a",
                        "label": "OBS-DP",
                        "start_ix": 0,
                        "end_ix": 4,
                        "relations": [],
                    }
                },
            },
            "spans the tokens 0 to 4 of 1",
        ),
    ],
)
def test_records_of_another_form_are_refused(broken: dict, message: str) -> None:
    with pytest.raises(ReportError, match=message):
        read_record(broken, "a", WORDING)


@pytest.mark.parametrize("label", ["OBS", "Observation", "Observation::perhaps", "Mood::uncertain"])
def test_labels_of_another_form_are_refused(label: str) -> None:
    with pytest.raises(ReportError, match=f"has the label {label!r}, expected ANAT-DP"):
        read_label(label)


@pytest.mark.parametrize(
    "pattern", [r"[/,:.!?()]|[^/,:.!?()\s]+", r"\w+|[^\w\s]+"], ids=["v1", "xl"]
)
def test_every_token_of_real_reports_is_found(pattern: str, data_dir: Path) -> None:
    lines = (data_dir / "iu_reports" / "reports.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines[:300]:
        report = json.loads(line)
        text = f"FINDINGS:\n  {report['findings']}\n\nIMPRESSION: {report['impression']}\n"
        tokens = re.findall(pattern, text)
        places = token_places(tokens, text)
        assert places is not None
        assert [text[start:end] for start, end in places] == tokens
