"""`opco settings`: the settings in force."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.commands.options import DebugOption, HomeOption, JsonOption
from orchestration.commands.running import enter
from orchestration.terminal import print_json, print_lines

app = typer.Typer()


@app.command(epilog="Example:  opco settings --home /srv/opco")
def settings(
    session: Annotated[
        str | None,
        typer.Option(
            metavar="SESSION_ID", help="Those in force for this program session's attestations.", show_default=False
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Print the settings in force, where each comes from and what it does.

    A command's option wins over the environment, the environment over opco.toml, opco.toml over the default.
    """
    from orchestration.commands.settings.closing import print_settings, settings_closing
    from orchestration.settings import settings_in_force

    del debug
    place = enter(home)
    in_force = settings_in_force(place, session)
    if as_json:
        print_json(settings_closing(place, in_force))
    else:
        print_lines([f"Home: {place.folder}", f"File: {place.settings_file}"])
        print_settings(in_force)
