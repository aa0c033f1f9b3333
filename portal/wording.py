"""The words of the pages, in the reader's language; figures and dates are written as the attestations write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

from reports.attestation.wording import load_wording
from reports.documents.wording import load_wording as load_document_wording
from reports.documents.wording import month_name
from reports.language import (
    DASH,
    NARROW_NO_BREAK_SPACE,
    Language,
    as_entry,
    duration,
    is_singular,
    read_catalogue,
    short_date,
)

CATALOGUES = Path(__file__).parent / "wording"
LANGUAGES: tuple[Language, ...] = ("fr", "en")


@dataclass(frozen=True)
class Words:
    """The catalogue of one language."""

    language: Language
    texts: Mapping[str, str]

    def text(self, key: str, **values: object) -> str:
        """Return the words for `key` with `values` put in; user text among the values stays as it is."""
        return self.texts[key].format(**values)

    def counted(self, key: str, count: int, **values: object) -> str:
        """Return the words for a number of things: those of `<key>_one` or of `<key>_many`."""
        ending = "one" if is_singular(self.language, count) else "many"
        return self.text(f"{key}_{ending}", count=self.number(count), **values)

    def number(self, value: int) -> str:
        """Return a whole number with its thousands apart."""
        return f"{value:,}".replace(",", NARROW_NO_BREAK_SPACE if self.language == "fr" else ",")

    def hours(self, seconds: int | None) -> str:
        """Return seconds as HH:MM:SS; a dash where there are none."""
        return duration(seconds)

    def hundredths(self, seconds: int) -> str:
        """Return seconds as hours in hundredths, rounded down (A3)."""
        return load_wording(self.language).hundredths(seconds)

    def planned(self, seconds: int | None) -> str:
        """Return a planned duration as people say it."""
        return load_wording(self.language).planned_duration(seconds)

    def percent(self, value: Decimal | None) -> str:
        """Return a percentage with one decimal, half up (A); a dash where there is none."""
        return load_wording(self.language).percent(value)

    def day(self, value: date | None) -> str:
        """Return a day as DD/MM/YYYY; a dash where there is none."""
        return DASH if value is None else short_date(value)

    def month(self, value: str) -> str:
        """Return a month (YYYY-MM) as it stands in a sentence."""
        return month_name(load_wording(self.language), value)

    def short_hours(self, seconds: int) -> str:
        """Return seconds as H:MM, rounded down, where there is no room for more."""
        return f"{seconds // 3600}:{seconds // 60 % 60:02}"

    @property
    def weekdays(self) -> tuple[str, ...]:
        """The days of the week, short, from Monday on."""
        return load_wording(self.language).weekdays

    def period(self, first: date | None, last: date | None) -> str:
        """Return the time from one day to another, of which one may be open."""
        if first and last:
            return self.text("period_days", first=self.day(first), last=self.day(last))
        return self.text("period_from" if first else "period_to", day=self.day(first or last))

    def clock(self, value: datetime | None) -> str:
        """Return a local instant as DD/MM/YYYY HH:MM; a dash where there is none."""
        return DASH if value is None else f"{short_date(value)} {value:%H:%M}"

    def clock_seconds(self, value: datetime | None) -> str:
        """Return a local instant as DD/MM/YYYY HH:MM:SS; a dash where there is none."""
        return DASH if value is None else f"{short_date(value)} {value:%H:%M:%S}"

    def size(self, byte_count: int) -> str:
        """Return a size for people."""
        unit, point = ("o", ",") if self.language == "fr" else ("B", ".")
        if byte_count < 1000:
            return f"{byte_count} {unit}"
        factor, prefix = next(
            ((factor, prefix) for factor, prefix in ((1e3, "k"), (1e6, "M")) if byte_count < factor * 1000), (1e9, "G")
        )
        return f"{byte_count / factor:.1f}".replace(".", point) + f" {prefix}{unit}"


NOUNS = {
    "sessions": ("nav_sessions", "download_filter_sessions"),
    "session": ("sessions_name", "learners_by_session"),
    "program_template": ("sessions_template",),
    "course": ("course",),
}
"""The headings in which a noun stands alone, by its setting; sentences keep ours, with which they agree."""


OF_DOCUMENTS = ("proof_levels", "proof_work", "proof_tutored", "proof_consultation", "consultation_alone")
"""Words that documents print of the same figures."""


@cache
def load_words(language: Language, nouns: tuple[tuple[str, str], ...] = ()) -> Words:
    """Read the catalogue of a language; `nouns` are those of the settings [platform] that are set, by name."""
    headings = {key: as_entry(noun) for name, noun in nouns for key in NOUNS[name]}
    documents = load_document_wording(language).texts
    shared = {key: documents[key] for key in OF_DOCUMENTS}
    return Words(language, read_catalogue(CATALOGUES, language) | shared | headings)


def preferred_language(accepted: str | None) -> Language:
    """Return the language that a header Accept-Language likes best of ours; French where it says nothing of them."""
    best: tuple[float, Language] = (0.0, "fr")
    for part in (accepted or "")[:500].split(","):
        tag, _, parameters = part.strip().partition(";")
        try:
            weight = float(parameters.strip().removeprefix("q=")) if parameters else 1.0
        except ValueError:
            continue
        for language in LANGUAGES:
            if tag.partition("-")[0].strip().lower() == language and weight > best[0]:
                best = (weight, language)
    return best[1]
