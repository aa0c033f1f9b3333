"""What a setting can be: the kinds that sections share, and what a section is."""

from __future__ import annotations

import difflib
import importlib.resources
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, StringConstraints
from pydantic_settings import NoDecode

from orchestration.times import checked_time

ALLOWED = "allowed"
"""Marks what a setting may be, in words."""
SECRET = "secret"  # noqa: S105 - the mark, not a secret
"""Marks a setting that only the environment may give, and that nothing ever shows."""


class Section(BaseModel):
    """One table of `opco.toml`."""

    # What was wrong is told by `orchestration.settings`, which keeps secrets to itself.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


def _none_as_word(value: object) -> object:
    # TOML has no null, and a variable must be able to take back what opco.toml sets.
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


def _blank_as_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _words(value: object) -> object:
    # A variable is one text: its words are parted by commas or blanks.
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _known_zone(name: str) -> str:
    zones = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    if name not in zones:
        near = difflib.get_close_matches(name, zones, n=3, cutoff=0.5)
        raise ValueError("no time zone of the IANA list" + (f"; nearest: {', '.join(near)}" if near else ""))
    return name


Whole = Annotated[int, BeforeValidator(_no_truth_value)]
Number = Annotated[float, BeforeValidator(_no_truth_value)]
Zone = Annotated[str, AfterValidator(_known_zone)]
Time = Annotated[str, AfterValidator(checked_time)]
Text = Annotated[
    Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] | None, BeforeValidator(_blank_as_none)
]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Secret = Annotated[SecretStr | None, BeforeValidator(_blank_as_none)]
OrNone = BeforeValidator(_none_as_word)
"""Of a setting that may be None: the word none says so."""
