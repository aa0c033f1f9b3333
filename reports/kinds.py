"""The types of inputs, which settings share, and what a type cannot say of the values that it allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints


@dataclass(frozen=True)
class Allowed:
    """What a value may be, where type and limits do not say it: `{}` is what they say, `{ge}` and `{le}` the limits.

    Stands in the annotation behind what it describes.
    """

    words: str


def _blank_as_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _lines(value: object) -> object:
    # Titles may hold commas and blanks; a variable or an option is one text.
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.replace("\n", ";").split(";") if part.strip())


BlankAsNone = BeforeValidator(_blank_as_none)
Text = Annotated[Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] | None, BlankAsNone]
ImageName = Annotated[Text, Allowed("file name (PNG, JPEG or SVG)")]
Titles = Annotated[
    tuple[str, ...], BeforeValidator(_lines), Allowed("titles (a list; in a variable parted by semicolons)")
]
