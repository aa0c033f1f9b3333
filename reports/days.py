"""Days as people write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

FORMATS = {r"\d{4}-\d{2}-\d{2}": "%Y-%m-%d", r"\d{2}/\d{2}/\d{4}": "%d/%m/%Y"}
EXAMPLES = "10/11/2026 (day/month/year) or 2026-11-10"


def read_day(text: str) -> date:
    """Return the day that `text` is, DD/MM/YYYY or YYYY-MM-DD. Raises ValueError for anything else."""
    for pattern, form in FORMATS.items():
        if re.fullmatch(pattern, text, re.ASCII):
            return datetime.strptime(text, form).date()  # noqa: DTZ007
    raise ValueError(f"{text!r} is no day")


def today_in(zone: str) -> date:
    """Return today's date in a time zone."""
    return datetime.now(UTC).astimezone(ZoneInfo(zone)).date()
