"""The words, dates and figures of a document in its language."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path

from reports.attestation.model import ClockTime, CodeText
from reports.language import (
    DASH,
    NO_BREAK_SPACE,
    Language,
    as_entry,
    french_typography,
    is_singular,
    read_catalogue,
    short_date,
)

CATALOGUES = Path(__file__).parent / "wording"
NOUNS = {"session": "session", "program_template": "program_template", "course": "log_course"}
"""The heading in which a noun of the platform stands alone, by its name."""


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

    def with_nouns(self, nouns: Sequence[tuple[str, str]]) -> Wording:
        """Return the wording with the platform's own nouns as headings."""
        return replace(self, texts=self.texts | {NOUNS[name]: as_entry(noun) for name, noun in nouns})

    def meaning(self, code: CodeText) -> str:
        """Return the label and the description of a code."""
        description = code.description[:1].lower() + code.description[1:]
        return self.own(self.text("meaning", label=code.label, description=description))

    def own(self, words: str) -> str:
        """Return words of ours that stand in no catalogue, such as a code's, as the language writes them."""
        return french_typography(words) if self.language == "fr" else words

    def count(self, key: str, count: int) -> str:
        """Return how many there are of what `key` names; in French none and one are singular."""
        return self.text(f"{key}_one" if is_singular(self.language, count) else f"{key}_many", count=count)

    def hundredths(self, seconds: int) -> str:
        """Return seconds as hours in hundredths, rounded down (A3)."""
        return f"{seconds // 3600}{self.texts['decimal_separator']}{seconds % 3600 // 36:02}"

    def percent(self, value: Decimal | None) -> str:
        """Return a percentage with one decimal, half up; a dash where there is none."""
        if value is None:
            return DASH
        rounded = value.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
        return self.text("percent", value=f"{rounded}".replace(".", self.texts["decimal_separator"]))

    def attested(self, signer: str | None, capacity: str | None, organisation: str | None, **values: object) -> str:
        """Return the sentence that attests (A3): who attests, as far as that is known, and `values` as attested."""
        if signer:
            if capacity:
                signer = f"{signer}, {capacity}{self.of(organisation) if organisation else ''}"
            elif organisation:
                signer = self.text("for", signer=signer, organisation=organisation)
            return self.text("attested_by_person", signer=signer, **values)
        if organisation:
            return self.text("attested_by_organisation", organisation=organisation, **values)
        return self.text("attested", **values)

    def of(self, name: str) -> str:
        """Return a name behind the preposition that says whose, elided in French before a vowel."""
        plain = unicodedata.normalize("NFD", name)[:1].lower()
        return self.text("of_vowel" if plain in set("aeiouyœæ") else "of", name=name)

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
    """Read the catalogue of a language."""
    catalogue = read_catalogue(CATALOGUES, language)
    lists = {key: tuple(catalogue.pop(key)) for key in ("months", "short_months", "weekdays", "shades")}
    return Wording(language, catalogue, **lists)


def clock_time(clock: ClockTime, *, with_offset: bool) -> str:
    """Return HH:MM:SS in the display time zone, with the offset from UTC where it is asked for."""
    shown = f"{clock.local:%H:%M:%S}"
    return shown + offset(clock) if with_offset else shown


def offset(clock: ClockTime) -> str:
    """Return the offset from UTC as ±HH:MM."""
    sign = "-" if clock.offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(clock.offset_minutes), 60)
    return f"{sign}{hours:02}:{minutes:02}"


def display_name(user_id: str, last_name: str | None, first_name: str | None) -> str:
    """Return a learner's name, last name first; the user_id where there is none."""
    return " ".join(part for part in (last_name, first_name) if part) or user_id
