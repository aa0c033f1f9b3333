"""Instants and days as they are asked for: the clock of a load and a build, a date of issue, a day."""

from __future__ import annotations

from datetime import UTC, date, datetime

from reports.days import EXAMPLES, read_day
from warehouse.errors import UserError


def clock(as_of: str | None) -> datetime:
    """Return `as_of` as an aware UTC instant, or now when it is None.

    Raises UserError when it is no instant or has no offset.
    """
    if as_of is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(as_of)
    except ValueError as error:
        raise UserError(f"--as-of {as_of!r} is no instant. Write it like 2026-11-10T06:00:00Z.") from error
    if instant.tzinfo is None:
        raise UserError(
            f"--as-of {as_of!r} says no time zone. Add one: {as_of}{'' if 'T' in as_of else 'T00:00:00'}Z is UTC."
        )
    return instant.astimezone(UTC)


def calendar_day(text: str | None, name: str) -> date | None:
    """Return the day that `text` is, None for None. Raises UserError when it is none; `name` is what asked for it."""
    if text is None:
        return None
    try:
        return read_day(text)
    except ValueError as error:
        raise UserError(f"{name} {text!r} is no day. Write it like {EXAMPLES}.") from error
