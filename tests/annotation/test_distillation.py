"""Distilling a manifest: by rules, and by a language model that cannot be trusted."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from carina.annotation import chat
from carina.annotation.distil_prompt import read_distil_prompt
from carina.annotation.distillation import (
    Distilled,
    ModelDistiller,
    RuleDistiller,
    distil_manifest,
)
from carina.annotation.registry import make_distiller
from carina.annotation.teacher_pairs import write_teacher_pairs
from carina.errors import AnnotationError, ConfigError
from carina.study import Report, Study

EFFUSION = "There is effusion."


def model(fake, folder: Path, **settings: object) -> ModelDistiller:
    return ModelDistiller(
        server=fake.address, model="tiny", cache=folder / "answers", concurrency=1, **settings
    )


def reasons(found: Distilled) -> dict[str, int]:
    return {problem.reason: problem.count for problem in found.problems}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "FIRST_WAIT_S", 0.001)
    monkeypatch.delenv(chat.KEY_VARIABLE, raising=False)


# ------------------------------------------------------------------ rules


@pytest.mark.parametrize("processes", [1, 2])
def test_rules_distil_every_report_of_a_manifest(manifest_of, processes: int) -> None:
    manifest = manifest_of("Small effusion.", "", "Thank you.")
    studies, found = distil_manifest(manifest, RuleDistiller(processes=processes))
    assert [study.report.distilled for study in studies] == [
        "There is small pleural effusion.",
        "",
        "",
    ]
    assert reasons(found) == {"reports that name no entity: distilled to nothing": 1}
    assert found.problems[0].examples == ("s2",)


def test_rules_keep_the_entities_of_an_annotated_report() -> None:
    study = Study(
        study_id="a",
        patient_id="a",
        source="test",
        radiographs=(),
        report=Report(text="Effusion.", entities=()),
    )
    assert RuleDistiller().read((study,)).texts == ("",)


def test_no_report_at_all_is_refused(manifest_of) -> None:
    with pytest.raises(AnnotationError, match="none of 2 studies has a report"):
        distil_manifest(manifest_of("", " "), RuleDistiller())


# ------------------------------------------------------------------ a language model


def test_report_and_entities_are_sent_and_nothing_else(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act("There are effusions.")
    report = "INDICATION: John Doe\nFINDINGS: Effusions without pneumothorax."
    assert model(fake, tmp_path).read(studies_of(report)).texts == ("There are effusions.",)
    (request,) = fake.requests
    assert request["temperature"] == 0
    assert [message["role"] for message in request["messages"]] == ["user", "user"]
    question = request["messages"][1]["content"]
    assert "Report: FINDINGS: Effusions without pneumothorax." in question
    assert "\nEntities: effusions, pneumothorax\n" in question
    assert "John" not in json.dumps(request)
    assert "s0" not in json.dumps(request)


def test_a_report_without_entities_is_not_sent(fake, studies_of, tmp_path: Path) -> None:
    found = model(fake, tmp_path).read(studies_of("Thank you.", "", "INDICATION: edema"))
    assert (found.texts, fake.asked) == (("", "", ""), [])
    assert list(reasons(found).values()) == [1]


def test_sentences_that_the_report_does_not_bear_out_are_left_out(
    fake, studies_of, tmp_path: Path
) -> None:
    fake.behave = lambda report, call: fake.Act(
        "Sure:\nThere is effusion.\nThere is pneumonia.\nThere is severe effusion.\nThere is hope."
    )
    found = model(fake, tmp_path).read(studies_of("Effusion."))
    assert found.texts == (EFFUSION,)
    assert sorted(reasons(found).values()) == [1, 1, 1, 1]
    assert "sentences about entities that are not in the report: left out" in reasons(found)


@pytest.mark.parametrize(
    ("answer", "finish", "reason"),
    [
        ("I cannot help with that.", "stop", "holds no sentence that the report bears out"),
        ("There is pneumonia.", "stop", "holds no sentence that the report bears out"),
        (EFFUSION, "length", "was cut off by the server's limit of length"),
    ],
)
def test_an_answer_of_no_use_is_named_and_nothing_is_lost(
    fake, manifest_of, tmp_path: Path, answer: str, finish: str, reason: str
) -> None:
    fake.behave = lambda report, call: fake.Act(
        *((answer,) if "Large" in report else (EFFUSION,)),
        finish=finish if "Large" in report else "stop",
    )
    manifest = manifest_of("Large effusion.", "Effusion.")
    studies, found = distil_manifest(manifest, model(fake, tmp_path))
    assert found.texts == (None, EFFUSION)
    assert reasons(found) == {f"not distilled: the answer {reason}": 1}
    assert [study.report.distilled for study in studies] == ["", EFFUSION]
    assert [study.report.text for study in studies] == ["Large effusion.", "Effusion."]


def test_a_limit_of_rate_is_waited_out(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act(EFFUSION, status=429 if call < 3 else 200)
    assert model(fake, tmp_path).read(studies_of("Effusion.")).texts == (EFFUSION,)
    assert len(fake.asked) == 3


def test_a_slow_server_is_named_with_the_report(
    fake, studies_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "ATTEMPTS", 2)
    fake.behave = lambda report, call: fake.Act(EFFUSION, delay_s=0.6 if "Large" in report else 0)
    found = model(fake, tmp_path, timeout_s=0.2).read(studies_of("Large effusion.", "Effusion."))
    assert found.texts == (None, EFFUSION)
    assert reasons(found) == {"not distilled: the server was silent for 0.2 s, 2 times": 1}
    assert found.problems[0].examples == ("s0",)


def test_a_run_that_broke_off_goes_on_where_it_was(fake, studies_of, tmp_path: Path) -> None:
    reports = studies_of("Effusion.", "Edema.", "Mass.")
    answers = {"Effusion.": EFFUSION, "Edema.": "There is edema.", "Mass.": "There is mass."}

    def behave(question: str, call: int) -> object:
        report = next(text for text in answers if f"Report: {text}" in question)
        down = report == "Edema." and call == 1
        return fake.Act(answers[report], status=401 if down else 200)

    fake.behave = behave
    with pytest.raises(AnnotationError, match="answered 401"):
        model(fake, tmp_path).read(reports)
    found = model(fake, tmp_path).read(reports)
    assert found.texts == tuple(answers.values())
    assert len(fake.asked) == 4  # the first report was paid for once
    assert found.remarks[0].startswith("tiny: 3 different texts answered, 1 of them before")


def test_many_threads_hear_of_a_dead_server_by_its_name(fake, studies_of, tmp_path) -> None:
    fake.close()
    texts = [f"Mass of {i} mm." for i in range(60)]
    many = ModelDistiller(server=fake.address, model="tiny", cache=tmp_path, concurrency=8)
    with pytest.raises(AnnotationError, match="nothing answers at"):
        many.read(studies_of(*texts))


def test_nonsense_without_end_is_stopped(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act("There is love.")
    texts = [f"Mass of {i} mm." for i in range(60)]
    with pytest.raises(AnnotationError, match="the last 20 reports got no answer of use"):
        model(fake, tmp_path).read(studies_of(*texts))


# ------------------------------------------------------------------ prompts and options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('question = "{report}"', r"`question` holds no \{entities\}"),
        ('question = "{entities}"', r"`question` holds no \{report\}"),
        ("question = 3", "both texts"),
        ('answer = "x"', "has the keys answer, expected"),
        ("= x", "cannot be read as a prompt"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_distil_prompt(str(path))


def test_a_prompt_of_another_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no prompt 'kad'"):
        read_distil_prompt("kad")


def test_a_prompt_of_ones_own_is_sent(fake, studies_of, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('question = "{report} // {entities}"')
    fake.behave = lambda report, call: fake.Act(EFFUSION)
    model(fake, tmp_path, prompt=str(path)).read(studies_of("Effusion."))
    assert fake.requests[0]["messages"] == [{"role": "user", "content": "Effusion. // effusion"}]


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("magic", {}, "there is no way 'magic' to distil reports; known are rules, llm, file"),
        ("rules", {"server": "x"}, "--server is no option of rules"),
        ("llm", {"model": "x"}, "llm needs --server"),
        ("rules", {"processes": 0}, "processes must be at least 1, got 0"),
    ],
)
def test_a_distiller_that_cannot_be_made_is_refused(
    name: str, given: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_distiller(name, given, {"cache": tmp_path})


# ------------------------------------------------------------------ pairs that teach


def test_pairs_hold_question_and_answer_of_what_is_not_held_out(
    tmp_path: Path, studies_of: Callable[..., tuple[Study, ...]]
) -> None:
    splits = ("train", "test", None, "validate", "train", "train")
    texts = ("Effusion.", "Edema.", "Mass.", "Nodule.", "Effusion.", "Thank you.")
    distilled = (f"{EFFUSION} There is mass.", "x", "There is mass.", "x", EFFUSION, "")
    studies = tuple(
        Study(
            study_id=study.study_id,
            patient_id=study.patient_id,
            source="test",
            radiographs=(),
            split=split,
            report=Report(text=study.report.text, distilled=told),
        )
        for study, split, told in zip(studies_of(*texts), splits, distilled, strict=True)
    )
    path = tmp_path / "pairs.jsonl"
    assert write_teacher_pairs(studies, read_distil_prompt("distil"), path) == 2
    pairs = [json.loads(line)["messages"] for line in path.read_text().splitlines()]
    assert {pair[-1]["content"] for pair in pairs} == {EFFUSION, "There is mass."}
    assert all([m["role"] for m in pair] == ["user", "user", "assistant"] for pair in pairs)
    assert write_teacher_pairs(studies, read_distil_prompt("distil"), path, most=1) == 1


# ------------------------------------------------------------------ what others distilled


def of_file(folder: Path, content: object, studies: tuple[Study, ...]) -> Distilled:
    path = folder / "distilled.json"
    path.write_text(json.dumps(content))
    return make_distiller("file", {"records": path}, {"cache": folder}).read(studies)


def test_texts_go_to_their_studies_whatever_their_order(studies_of, tmp_path: Path) -> None:
    studies = studies_of("Effusion.", "Mass.", "", "Edema.")
    content = {"1": "There is mass.", "other": "There is edema.", "s0": EFFUSION}
    found = of_file(tmp_path, content, studies)
    assert found.texts == (EFFUSION, "There is mass.", "", None)
    assert reasons(found) == {"studies that the file does not have": 1}
    assert found.problems[0].examples == ("s3",)


def test_texts_of_other_reports_are_named_and_counted(studies_of, tmp_path: Path) -> None:
    studies = studies_of("Effusion.", "Mass.", "Edema.")
    content = {"s0": "There is mass.", "s1": "There is mass. There is edema.", "s2": ""}
    found = of_file(tmp_path, content, studies)
    assert found.texts == (None, "There is mass.", "")
    told = {problem.reason: problem.examples for problem in found.problems}
    assert told == {
        "sentences about entities that are not in the report: left out": ("s0", "s1"),
        "texts of another report, or of none: all their sentences were left out": ("s0",),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": EFFUSION}, "has none of 1 studies, such as 's0'; its keys are such as 'x'"),
        ({"s0": [EFFUSION]}, "of 's0' holds a list, expected a text"),
        ([EFFUSION], "cannot be read as one JSON object"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    studies_of, tmp_path: Path, content: object, message: str
) -> None:
    with pytest.raises(AnnotationError, match=message):
        of_file(tmp_path, content, studies_of("Effusion."))
