import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest

from carina.annotation import chat
from carina.annotation.asking import PATIENCE
from carina.annotation.language_model import LanguageModel
from carina.annotation.source import Reading
from carina.errors import AnnotationError, ConfigError, OutputError
from carina.study import Assertion, Study

Studies = Callable[..., tuple[Study, ...]]


def entity(text: str, **fields: object) -> dict[str, object]:
    return {
        "text": text,
        "name": text,
        "kind": "observation",
        "assertion": "present",
        "place": None,
        "severity": None,
        **fields,
    }


def entities(*items: dict[str, object]) -> str:
    return json.dumps({"entities": list(items)})


def source(fake, folder: Path, **settings: object) -> LanguageModel:
    return LanguageModel(server=fake.address, model="tiny", cache=folder / "answers", **settings)


def reasons(reading: Reading) -> dict[str, int]:
    return {problem.reason: problem.count for problem in reading.problems}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "FIRST_WAIT_S", 0.001)
    monkeypatch.delenv(chat.KEY_VARIABLE, raising=False)


def test_an_answer_becomes_entities_in_standard_words(fake, studies_of, tmp_path: Path) -> None:
    report = "FINDINGS: Small left\n effusion. No PTX. The heart is enlarged. Lungs are clear."
    fake.behave = lambda report, call: fake.Act(
        entities(
            entity("PTX", assertion="absent"),
            entity("effusion", place="left", severity="small", assertion="uncertain"),
            entity("heart is enlarged", name="cardiomegaly"),
            entity("Lungs", kind="anatomy", name="lungs"),
        )
    )
    reading = source(fake, tmp_path).read(studies_of(report))
    found = reading.entities[0]
    assert found is not None
    assert [(e.name, str(e.assertion), e.place, e.severity) for e in found] == [
        ("pleural effusion", "uncertain", "left pleural", "small"),
        ("pneumothorax", "absent", None, None),
        ("cardiomegaly", "present", None, None),
        ("lung", "present", None, None),
    ]
    assert all(report[e.start : e.end] == e.text for e in found)
    assert {e.section for e in found} == {"findings"}
    assert not reading.problems


def test_only_what_the_radiograph_shows_is_sent(fake, studies_of, tmp_path: Path) -> None:
    text = "INDICATION: John, fever.\nFINDINGS: Clear lungs.\nNOTIFICATION: called Dr. Who"
    fake.behave = lambda report, call: fake.Act(entities())
    source(fake, tmp_path).read(studies_of(text, "", "INDICATION: cough"))
    assert fake.asked == ["FINDINGS: Clear lungs."]
    assert "s0" not in json.dumps(fake.requests)


def test_reports_without_text_cost_nothing_and_hold_nothing(fake, studies_of, tmp_path) -> None:
    assert source(fake, tmp_path).read(studies_of("", " \n")).entities == ((), ())
    assert fake.asked == []


