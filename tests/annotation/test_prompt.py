from pathlib import Path

import pytest

from carina.annotation.answers import EntityAnswers, FindingAnswers
from carina.annotation.prompt import PACKAGED, read_prompt
from carina.errors import ConfigError


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_prompts_are_filled(name: str) -> None:
    (_, system), (_, user) = read_prompt(name).messages("REPORT {report} {findings}")
    assert user == "REPORT {report} {findings}"
    assert "{report}" not in system
    assert "{findings}" not in system


def test_kads_prompt_lists_the_papers_findings() -> None:
    form = read_prompt("kad").form
    assert isinstance(form, FindingAnswers)
    assert (len(form.findings), form.findings[0], form.findings[-1]) == (
        39,
        "pleural effusion",
        "aspiration",
    )


def test_a_prompt_of_the_users_is_read(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text('answer = "entities"\nuser = "Read: {report}"\n')
    prompt = read_prompt(str(file))
    assert isinstance(prompt.form, EntityAnswers)
    assert prompt.messages("x") == (("user", "Read: x"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('answer = "entities"\nuser = "Read it."', "holds no {report}"),
        ('answer = "poem"\nuser = "{report}"', "answers of the form 'poem'"),
        ('answer = "findings"\nuser = "{report}"', "lists 0 findings and its answer is 'findings'"),
        ('answer = "entities"\nfindings = ["a"]\nuser = "{report}"', "lists 1 findings"),
        ('answer = "entities"\nuser = "{report}"\nghost = 1', "has the keys answer, user, ghost"),
        ('answer = "entities"\nuser = 3', "has the keys answer, user"),
        ("answer = ", "cannot be read as a prompt"),
    ],
)
def test_prompts_of_another_form_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_prompt(str(file))


def test_unknown_and_missing_prompts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no prompt 'magic'; known are entities and kad"):
        read_prompt("magic")
    with pytest.raises(ConfigError, match="cannot be read as a prompt"):
        read_prompt(str(tmp_path / "none.toml"))
