"""The clock of a load and a build: now, or the instant that was asked for."""

from __future__ import annotations

from datetime import UTC, datetime

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
