"""The words, dates and figures of a document in its language."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path

from reports.attestation.model import ClockTime, CodeText, Language

CATALOGUES = Path(__file__).parent / "wording"
NARROW_NO_BREAK_SPACE = "\u202f"
NO_BREAK_SPACE = "\u00a0"
DASH = "—"


@dataclass(frozen=True)
class Wording:
    """The catalogue of one language, and how that language writes dates and figures."""

    language: Language
    texts: dict[str, str]
    months: tuple[str, ...]
    short_months: tuple[str, ...]
    shades: tuple[str, ...]
    weekdays: tuple[str, ...]

    def text(self, key: str, **values: object) -> str:
        """Return the words for `key` with `values` put in; user text among the values stays as it is."""
        return self.texts[key].format(**values)

    def meaning(self, code: CodeText) -> str:
        """Return the label and the description of a code."""
        words = self.text("meaning", label=code.label, description=code.description)
        return french_typography(words) if self.language == "fr" else words

    def hundredths(self, seconds: int) -> str:
        """Return seconds as hours in hundredths, rounded down (A3)."""
        return f"{seconds // 3600}{self.texts['decimal_separator']}{seconds % 3600 // 36:02}"

    def percent(self, value: Decimal | None) -> str:
        """Return a percentage with one decimal, half up; a dash where there is none."""
        if value is None:
            return DASH
        rounded = value.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
        return self.text("percent", value=f"{rounded}".replace(".", self.texts["decimal_separator"]))

    def long_date(self, day: date) -> str:
        """Return a day as it stands in a sentence."""
        number = self.texts["first_of_month"] if day.day == 1 else str(day.day)
        words = self.text("long_date", day=number, month=self.months[day.month - 1], year=day.year)
        return words.replace(" ", NO_BREAK_SPACE)

    def short_month(self, year: int, month: int) -> str:
        """Return a month as it stands beside its days in the calendar."""
        return f"{self.short_months[month - 1]} {year:04}"

    def planned_duration(self, seconds: int | None) -> str:
        """Return a planned duration as people say it, unlike the measured HH:MM:SS; a dash where there is none."""
        if seconds is None:
            return DASH
        hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
        if rest and hours:
            key = "hours_minutes_seconds"
        elif rest:
            key = "minutes_and_seconds"
        elif hours and minutes:
            key = "hours_and_minutes"
        else:
            key = "hours_only" if hours else "minutes_only"
        return self.text(key, hours=hours, minutes=minutes, seconds=rest).replace(" ", NO_BREAK_SPACE)

    def date_at_time(self, clock: ClockTime) -> str:
        """Return an instant as a date and a time in the display time zone."""
        return self.text(
            "date_at_time", date=short_date(clock.local), time=clock_time(clock, with_offset=clock.is_clock_change_day)
        )


@cache
def load_wording(language: Language) -> Wording:
    """Read the catalogue of a language; French double punctuation gets its narrow no-break spaces."""
    catalogue = tomllib.loads((CATALOGUES / f"{language}.toml").read_text(encoding="utf-8"))
    lists = {key: tuple(catalogue.pop(key)) for key in ("months", "short_months", "weekdays", "shades")}
    if language == "fr":
        catalogue = {key: french_typography(text) for key, text in catalogue.items()}
    return Wording(language, catalogue, **lists)


def french_typography(text: str) -> str:
    """Return French words with narrow no-break spaces at double punctuation and before %, and curved apostrophes."""
    return re.sub(r" (?=[;:!?»%])|(?<=«) ", NARROW_NO_BREAK_SPACE, text.replace("'", "’"))


def duration(seconds: int | None) -> str:
    """Return seconds as HH:MM:SS, hours may pass 99; a dash where there are none."""
    if seconds is None:
        return DASH
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def short_date(day: date) -> str:
    """Return a day as DD/MM/YYYY."""
    return f"{day.day:02}/{day.month:02}/{day.year:04}"


def clock_time(clock: ClockTime, *, with_offset: bool) -> str:
    """Return HH:MM:SS in the display time zone, with the offset from UTC where it is asked for."""
    shown = f"{clock.local:%H:%M:%S}"
    return shown + offset(clock) if with_offset else shown


def offset(clock: ClockTime) -> str:
    """Return the offset from UTC as ±HH:MM."""
    sign = "-" if clock.offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(clock.offset_minutes), 60)
    return f"{sign}{hours:02}:{minutes:02}"
