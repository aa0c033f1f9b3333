"""How far a command is, on the terminal: bars where there is one, plain lines elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from orchestration.terminal import plain


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
