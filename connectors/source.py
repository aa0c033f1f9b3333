"""What every kind of source offers, and what a pull gives it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from connectors.report import SourceReport
from warehouse.files import make_folder

INSTANT = "%Y-%m-%dT%H%M%S%fZ"


@dataclass(frozen=True, kw_only=True)
class PullContext:
    """One pull of one source.

    `name` is that of its section [sources.NAME], `home` the folder that relative paths begin at, `started_at` the start
    of the pull (aware, UTC), `previous` the last whole delivery, None at the first pull, `staging` the folder of the
    delivery that is being made. With `is_full` the source is read from its beginning.
    """

    name: str
    home: Path
    started_at: datetime
    previous: Path | None
    staging: Path
    is_full: bool = False
    on_progress: Callable[[str], None] = lambda _step: None
    kept: set[Path] = field(default_factory=set)
    """The files that `keep_snapshot` has taken over: they have been through what a delivery does to new ones."""

    def snapshot_file(self, table: str) -> Path:
        """Return where this source's part of a snapshot table is written, once a pull."""
        return self._part(table, f"{self.name}.parquet")

    def growing_file(self, table: str) -> Path:
        """Return where new rows of a growing table are written; it sorts after the files of earlier pulls."""
        return self._part(table, f"{self.name}-{self.started_at.strftime(INSTANT)}.parquet")

    def state_file(self, name: str) -> Path:
        """Return where a part of the source's state is written, such as `memberships.parquet`, without a hyphen.

        What is not written is gone at the next pull.
        """
        return self.staging / f"_{self.name}-{name}"

    def previous_state_file(self, name: str) -> Path | None:
        """Return that part of the state as the last delivery has it; None where there is none."""
        return _existing(self.previous, f"_{self.name}-{name}")

    def previous_snapshot(self, table: str) -> Path | None:
        """Return this source's part of a snapshot table as last delivered; None where there is none.

        Its ids have the prefix that the delivery has put before them.
        """
        return _existing(self.previous, f"{table}/{self.name}.parquet")

    def keep_snapshot(self, table: str) -> None:
        """Deliver this source's part of a snapshot table as it was last delivered, with its prefix and forgettings."""
        file = self.snapshot_file(table)
        os.link(self._previous(f"{table}/{self.name}.parquet"), file)
        self.kept.add(file)

    def keep_state_file(self, name: str) -> None:
        """Leave a part of the state as the last delivery has it."""
        os.link(self._previous(f"_{self.name}-{name}"), self.state_file(name))

    def others_snapshots(self, table: str) -> list[Path]:
        """Return the parts of a snapshot table that the other sources of the home deliver, this time or last."""
        return sorted(path for path in (self.staging / table).glob("*.parquet") if path.stem != self.name)

    def state(self) -> dict[str, Any]:
        """Return the state that `save_state` kept with the last delivery; empty at first, and of a full pull."""
        path = None if self.is_full else self.previous_state_file("state.json")
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path else {}
        return content

    def save_state(self, state: dict[str, Any]) -> None:
        """Keep the state, such as a cursor, with the delivery: it moves when the data move, and never alone."""
        self.state_file("state.json").write_text(json.dumps(state, indent=1, sort_keys=True), encoding="utf-8")

    def _previous(self, name: str) -> Path:
        if self.previous is None:
            raise FileNotFoundError(name)
        return self.previous / name

    def _part(self, table: str, name: str) -> Path:
        make_folder(self.staging / table)
        return self.staging / table / name


class Source(Protocol):
    """A configured source. Errors of both are UserError where the person who set it up can cure them."""

    @property
    def kind(self) -> str:
        """The kind, as the setting `kind` names it."""

    @property
    def id_prefix(self) -> str:
        """What the delivery puts before every id, so that those of two sources differ; empty for none."""

    def check(self, home: Path) -> SourceReport:
        """Look at the source without writing anything: `opco check-source`."""

    def pull(self, context: PullContext) -> SourceReport:
        """Write what is new into the delivery that is being made, with ids as the source has them."""


def _existing(folder: Path | None, name: str) -> Path | None:
    path = folder / name if folder else None
    return path if path and path.exists() else None


def in_order(sources: Iterable[tuple[str, Source]]) -> list[tuple[str, Source]]:
    """Return sources in the order of a pull: those last that look up people whom another one delivers."""
    return sorted(sources, key=lambda one: (one[1].kind == "virtual-classes", one[0]))
