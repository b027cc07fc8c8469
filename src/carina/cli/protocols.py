"""`carina protocols`: the evaluations of the papers that carina knows by name."""

from typing import Annotated

import typer

EXAMPLES = ("carina protocols", "carina protocols kad/padchest")


def protocols(
    name: Annotated[str | None, typer.Argument(help="One protocol, told in full.")] = None,
) -> None:
    """Lists the protocols of `carina evaluate --protocol`, or tells of one in full."""
    from carina.cli.console import table_console
    from carina.evaluation.protocol_text import protocol_list, protocol_text
    from carina.evaluation.protocols import PROTOCOLS, protocol_named

    console = table_console()
    if name is None:
        console.print(protocol_list(PROTOCOLS.values()))
        return
    for line in protocol_text(protocol_named(name)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
