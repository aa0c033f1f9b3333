"""How a long step reports how far it is to the person who waits."""

from __future__ import annotations

from typing import Protocol

from warehouse.steps import TellStep


class Progress(Protocol):
    """Where steps report to: a terminal, a log, or nobody."""

    def stage(self, title: str, total: int | None = None, note: str = "") -> None:
        """Start a stage of `total` steps, if that is known; the one before it is over. `note` is the first step."""

    def step(self, note: str = "") -> None:
        """One step of the stage is done."""

    def at(self, done: int, total: int, note: str = "") -> None:
        """`done` of `total` steps of the stage are done."""


class NoProgress:
    """Reports to nobody: what is worth keeping of a run is in its log and its metadata."""

    def stage(self, title: str, total: int | None = None, note: str = "") -> None:
        """Ignore the stage."""

    def step(self, note: str = "") -> None:
        """Ignore the step."""

    def at(self, done: int, total: int, note: str = "") -> None:
        """Ignore the position."""


def counted_stage(progress: Progress, title: str) -> TellStep:
    """Return what to call with the steps done, all of them, and what is waited for: the first call starts the stage.

    So its first line has a total, which is found by the step that does the work.
    """
    is_started = False

    def report(done: int, total: int, note: str) -> None:
        nonlocal is_started
        if not is_started:
            is_started = True
            progress.stage(title, total, note)
        else:
            progress.at(done, total, note)

    return report
