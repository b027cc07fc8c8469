"""What `annotate` and `distill` let one say about the server of a language model."""

from pathlib import Path
from typing import Annotated

import typer

SERVER = "Of llm"

Server = Annotated[
    str | None,
    typer.Option(help="Base address, as http://localhost:8000/v1.", rich_help_panel=SERVER),
]
Timeout = Annotated[
    float | None,
    typer.Option(help="Seconds of silence to bear; default 120.", rich_help_panel=SERVER),
]
AllowRemote = Annotated[
    bool | None,
    typer.Option("--allow-remote", help="Let reports leave this machine.", rich_help_panel=SERVER),
]
Cache = Annotated[
    Path | None,
    typer.Option(help="Folder that keeps answers; default beside --out.", rich_help_panel=SERVER),
]
Concurrency = Annotated[
    int | None, typer.Option(min=1, help="Calls at a time; default 4.", rich_help_panel=SERVER)
]
PriceIn = Annotated[
    float | None, typer.Option(min=0, help="Of a million tokens sent.", rich_help_panel=SERVER)
]
PriceOut = Annotated[
    float | None, typer.Option(min=0, help="Of a million tokens answered.", rich_help_panel=SERVER)
]
