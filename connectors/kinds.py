"""Types of settings that several kinds of sources share."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator


def known_zone(name: str) -> str:
    """Return the name of a time zone; raises ValueError where the IANA list has none of it."""
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError("no time zone of the IANA list, such as Europe/Paris") from None
    return name


Zone = Annotated[str, AfterValidator(known_zone)]
