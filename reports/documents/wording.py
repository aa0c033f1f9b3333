"""The words of these documents: those of the attestation, and their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from reports.attestation.wording import Wording
from reports.attestation.wording import load_wording as load_shared
from reports.language import NO_BREAK_SPACE, Language, read_catalogue

CATALOGUES = Path(__file__).parent / "wording"


@cache
def load_wording(language: Language) -> Wording:
    """Read the words of a language."""
    shared = load_shared(language)
    return replace(shared, texts=shared.texts | read_catalogue(CATALOGUES, language))


def hours_and_minutes(seconds: int) -> str:
    """Return seconds as HH:MM, rounded down (D1); hours may pass 99."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}"


def month_name(wording: Wording, month: str) -> str:
    """Return a month (YYYY-MM) as it stands in a sentence."""
    year, number = month.split("-")
    return f"{wording.months[int(number) - 1]}{NO_BREAK_SPACE}{year}"


def listed(wording: Wording, names: Sequence[str], most: int = 12) -> str:
    """Return names in a row, and how many more there are."""
    more = f" {wording.text('and_more', count=len(names) - most)}" if len(names) > most else ""
    return ", ".join(names[:most]) + more
