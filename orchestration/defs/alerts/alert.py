"""One problem to report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal[
    "run", "tick", "night", "check", "rejects", "stale", "gone", "purged", "reused", "doubtful", "home", "service"
]


@dataclass(frozen=True)
class Alert:
    """One problem to report.

    `key` begins with the kind and a `/`, and stays the same as long as the problem lasts: it is reported once, and
    again only if it ended and came back. Alerts of one `group` are reported together. `values` fill the wording of the
    kind, `lines` are the first lines of the cause, `commands` look further (after `opco`, without --home).
    """

    kind: Kind
    key: str
    group: str
    values: dict[str, str]
    lines: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def utc(instant: datetime) -> str:
    """Return an instant of UTC as the values of alerts have it."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
