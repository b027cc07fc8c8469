"""Processes that read pictures, and how they end."""

import subprocess
from collections.abc import Callable

import pytest

from carina.studies import reading
from carina.studies.checks import pictures_of
from carina.studies.examination import Picture, examine, from_line, to_line
from carina.studies.manifest import Manifest

Cohort = Callable[..., Manifest]


def many(cohort: Cohort) -> list[Picture]:
    count = 60
    manifest = cohort("m", "a" * count, ("train",) * count, tuple(range(count)))
    return pictures_of([manifest])


def test_lines_keep_what_was_examined(cohort: Cohort) -> None:
    pictures = pictures_of([cohort()])
    for examined in (examine(pictures[0]), examine(Picture(path="gone.png"))):
        assert from_line(to_line(examined)) == examined


def test_processes_answer_for_every_picture_once(cohort: Cohort) -> None:
    pictures = many(cohort)
    found = list(reading._spread(pictures, 2))
    assert sorted(picture.path for picture, _ in found) == sorted(p.path for p in pictures)
    assert all(examined == examine(picture) for picture, examined in found)


def test_a_check_that_is_stopped_ends_its_processes_without_a_word(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    started: list[subprocess.Popen[str]] = []
    plain = subprocess.Popen

    def remembered(*words: object, **options: object) -> "subprocess.Popen[str]":
        assert options["start_new_session"]  # Ctrl-C in a terminal does not reach it
        started.append(plain(*words, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", remembered)
    answers = reading._spread(many(cohort), 2)
    next(answers)
    with pytest.raises(KeyboardInterrupt):
        answers.throw(KeyboardInterrupt)
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)
    assert capfd.readouterr().err == ""


def test_a_fault_of_our_own_in_a_thread_reaches_the_caller(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(line: str) -> None:
        raise RuntimeError(f"cannot read {line[:1]}")

    monkeypatch.setattr(reading, "from_line", broken)
    with pytest.raises(RuntimeError, match="cannot read"):
        list(reading._spread(pictures_of([cohort()]), 1))
