"""What `opco settings` says."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestration.commands.closing import Closing
from orchestration.home import Home
from orchestration.settings import SettingInForce
from orchestration.terminal import plain

# Where nobody reads along, a line is not wrapped.
WIDE = 400


def settings_closing(home: Home, in_force: Sequence[SettingInForce]) -> Closing:
    """Return the settings by key, each with where it comes from and what it does."""
    described = {
        one.key: {
            "value": one.value,
            "origin": one.origin,
            "variable": one.variable,
            "description": one.description,
        }
        for one in in_force
    }
    return {"command": "settings", "ok": True, "home": str(home.folder), "settings": described}


def print_settings(in_force: Sequence[SettingInForce]) -> None:
    """Print settings on stdout, section by section; wrapped to the terminal, elsewhere one a line."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("Setting", "Value", "From"):
        table.add_column(header, overflow="fold", no_wrap=header != "Value")
    table.add_column("What it does", overflow="fold")
    section = ""
    for one in in_force:
        if not one.key.startswith(f"{section}."):
            section = one.key.split(".")[0]
            table.add_row()
            table.add_row(Text(f"[{section}]", style="bold"))
        name, value = one.key.split(".")[1], "none" if one.value is None else one.value
        table.add_row(*(Text(plain(cell)) for cell in (name, value, one.origin, one.description)))
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)
