"""The application, to which each command adds itself; options that commands share, and those that a model describes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel

app = typer.Typer(
    name="opco",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Proof of distance training: raw tables of an LMS in; OPCO export, attestations and a DuckDB file out.",
    epilog="In this order: opco build --raw FOLDER, then opco export, then opco attest SESSION_ID.",
)

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="FOLDER",
        help="The folder that holds opco.toml, assets/ and var/. Default: OPCO_HOME, else the project's folder.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one line of JSON on stdout at the end; all else goes to stderr.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show Dagster's log and, after an error, the traceback.")]

RawOption = Annotated[
    Path | None,
    typer.Option(
        "--raw",
        metavar="FOLDER",
        help="The raw folder: one file or folder a table. Default: the setting build.raw_folder.",
    ),
]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="INSTANT", help="The clock of all that is done, for repeatable runs. Default: now."
    ),
]
HostOption = Annotated[str, typer.Option(metavar="HOST", help="Address to listen on.")]
PortOption = Annotated[int, typer.Option(metavar="PORT", help="Port of the web server.", min=1, max=65535)]
SessionArgument = Annotated[str, typer.Argument(metavar="SESSION_ID", help="The program session.")]


def field_option(model: type[BaseModel], name: str, more: str = "", *names: str, metavar: str = "TEXT") -> Any:
    """Return the option of a field of a section of settings, or of a request, described as it is, and then `more`."""
    field = model.model_fields[name]
    is_choice = get_origin(field.annotation) is Literal
    metavar = "/".join(get_args(field.annotation)) if is_choice else metavar
    return typer.Option(*names, metavar=metavar, help=f"{field.description} {more}".strip().replace("[", "\\["))
