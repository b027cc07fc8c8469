import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from carina.cli import main as cli
from carina.cli.console import table_console
from carina.errors import QueryError, RadiographError


def carina(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "carina", *words], capture_output=True, text=True, check=False
    )


def test_help_lists_every_command_and_imports_no_torch() -> None:
    script = "import sys, carina.cli.main as m; print(m.usage()); assert 'torch' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert all(name in done.stdout for name in cli.COMMANDS)


def test_every_command_has_help_with_examples() -> None:
    for name in cli.COMMANDS:
        done = carina(name, "--help")
        assert done.returncode == 0, done.stderr
        assert f"carina {name}" in done.stdout
        assert "Examples" in done.stdout


def test_unknown_command_names_the_one_that_was_meant() -> None:
    done = carina("evalute")
    assert done.returncode == 2
    assert "Did you mean `carina evaluate`" in done.stderr


def test_unknown_recipe_is_wrong_usage_and_named(tmp_path: Path) -> None:
    done = carina("pretrain", "kad_smal", "--data", "m.parquet", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "kad_small" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RadiographError("x.dcm: no pixels."), 1, "x.dcm: no pixels."),
        (QueryError("empty"), 2, "empty"),
        (KeyboardInterrupt(), 1, "goes on from what was finished"),
        (OSError(28, "No space left on device", "out.bin"), 1, "disk is full"),
        (RuntimeError("odd"), 1, "an error in carina itself: RuntimeError: odd"),
    ],
)
def test_every_error_is_one_message_and_a_code(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def index() -> None:
        raise error

    module = SimpleNamespace(EXAMPLES=("carina index",), index=index)
    monkeypatch.setitem(sys.modules, "carina.cli.index", module)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["index"])
    assert stopped.value.code == code
    assert message in capsys.readouterr().err
    if isinstance(error, Exception):
        with pytest.raises(type(error)):
            cli.main(["--debug", "index"])


def test_who_stops_a_run_is_told_of_resume_where_the_command_has_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pretrain(resume: bool = False) -> None:
        raise KeyboardInterrupt

    module = SimpleNamespace(EXAMPLES=(), pretrain=pretrain)
    monkeypatch.setitem(sys.modules, "carina.cli.pretrain", module)
    with pytest.raises(SystemExit):
        cli.main(["pretrain"])
    assert "The same command and --resume goes on from what was finished" in capsys.readouterr().err


def test_debug_shows_what_carina_logs_and_nothing_of_its_libraries() -> None:
    script = (
        "import sys, logging, types, carina.cli.main as m\n"
        "def index() -> None:\n"
        "    for name in ('carina.imaging.reader', 'PIL.PngImagePlugin', 'pydicom'):\n"
        "        logging.getLogger(name).debug('a step of %s', name)\n"
        "sys.modules['carina.cli.index'] = types.SimpleNamespace(EXAMPLES=(), index=index)\n"
        "m.main(sys.argv[1:])\n"
    )
    for words, shown in ((["--debug"], ["a step of carina.imaging.reader"]), ([], [])):
        done = subprocess.run(
            [sys.executable, "-c", script, *words, "index"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr.splitlines() == shown


def test_examples_stay_on_one_line_so_that_what_is_copied_is_one_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "carina", "annotate", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "60"},
    ).stdout
    examples = importlib.import_module("carina.cli.annotate").EXAMPLES
    assert max(map(len, examples)) > 60
    lines = [line.strip() for line in shown.splitlines()]
    assert lines[lines.index("Examples:") + 1 :] == [*examples]


def test_the_help_of_a_command_is_wrapped_by_the_terminal_alone() -> None:
    def command() -> None:
        """One line.

        A second
        paragraph.
        """

    assert cli.as_paragraphs(command) == "One line.\n\nA second paragraph."


def test_what_the_encoding_lacks_is_a_question_mark_and_no_error() -> None:
    script = (
        "import sys, types, carina.cli.main as m\n"
        "sys.modules['carina.cli.index'] = types.SimpleNamespace(\n"
        "    EXAMPLES=(), index=lambda: print('0.5 – 0.6'))\n"
        "m.main(['index'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.stdout == b"0.5 ? 0.6\n"


def test_tables_in_a_file_are_wider_than_a_terminal_unless_columns_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert table_console().width == 160
    monkeypatch.setenv("COLUMNS", "70")
    assert table_console().width == 70
