"""The command line: parses, calls the library, prints. Nothing heavy is imported here."""

import importlib
import inspect
import io
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

# Command -> its line in the list. A command's module is imported when it runs.
COMMANDS = {
    "demo": "Everything once, on a synthetic cohort, into one page.",
    "phantom": "Write a synthetic cohort with known truth.",
    "index": "Turn a release on disk into a manifest.",
    "join": "Put several manifests together.",
    "check": "Look for broken files, empty reports and leaks between splits.",
    "annotate": "Read entities out of the reports of a manifest.",
    "distill": "Put what reports say of each entity into short sentences.",
    "pack": "Build, verify or repair an image store.",
    "knowledge": "Turn ontologies into a concept graph.",
    "convert": "Turn published weights into a model folder, and back.",
    "tokenizer": "Learn a word-piece vocabulary from reports.",
    "pretrain": "Train a recipe from image-report pairs.",
    "finetune": "Adapt an encoder with few labels.",
    "ask": "Score findings on radiographs, with heat-maps.",
    "ground": "Draw where a phrase holds on radiographs.",
    "evaluate": "Measure a model, with intervals.",
    "audit": "Look at sub-groups, calibration and worst cases of an evaluation.",
    "compare": "Test the difference between two evaluations.",
    "readers": "Measure human readers, and a model against them.",
    "protocols": "List the evaluations of the papers.",
    "reproduce": "Put papers' numbers, users' and ours on one page.",
}

INTERRUPTED = 130  # what typer makes of Ctrl-C

USAGE = """carina: chest-radiograph vision-language models, pre-trained, asked, measured.

Usage: carina [--debug] COMMAND ...

Commands, in the order of the work:
{commands}

  carina COMMAND --help     arguments and examples of a command
  carina --version          the version
  carina --debug COMMAND    show all that carina logs, and the traceback of an error

Example, from nothing to a page that shows the result:
  carina demo --out demo

For research only. Not a medical device.
"""


def usage() -> str:
    """The text of `carina --help`."""
    lines = [f"  {name:<10} {text}" for name, text in COMMANDS.items()]
    return USAGE.format(commands="\n".join(lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits: 0 done, 1 a problem in the user's data, 2 wrong usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    show_what_cannot_be_encoded()
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if not words or words[0] in ("--help", "-h", "help"):
        print(usage())
        sys.exit(0 if words else 2)
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"carina {version('carina')}")
        sys.exit(0)
    if words[0] not in COMMANDS:
        import difflib

        close = difflib.get_close_matches(words[0], COMMANDS, n=1)
        hint = f" Did you mean `carina {close[0]}`?" if close else ""
        fail(f"there is no command {words[0]!r}.{hint} `carina --help` lists them all.", 2)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if debug:  # ours alone: what libraries log of every image would bury it
        logging.getLogger("carina").setLevel(logging.DEBUG)
    run(words[0], words[1:], debug)


def run(name: str, words: Sequence[str], debug: bool) -> None:
    """Runs one command; every error becomes one readable message, unless `debug`."""
    import typer

    from carina.cli.examples import command_with_examples
    from carina.errors import CarinaError
    from carina.files import write_error

    module = importlib.import_module(f"carina.cli.{name}")
    function: Callable[..., Any] = getattr(module, name)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command = command_with_examples(module.EXAMPLES)
    app.command(name, cls=command, help=as_paragraphs(function))(function)
    try:
        code = app(list(words), prog_name=f"carina {name}", standalone_mode=False)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(code or 0)
    except typer.TyperException as error:
        message: str = getattr(error, "format_message", error.__str__)()
        fail(f"{message.rstrip('.')}. See `carina {name} --help`.", 2)
    except CarinaError as error:
        if debug:
            raise
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        resume = " and --resume" if "resume" in inspect.signature(function).parameters else ""
        fail(f"stopped. The same command{resume} goes on from what was finished.", 1)
    except BrokenPipeError:  # `carina ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if debug:
            raise
        from pathlib import Path

        fail(str(write_error(Path(str(error.filename or "output")), error)), 1)
    except Exception as error:
        if debug:
            raise
        fail(
            f"an error in carina itself: {type(error).__name__}: {error}. "
            "Run with --debug to see where, and please report it.",
            1,
        )


def as_paragraphs(function: Callable[..., Any]) -> str:
    """The docstring of a command without its line breaks: the terminal has its own width."""
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def show_what_cannot_be_encoded() -> None:
    """Prints "?" for what the terminal's encoding lacks, rather than end with an error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def fail(message: str, code: int) -> None:
    """Prints one message to the error stream and exits."""
    print(f"carina: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
