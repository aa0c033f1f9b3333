"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="FOLDER",
        help="The folder that holds opco.toml, assets/ and var/. Default: OPCO_HOME, else the project's folder.",
        show_default=False,
    ),
]
RawOption = Annotated[
    Path | None,
    typer.Option(
        "--raw",
        metavar="FOLDER",
        help="The raw folder: one file or folder a table. Default: the setting build.raw_folder.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one line of JSON on stdout at the end; all else goes to stderr.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show Dagster's log and, after an error, the traceback.")]