def test_equal_reports_are_asked_about_once(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act(entities(entity("Mass")))
    reading = source(fake, tmp_path).read(studies_of("Mass.", "Mass.", "Mass."))
    assert len(fake.asked) == 1
    assert [len(found or ()) for found in reading.entities] == [1, 1, 1]


def test_the_same_words_twice_are_the_first_and_the_second_mention(
    fake, studies_of, tmp_path: Path
) -> None:
    fake.behave = lambda report, call: fake.Act(
        entities(entity("mass", assertion="absent"), entity("mass"), entity("MASS"))
    )
    found = source(fake, tmp_path).read(studies_of("No mass. Amassed mass.")).entities[0]
    assert found is not None
    # "Amassed" is another word; the third stands where the second does and says the same.
    assert [(e.start, str(e.assertion)) for e in found] == [(3, "absent"), (17, "present")]


def test_what_the_report_does_not_hold_is_left_out_and_counted(
    fake, studies_of, tmp_path: Path
) -> None:
    fake.behave = lambda report, call: fake.Act(
        entities(
            entity("Mass", place="right lower lobe", severity="large"),
            entity("pneumonia"),
            entity("mass", assertion="perhaps"),
            entity("mass", kind="feeling"),
        )
    )
    reading = source(fake, tmp_path).read(studies_of("Mass in the right lung."))
    assert [(e.name, e.place, e.severity) for e in reading.entities[0] or ()] == [
        ("mass", None, None)
    ]
    assert sorted(reasons(reading).values()) == [1, 1, 1, 1, 1]
    assert set(reasons(reading)) == {
        "answered entities whose words are not in the report: left out",
        "answered entities whose assertion is not present, absent or uncertain: left out",
        "answered entities that are neither observation nor anatomy: left out",
        "answered places that are not in the words of the report: left out",
        "answered degrees that are not in the words of the report: left out",
    }


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("The report shows a mass.", "is no JSON"),
        ("[1, 2]", "is JSON without a list of entities"),
        ('{"findings": []}', "is JSON without a list of entities"),
        ('{"entities": [{"text": "mass"}]}', "has an entity with a field missing"),
        (entities(entity("mass", place=3)), "has an entity with a field missing or of a wrong"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_nonsense_is_counted_and_named_and_never_read(
    fake, studies_of, tmp_path: Path, answer: str, reason: str
) -> None:
    fake.behave = lambda report, call: fake.Act(answer)
    reading = source(fake, tmp_path).read(studies_of("A mass."))
    assert reading.entities == (None,)
    (problem,) = reading.problems
    assert problem.reason.startswith(f"not read: the answer {reason}")
    assert problem.examples == ("s0",)


def test_a_code_block_around_the_answer_is_taken_off(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act(f"```json\n{entities(entity('Mass'))}\n```")
    assert source(fake, tmp_path).read(studies_of("Mass.")).entities[0]


def test_an_answer_that_was_cut_off_is_not_read(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act(entities(), finish="length")
    reading = source(fake, tmp_path).read(studies_of("Mass."))
    assert list(reasons(reading)) == [
        "not read: the answer was cut off by the server's limit of length"
    ]


# ------------------------------------------------------------------ KAD's prompt


def test_kads_prompt_asks_for_the_findings_of_its_paper(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act("label_list = []")
    source(fake, tmp_path, prompt="kad").read(studies_of("Clear."))
    system, user = (message["content"] for message in fake.requests[0]["messages"])
    assert "finding_list = [pleural effusion, opacity, pneumothorax, edema," in system
    assert "label_list = [i if finding exists for finding in finding_list]" in system
    assert user == "Clear."


@pytest.mark.parametrize(
    "answer",
    [
        "label_list = ['pleural effusion', 'cardiomegaly', 'ghost']",
        'label_list = ["pleural effusion", "cardiomegaly", "ghost"]',
        "```python\nlabel_list = [pleural effusion, Cardiomegaly, ghost]\n```",
        "['pleural effusion', 'cardiomegaly', 'ghost'].",
    ],
)
def test_kads_answer_names_findings_that_are_there(
    fake, studies_of, tmp_path: Path, answer: str
) -> None:
    fake.behave = lambda report, call: fake.Act(answer)
    text = "INDICATION: effusion?\nIMPRESSION: Big heart. An effusion."
    reading = source(fake, tmp_path, prompt="kad").read(studies_of(text))
    found = {e.name: e for e in reading.entities[0] or ()}
    assert set(found) == {"pleural effusion", "cardiomegaly"}
    assert {e.assertion for e in found.values()} == {Assertion.PRESENT}
    effusion, heart = found["pleural effusion"], found["cardiomegaly"]
    assert (effusion.text, text[effusion.start : effusion.end]) == ("effusion", "effusion")
    assert effusion.section == "impression"
    # The report does not say "cardiomegaly", so no words of it are claimed.
    assert (heart.text, text[heart.start :]) == ("", " Big heart. An effusion.")
    assert reasons(reading) == {"answered findings that were not asked about: left out": 1}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("label_list = [0, 3]", "lists numbers and no names"),
        ("I see an effusion.", "is no label_list"),
        ("label_list = [['mass']]", "is no label_list"),
    ],
)
def test_kads_answer_in_another_form_is_refused(
    fake, studies_of, tmp_path: Path, answer: str, reason: str
) -> None:
    fake.behave = lambda report, call: fake.Act(answer)
    reading = source(fake, tmp_path, prompt="kad").read(studies_of("Mass."))
    assert list(reasons(reading)) == [f"not read: the answer {reason}"]


# ------------------------------------------------------------------ a server with bad days


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_asked_again(fake, studies_of, tmp_path: Path, status: int) -> None:
    fake.behave = lambda report, call: fake.Act(entities(), status=status if call < 3 else 200)
    reading = source(fake, tmp_path).read(studies_of("Mass."))
    assert len(fake.asked) == 3
    assert reading.entities == ((),)


@pytest.mark.parametrize("header", [lambda: "0.5", lambda: formatdate(time.time() + 1.5)])
def test_the_pause_that_the_server_asks_for_is_kept(
    fake, studies_of, tmp_path: Path, header: Callable[[], str]
) -> None:
    fake.behave = lambda report, call: fake.Act(
        entities(),
        status=429 if call == 1 else 200,
        headers={"Retry-After": header()} if call == 1 else {},
    )
    started = time.monotonic()
    source(fake, tmp_path).read(studies_of("Mass."))
    assert time.monotonic() - started >= 0.45


def test_a_pause_without_end_is_not_waited_for(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act(status=429, headers={"Retry-After": "86400"})
    reading = source(fake, tmp_path).read(studies_of("Mass."))
    assert len(fake.asked) == 1
    assert "and is to be asked again in 86400 s" in next(iter(reasons(reading)))


@pytest.mark.parametrize("header", ["soon", "", "-5"])
def test_a_pause_that_is_nonsense_is_none(header: str) -> None:
    assert chat.retry_after(header) == 0


def test_a_server_that_dies_midway_is_asked_again(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act(entities(entity("Mass")), dies=call == 1)
    assert source(fake, tmp_path).read(studies_of("Mass.")).entities[0]
    assert len(fake.asked) == 2


def test_a_silent_server_is_given_up_after_all_attempts(
    fake, studies_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "ATTEMPTS", 2)
    fake.behave = lambda report, call: fake.Act(entities(), delay_s=0.4 if "slow" in report else 0)
    reading = source(fake, tmp_path, timeout_s=0.1).read(studies_of("A slow mass.", "Mass."))
    assert reading.entities == (None, ())
    assert reasons(reading) == {"not read: the server was silent for 0.1 s, 2 times": 1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>Bad gateway</html>", "answered no chat completion"),
        (b'{"choices": []}', "answered no chat completion"),
        (b'{"choices": [{"message": {"content": null}}]}', "answered a completion without words"),
    ],
)
def test_a_reply_that_is_no_completion_is_named(
    fake, studies_of, tmp_path: Path, content: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "ATTEMPTS", 2)
    fake.behave = lambda report, call: fake.Act(content)
    reading = source(fake, tmp_path).read(studies_of("Mass."))
    assert reasons(reading) == {f"not read: the server {reason}, 2 times": 1}


def test_a_reply_without_end_is_not_read(
    fake, studies_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "LONGEST_REPLY", 1000)
    fake.behave = lambda report, call: fake.Act("x" * 2000)
    reading = source(fake, tmp_path).read(studies_of("Mass."))
    assert list(reasons(reading)) == ["not read: the server answered more than 1000 bytes"]


def test_a_report_that_the_server_refuses_does_not_stop_the_others(
    fake, studies_of, tmp_path: Path
) -> None:
    fake.behave = lambda report, call: fake.Act(entities(), status=413 if "long" in report else 200)
    reading = source(fake, tmp_path).read(studies_of("Mass.", "A long report."))
    assert reading.entities == ((), None)
    assert list(reasons(reading)) == ["not read: the server answered 413 Request Entity Too Large"]


@pytest.mark.parametrize("status", [301, 401, 404])
def test_a_server_that_will_answer_nothing_ends_the_run(
    fake, studies_of, tmp_path: Path, status: int
) -> None:
    fake.behave = lambda report, call: fake.Act(
        status=status, headers={"Location": "http://elsewhere.example/"}
    )
    with pytest.raises(AnnotationError, match=f"answered {status} .*Check the address"):
        source(fake, tmp_path, concurrency=1).read(studies_of("Mass.", "Nodule.", "Edema."))
    assert len(fake.asked) == 1


def test_a_server_whose_name_can_be_none_is_told_at_once(studies_of, tmp_path: Path) -> None:
    server = f"http://{'a' * 70}.example/v1"
    model = LanguageModel(server=server, model="tiny", cache=tmp_path, allow_remote=True)
    with pytest.raises(AnnotationError, match="it is no name of a machine"):
        model.read(studies_of("Mass."))


def test_a_server_that_is_not_there_is_told_at_once(fake, studies_of, tmp_path: Path) -> None:
    fake.close()
    with pytest.raises(
        AnnotationError, match=r"nothing answers at http://127\.0\.0\.1:.*Start the"
    ):
        source(fake, tmp_path).read(studies_of("Mass."))


def test_a_model_that_only_talks_nonsense_is_stopped_early(
    fake, studies_of, tmp_path: Path
) -> None:
    fake.behave = lambda report, call: fake.Act("Sure! Here is a poem.")
    texts = [f"Mass of {i} mm." for i in range(200)]
    with pytest.raises(AnnotationError, match="last 20 reports got no answer of use; 20 times: "):
        source(fake, tmp_path).read(studies_of(*texts))
    assert len(fake.asked) < PATIENCE + 20


# ------------------------------------------------------------------ what is kept, and what it cost


def test_what_was_answered_is_not_asked_again(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act(entities(entity("Mass")))
    first = source(fake, tmp_path, price_in=2.0, price_out=50.0).read(studies_of("Mass."))
    second = source(fake, tmp_path, price_in=2.0, price_out=50.0).read(studies_of("Mass."))
    assert len(fake.asked) == 1
    assert first.entities == second.entities
    # 100 tokens at 2 a million and 10 at 50 a million
    assert "This run: 100 tokens sent, 10 answered, cost 0.0007." in first.remarks
    assert second.remarks[1:] == (
        "This run: 0 tokens sent, 0 answered, cost 0.0000.",
        "With earlier runs: 100 tokens sent, 10 answered, cost 0.0007.",
    )
    assert second.remarks[0].startswith("tiny: 1 different texts answered, 1 of them before")


def test_another_model_or_prompt_is_asked_anew(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act(entities())
    for settings in ({"model": "a"}, {"model": "b"}, {"model": "a", "prompt": "kad"}):
        LanguageModel(server=fake.address, cache=tmp_path, **settings).read(studies_of("Mass."))
    assert len(fake.asked) == 3


def test_a_damaged_answer_is_asked_for_again(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act(entities())
    source(fake, tmp_path).read(studies_of("Mass."))
    (file,) = (tmp_path / "answers").rglob("*.json")
    for damaged in ("{", "[]", '{"ghost": 1}', '{"answer": 5}'):
        file.write_text(damaged)
        assert source(fake, tmp_path).read(studies_of("Mass.")).entities == ((),)
    assert len(fake.asked) == 5


def test_tokens_that_the_server_does_not_count_are_told(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act(entities(), usage=False)
    remarks = source(fake, tmp_path).read(studies_of("Mass.")).remarks
    assert "0 tokens sent, 0 answered (not counted by the server: 1 answers)" in remarks[1]


def test_the_cache_is_for_its_owner_only(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act(entities())
    source(fake, tmp_path).read(studies_of("Mass."))
    assert (tmp_path / "answers").stat().st_mode & 0o077 == 0


def test_a_cache_that_cannot_be_made_is_told(fake, studies_of, tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("a file")
    with pytest.raises(OutputError, match="answers: cannot be written"):
        source(fake, tmp_path).read(studies_of("Mass."))


def test_a_killed_run_goes_on_where_it_was(fake, manifest_of, tmp_path: Path) -> None:
    manifest = manifest_of(*(f"Mass of {i} mm." for i in range(12)))
    fake.behave = lambda report, call: fake.Act(entities(entity("Mass")), delay_s=0.1)
    words = ["annotate", manifest.path, "--out", tmp_path / "o.parquet", "--extractor", "llm"]
    words += ["--server", fake.address, "--model", "tiny", "--concurrency", "2"]
    command = [sys.executable, "-m", "carina", *map(str, words)]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    kept = tmp_path / "o.parquet.answers"
    while len(list(kept.rglob("*.json"))) < 4 and started.poll() is None:
        time.sleep(0.01)
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    answered = {json.loads(file.read_text())["answer"] for file in kept.rglob("*.json")}
    before = len(list(kept.rglob("*.json")))
    assert answered
    assert 4 <= before < 12
    assert not (tmp_path / "o.parquet").exists()
    time.sleep(0.3)  # what was under way when it was killed is answered to nobody
    asked = len(fake.asked)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(fake.asked) - asked == 12 - before
    assert f"12 different texts answered, {before} of them before" in done.stdout


# ------------------------------------------------------------------ nothing leaves unless told to


@pytest.mark.parametrize(
    "address",
    ["https://api.example.com/v1", "http://10.0.0.7:8000/v1", "http://localhost.example.com/v1"],
)
def test_another_machine_is_refused_unless_allowed(
    studies_of, tmp_path: Path, address: str
) -> None:
    remote = LanguageModel(server=address, model="m", cache=tmp_path / "c")
    with pytest.raises(ConfigError, match="is another machine, and reports hold patient data"):
        remote.read(studies_of("Mass."))
    chat.checked_address(address, allow_remote=True)


@pytest.mark.parametrize(
    "address",
    ["http://localhost:1/v1", "http://127.0.0.1/v1/", "http://[::1]:80", "https://localhost"],
)
def test_this_machine_is_allowed(address: str) -> None:
    assert chat.checked_address(address, allow_remote=False).hostname


@pytest.mark.parametrize(
    "address",
    ["localhost:8000", "ftp://localhost", "http://", "http://localhost:x", "http://a/?q=1"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address, expected one such as"):
        chat.checked_address(address, allow_remote=True)


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError, match="holds a name or password") as caught:
        chat.checked_address("http://me:hunter2@localhost/v1", allow_remote=False)
    assert "hunter2" not in str(caught.value)


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(
    fake, studies_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setenv(chat.KEY_VARIABLE, "hush-hush")
    fake.behave = lambda report, call: fake.Act(entities())
    with caplog.at_level("DEBUG"):
        reading = source(fake, tmp_path).read(studies_of("Mass."))
    assert fake.headers[0]["Authorization"] == "Bearer hush-hush"
    written = "".join(file.read_text() for file in (tmp_path / "answers").rglob("*.json"))
    assert "hush-hush" not in written + caplog.text + repr(reading) + json.dumps(fake.requests)


def test_without_a_key_none_is_sent(fake, studies_of, tmp_path: Path) -> None:
    fake.behave = lambda report, call: fake.Act(entities())
    source(fake, tmp_path).read(studies_of("Mass."))
    assert "Authorization" not in fake.headers[0]


@pytest.mark.parametrize("key", ["hush\n", "hush hush", "schlüssel"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(
    fake, studies_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv(chat.KEY_VARIABLE, key)
    with pytest.raises(ConfigError, match="holds white space or other marks") as caught:
        source(fake, tmp_path).read(studies_of("Mass."))
    assert key.strip() not in str(caught.value)


def test_reports_are_neither_logged_nor_in_errors(fake, studies_of, tmp_path: Path, caplog) -> None:
    fake.behave = lambda report, call: fake.Act(report.encode(), status=404)
    with caplog.at_level("DEBUG"), pytest.raises(AnnotationError) as caught:
        source(fake, tmp_path).read(studies_of("Secret mass."))
    assert "Secret" not in str(caught.value) + caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"concurrency": 0}, "concurrency must be at least 1, got 0"),
        ({"timeout_s": 0.0}, "timeout_s must be > 0, got 0"),
        ({"timeout_s": float("nan")}, "timeout_s must be > 0, got nan"),
        ({"price_in": -1.0}, "price_in must be >= 0, got -1"),
        ({"price_out": float("nan")}, "price_out must be >= 0, got nan"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    tmp_path: Path, settings: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        LanguageModel(server="http://localhost", model="m", cache=tmp_path, **settings)
