"""The examples below a command's help."""

from collections.abc import Sequence
from typing import Any

import typer.core


def command_with_examples(examples: Sequence[str]) -> type[typer.core.TyperCommand]:
    """A kind of command whose help ends with examples.

    Each stays on one line, however long: what is copied from a terminal that wrapped it by itself
    is still one command.
    """

    class CommandWithExamples(typer.core.TyperCommand):
        def format_help(self, ctx: Any, formatter: Any) -> None:
            super().format_help(ctx, formatter)
            typer.echo(
                "\n".join((" Examples:", *(f"   {example}" for example in examples))), nl=False
            )

    return CommandWithExamples
