"""Where tables are printed."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

FILE_WIDTH = 160
"""Columns of a table in a file or a pipe, which have no edge of their own."""


def table_console() -> "Console":
    """Prints as wide as the terminal, and to a file without breaking what would fit on paper."""
    from rich.console import Console

    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return Console()
    return Console(width=FILE_WIDTH)
