"""Numbers of resamples and seeds that cannot be: every command that measures says which."""

from pathlib import Path

import pytest

from carina.cli.main import main

COMMANDS = {
    "evaluate": ("model", "cohort.parquet", "--out", "out"),
    "reproduce": ("model", "--data", "manifests", "--out", "out"),
    "compare": ("first", "second"),
    "audit": ("evaluation", "--data", "cohort.parquet", "--out", "out"),
    "readers": ("truth.csv", "reader.csv"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("option", "value", "least"), [("--replicates", "0", "1"), ("--seed", "-1", "0")]
)
def test_a_number_that_cannot_be_is_refused_by_its_own_name(
    command: str,
    option: str,
    value: str,
    least: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([command, *COMMANDS[command], option, value])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert f"Invalid value for '{option}'" in told
    assert least in told
    assert not list(tmp_path.iterdir())
