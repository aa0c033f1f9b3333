"""What a person sees in the terminal: bars where there is one, plain lines elsewhere, closing lines, errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from orchestration.settings import SettingInForce


# Where nobody reads along, a line is not wrapped.
WIDE = 400


def plain(text: object) -> str:
    """Return `text` without characters that would steer a terminal."""
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in str(text))


class TerminalProgress:
    """Progress on stderr: a bar on a terminal, one line a stage elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars: Progress | None = None
        if self._console.is_terminal:
            self._bars = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}", style="dim", markup=False),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
        self._task: TaskID | None = None

    def shown(self) -> AbstractContextManager[object]:
        """Show the progress while the block lasts."""
        return self._bars or nullcontext()

    def stage(self, title: str, total: int | None = None) -> None:
        """Begin a stage; the one before it is over."""
        if self._bars is None:
            self._console.print(Text(f"{title}…"))
            return
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(title, total=total, note="")

    def step(self, note: str = "") -> None:
        """Move the bar by one."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, advance=1, note=plain(note))

    def at(self, done: int, total: int, note: str = "") -> None:
        """Set the bar."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=done, total=total, note=plain(note))


def print_lines(lines: Iterable[str]) -> None:
    """Print closing lines on stdout, as they are."""
    for line in lines:
        sys.stdout.write(plain(line) + "\n")


def print_settings(in_force: Iterable[SettingInForce]) -> None:
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


def print_json(closing: Mapping[str, Any]) -> None:
    """Print the one machine-readable line on stdout."""
    sys.stdout.write(json.dumps(closing, ensure_ascii=False, default=str) + "\n")


def print_error(message: str) -> None:
    """Print an error on stderr: the first line says what is wrong, the others what to do."""
    Console(stderr=True).print(Text.assemble(("Error: ", "bold red"), plain(message)), soft_wrap=True)


def size(byte_count: int) -> str:
    """Return a size for people: `812 B`, `4.1 kB`, `1.2 MB`."""
    if byte_count < 1000:
        return f"{byte_count} B"
    for unit, factor in (("kB", 1e3), ("MB", 1e6)):
        if byte_count < factor * 1000:
            return f"{byte_count / factor:.1f} {unit}"
    return f"{byte_count / 1e9:.1f} GB"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return `1 row`, `2 rows`, `1,234 rows`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
