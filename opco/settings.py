"""`opco settings`: the settings in force."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from opco.options import DebugOption, HomeOption, JsonOption, app
from opco.running import open_home
from opco.terminal import HomeResult, print_result
from orchestration.home.settings import SettingInForce, settings_in_force

MOST_COLUMNS = 100
INDENT = "    "


@app.command(epilog="Example:  opco settings --home /srv/opco")
def settings(
    session: Annotated[
        str | None, typer.Option(metavar="SESSION_ID", help="Those in force for this program session's attestations.")
    ] = None,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Print the settings in force, where each comes from and what it does.

    A command's option wins over the environment, the environment over opco.toml, opco.toml over the default.
    """
    home = open_home(home_folder)
    print_result(SettingsResult(home.folder, home.settings_file, settings_in_force(home, session)), as_json=as_json)


@dataclass(frozen=True)
class SettingsResult(HomeResult, command="settings"):
    """The settings in force, in the order of their sections."""

    file: Path
    settings: list[SettingInForce]

    def facts(self) -> dict[str, Any]:
        """Return the settings by key, each with where it comes from and what it does."""
        names = ("value", "origin", "variable", "allowed", "description")
        return {
            "home": self.home,
            "settings": {one.key: {name: getattr(one, name) for name in names} for one in self.settings},
        }

    def lines(self) -> Iterator[str]:
        """Yield the settings section by section: each with its origin, below it what it does."""
        yield f"Home: {self.home}"
        yield f"File: {self.file}"
        section = ""
        for one in self.settings:
            if not one.key.startswith(f"{section}."):
                section = one.key.split(".")[0]
                yield ""
                yield f"[{section}]"
            value = "none" if one.value is None else str(one.value)
            yield from _wrapped(f"{one.key.split('.')[1]} = {value}  ({one.origin})", "", INDENT * 2)
            yield from _wrapped(f"{one.description} Allowed: {one.allowed}.", INDENT, INDENT)


def _wrapped(text: str, first: str, further: str) -> list[str]:
    """Return lines no wider than the terminal, nor than what reads well; a long word, as an address is, in pieces."""
    width = max(40, min(shutil.get_terminal_size((MOST_COLUMNS, 24)).columns, MOST_COLUMNS))
    # A hyphen stays where it is: names and addresses are copied from here.
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=further, break_on_hyphens=False)
