"""What was told, and what waits to be told: one small file, written whole before and after each message."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

from reports.alarms.causes import Cause, Kind
from warehouse.errors import OpcoError
from warehouse.files import written_atomically

STATE = "state.json"
FORMAT = 1
LONGEST_PAUSE = timedelta(hours=1)


@dataclass
class Waiting:
    """A message to be sent: its causes, and which recipients have it already."""

    causes: list[Cause]
    since: str
    reached: list[str] = field(default_factory=list)


@dataclass
class AlarmState:
    """What the alarms remember. Instants are texts as `datetime.isoformat` writes them.

    `known`: when each cause that still holds was first seen, by key. `seen_until` and `seen_runs`: up to which
    instant runs were looked at, and which of the last ones. `last_error`: why the mail server took nothing; it is
    asked again at `next_try_at`.
    """

    known: dict[str, str] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    seen_until: str | None = None
    seen_runs: dict[str, str] = field(default_factory=dict)
    tries: int = 0
    next_try_at: str | None = None
    last_error: str | None = None

    def take(self, causes: Iterable[Cause], now: datetime) -> None:
        """Remember `causes`; those not known yet make one message that waits."""
        new = [cause for cause in {cause.key: cause for cause in causes}.values() if cause.key not in self.known]
        for cause in new:
            self.known[cause.key] = now.isoformat()
        if new:
            self.waiting.append(Waiting(new, now.isoformat()))

    def end(self, prefix: str, but: Iterable[str] = ()) -> None:
        """Forget the causes whose key begins with `prefix`, except the keys `but`: back again, they are told again."""
        kept = set(but)
        self.known = {key: at for key, at in self.known.items() if not key.startswith(prefix) or key in kept}

    def replace(self, kinds: Iterable[Kind], causes: Iterable[Cause], now: datetime) -> None:
        """Take `causes` as all that now holds of `kinds`: the others of these kinds have ended."""
        found = list(causes)
        for kind in kinds:
            self.end(f"{kind}/", but=[cause.key for cause in found])
        self.take(found, now)

    def may_try(self, now: datetime) -> bool:
        """Tell whether the mail server is to be asked now."""
        return self.next_try_at is None or now >= datetime.fromisoformat(self.next_try_at)

    def failed(self, error: str, now: datetime) -> None:
        """Remember that the mail server took nothing: it is asked again after 1, 2, 4… minutes, at most an hour."""
        self.last_error = error
        self.next_try_at = (now + min(timedelta(minutes=2**self.tries), LONGEST_PAUSE)).isoformat()
        # Beyond this the pause is the longest one.
        self.tries = min(self.tries + 1, 10)

    def sent(self) -> None:
        """Forget earlier failures."""
        self.tries, self.next_try_at, self.last_error = 0, None, None


def read_alarm_state(folder: Path) -> AlarmState:
    """Return what is remembered under `folder`; nothing where nothing is. Raises OpcoError if it cannot be read."""
    path = folder / STATE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return AlarmState()
    except (OSError, ValueError) as error:
        raise OpcoError(_unreadable(path, error)) from error
    try:
        if content.pop("format") != FORMAT:
            raise ValueError("of another version of opco-warehouse")
        waiting = [
            Waiting([_cause(cause) for cause in one["causes"]], one["since"], one["reached"])
            for one in content.pop("waiting")
        ]
        return AlarmState(**content, waiting=waiting)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OpcoError(_unreadable(path, error)) from error


@contextmanager
def kept_alarm_state(folder: Path) -> Iterator[tuple[AlarmState, Keep]]:
    """Yield what is remembered under `folder`, for one process at a time, and a function that writes it.

    Errors as `read_alarm_state`, and OSError where it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a", encoding="ascii") as lock:
        flock(lock, LOCK_EX)
        state = read_alarm_state(folder)
        yield state, Keep(folder, state)


@dataclass(frozen=True)
class Keep:
    """Writes a state."""

    folder: Path
    state: AlarmState

    def __call__(self) -> None:
        """Write the state, whole or not at all."""
        with written_atomically(self.folder / STATE) as temporary:
            content = {"format": FORMAT, **asdict(self.state)}
            temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _cause(content: dict[str, Any]) -> Cause:
    return Cause(**{**content, "lines": tuple(content["lines"]), "commands": tuple(content["commands"])})


def _unreadable(path: Path, error: Exception) -> str:
    return (
        f"{path} cannot be read ({error}).\nRestore it from a backup, or delete it: what is amiss is then told again."
    )
