"""What was reported, and what waits to be: one small file, written whole before and after each message."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from fcntl import LOCK_EX, flock
from functools import partial
from pathlib import Path
from typing import Any

from orchestration.defs.alerts.alert import Alert, Kind
from warehouse.errors import OpcoError
from warehouse.files import written_atomically

STATE = "state.json"
FORMAT = 1
LONGEST_PAUSE = timedelta(hours=1)
Save = Callable[[], None]


@dataclass
class Waiting:
    """A message to be sent: its alerts, and which recipients have it already."""

    alerts: list[Alert]
    since: str
    reached: list[str] = field(default_factory=list)


@dataclass
class AlertState:
    """What was reported and what waits. Instants are texts as `datetime.isoformat` writes them.

    `known`: when each problem that lasts was first seen, by key. `seen_until` and `seen_runs`: up to which
    instant runs were checked, and which of the last ones. `last_error`: why the mail server took nothing; it is
    asked again at `next_try_at`.
    """

    known: dict[str, str] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    seen_until: str | None = None
    seen_runs: dict[str, str] = field(default_factory=dict)
    tries: int = 0
    next_try_at: str | None = None
    last_error: str | None = None

    def take(self, alerts: Iterable[Alert], now: datetime) -> None:
        """Remember `alerts`; those not known yet make one message that waits."""
        new = [alert for alert in {alert.key: alert for alert in alerts}.values() if alert.key not in self.known]
        for alert in new:
            self.known[alert.key] = now.isoformat()
        if new:
            self.waiting.append(Waiting(new, now.isoformat()))

    def end(self, prefix: str, but: Iterable[str] = ()) -> None:
        """Forget the alerts whose key begins with `prefix`, except the keys `but`: if they come back, they are new."""
        kept = set(but)
        self.known = {key: at for key, at in self.known.items() if not key.startswith(prefix) or key in kept}

    def replace(self, kinds: Iterable[Kind], alerts: Iterable[Alert], now: datetime) -> None:
        """Take `alerts` as all current ones of `kinds`: the others of these kinds have ended."""
        found = list(alerts)
        for kind in kinds:
            self.end(f"{kind}/", but=[alert.key for alert in found])
        self.take(found, now)

    def may_try(self, now: datetime) -> bool:
        """Tell whether the mail server is to be asked now."""
        if self.next_try_at is None:
            return True
        pause = datetime.fromisoformat(self.next_try_at) - now
        # A longer pause is one of a clock that was ahead.
        return not timedelta() < pause <= LONGEST_PAUSE

    def failed(self, error: str, now: datetime) -> None:
        """Remember that the mail server took nothing: it is asked again after 1, 2, 4… minutes, at most an hour."""
        self.last_error = error
        self.next_try_at = (now + min(timedelta(minutes=2**self.tries), LONGEST_PAUSE)).isoformat()
        # Beyond this the pause is the longest one.
        self.tries = min(self.tries + 1, 10)

    def sent(self) -> None:
        """Forget earlier failures."""
        self.tries, self.next_try_at, self.last_error = 0, None, None


def read_alert_state(folder: Path) -> AlertState:
    """Return what is remembered under `folder`; nothing where nothing is. Raises OpcoError if it cannot be read."""
    path = folder / STATE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return AlertState()
    except (OSError, ValueError) as error:
        raise OpcoError(_unreadable(path, error)) from error
    try:
        if content.pop("format") != FORMAT:
            raise ValueError("of another version of opco-warehouse")
        waiting = [
            Waiting([_alert(alert) for alert in one["alerts"]], one["since"], one["reached"])
            for one in content.pop("waiting")
        ]
        return AlertState(**content, waiting=waiting)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OpcoError(_unreadable(path, error)) from error


@contextmanager
def locked_alert_state(folder: Path) -> Iterator[tuple[AlertState, Save]]:
    """Yield what is remembered under `folder`, for one process at a time, and a function that writes it.

    Errors as `read_alert_state`, and OSError where it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a", encoding="ascii") as lock:
        flock(lock, LOCK_EX)
        state = read_alert_state(folder)
        yield state, partial(_write, folder / STATE, state)


def _write(path: Path, state: AlertState) -> None:
    """Write the state, whole or not at all."""
    with written_atomically(path) as temporary:
        content = {"format": FORMAT, **asdict(state)}
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _alert(content: dict[str, Any]) -> Alert:
    return Alert(**{**content, "lines": tuple(content["lines"]), "commands": tuple(content["commands"])})


def _unreadable(path: Path, error: Exception) -> str:
    return (
        f"{path} cannot be read ({error}).\n"
        "Restore it from a backup, or delete it: current problems are then reported again."
    )
