"""French and English as documents and pages write them: catalogues of words, figures, dates, punctuation."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

Language = Literal["fr", "en"]
NARROW_NO_BREAK_SPACE = "\u202f"
NO_BREAK_SPACE = "\u00a0"
DASH = "—"


def read_catalogue(folder: Path, language: Language) -> dict[str, Any]:
    """Return the words of `folder`/<language>.toml by key; French texts as `french_typography` writes them."""
    catalogue = tomllib.loads((folder / f"{language}.toml").read_text(encoding="utf-8"))
    if language == "en":
        return catalogue
    return {key: french_typography(text) if isinstance(text, str) else text for key, text in catalogue.items()}


@cache
def mail_catalogue(folder: Path, language: Language) -> dict[str, Any]:
    """Return the words of a mail by key, as they stand: not every reader of mail shows narrow spaces."""
    return tomllib.loads((folder / f"{language}.toml").read_text(encoding="utf-8"))


def as_entry(text: str) -> str:
    """Return user text as an entry of a catalogue: a brace in it is no place for a value."""
    return text.replace("{", "{{").replace("}", "}}")


def is_singular(language: Language, count: int) -> bool:
    """Return whether `count` things are named in the singular: one, and in French none."""
    return count == 1 or (count == 0 and language == "fr")


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
