"""How a long step reports how far it is to the person who waits."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Where steps report to: a terminal, a log, or nobody."""

    def stage(self, title: str, total: int | None = None) -> None:
        """Start a stage; `total` is the number of its steps when known. The stage before it is over."""

    def step(self, note: str = "") -> None:
        """One step of the stage is done."""

    def at(self, done: int, total: int, note: str = "") -> None:
        """`done` of `total` steps of the stage are done."""


class NoProgress:
    """Reports to nobody: what is worth keeping of a run is in its log and its metadata."""

    def stage(self, title: str, total: int | None = None) -> None:
        """Ignore the stage."""

    def step(self, note: str = "") -> None:
        """Ignore the step."""

    def at(self, done: int, total: int, note: str = "") -> None:
        """Ignore the position."""
