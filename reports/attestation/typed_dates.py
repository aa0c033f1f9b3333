"""The dates in a duration of training sessions as typed, compared with those of the session."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from functools import cache

from reports.attestation.model import Session
from reports.attestation.wording import load_wording
from reports.language import short_date

ISO = re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b")
NUMBERS = re.compile(r"\b(?P<day>\d{1,2})[/.](?P<month>\d{1,2})(?:[/.](?P<year>\d{4}))?(?![\d.,])")
TO = r"(?:au|a|to|until|et|and|-|–)"


def contradiction(typed: str | None, session: Session) -> str:
    """Return how the dates of a typed duration contradict those of the session, for a warning; else an empty text.

    They do where one of them lies outside the session, or where the first and the last of several are not its first
    and last day. Read are days such as 14/09/2026, 2026-09-14, 14 septembre 2026, du 14 au 30 octobre, Sept 14, 2026.
    """
    first, last = session.starts_on, session.ends_on
    found = sorted(typed_dates(typed or "", (first or last or date.min).year))
    if not found or not (first or last):
        return ""
    is_outside = (first is not None and found[0] < first) or (last is not None and found[-1] > last)
    is_apart = len(found) > 1 and (found[0] != (first or found[0]) or found[-1] != (last or found[-1]))
    if not is_outside and not is_apart:
        return ""
    dates = " to ".join(dict.fromkeys(short_date(day) for day in (found[0], found[-1])))
    session_dates = " to ".join(short_date(day) if day else "…" for day in (first, last))
    return f'the duration "{typed}" says {dates}, and the session is of {session_dates}: one of them is wrong'


def typed_dates(text: str, year: int) -> set[date]:
    """Return the days that a text names; without a year they are of the one that follows in it, else of `year`."""
    plain = _plain(text)
    places: list[tuple[int, str, str, str]] = []
    for pattern in (ISO, NUMBERS, _words(), _words_first()):
        for match in pattern.finditer(plain):
            part = match.groupdict()
            places.append((match.start(), part["day"], part["month"], part["year"] or ""))
            if part.get("from_day"):
                places.append((match.start(), part["from_day"], part["month"], part["year"] or ""))
    return set(_days(sorted(places, reverse=True), year))


def _days(places: list[tuple[int, str, str, str]], year: int) -> Iterator[date]:
    """Yield the days from the last in the text to the first."""
    for _, day, month, own_year in places:
        year = int(own_year or year)
        try:
            yield date(year, int(month) if month.isdigit() else _months()[month], int(day))
        except ValueError:
            continue


@cache
def _months() -> dict[str, int]:
    """Return the months' names without accents and their short forms without dots, of both languages."""
    names = {}
    for language in ("fr", "en"):
        wording = load_wording(language)
        for months in (wording.months, wording.short_months):
            for number, name in enumerate(months, start=1):
                names[_plain(name.rstrip("."))] = number
    return names


def _plain(text: str) -> str:
    """Return text in small letters without accents."""
    return "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))


def _any_month() -> str:
    return "|".join(sorted(_months(), key=len, reverse=True))


@cache
def _words() -> re.Pattern[str]:
    return re.compile(
        rf"(?:\b(?P<from_day>\d{{1,2}})(?:er)?\s+{TO}\s+)?\b(?P<day>\d{{1,2}})(?:er|st|nd|rd|th)?\s+"
        rf"(?P<month>{_any_month()})\b\.?(?:\s+(?P<year>\d{{4}})\b)?"
    )


@cache
def _words_first() -> re.Pattern[str]:
    return re.compile(rf"\b(?P<month>{_any_month()})\.?\s+(?P<day>\d{{1,2}})\b(?!\s*:)(?:,?\s+(?P<year>\d{{4}})\b)?")
