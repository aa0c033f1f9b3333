"""The types of settings that sections share, what a section is, and what a type allows, in words."""

from __future__ import annotations

import codecs
import contextlib
import difflib
import importlib.resources
import re
from collections.abc import Iterable
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, StringConstraints
from pydantic.fields import FieldInfo

from orchestration.home.times import checked_time
from reports.kinds import Allowed, BlankAsNone


class Section(BaseModel):
    """One table of `opco.toml`."""

    # Mistakes are named by `orchestration.home.settings`, which keeps secrets to itself.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


def _none_as_word(value: object) -> object:
    # TOML has no null, and a variable must be able to take back what opco.toml sets.
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


def _words(value: object) -> object:
    # A variable is one text: its words are parted by commas or blanks.
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _known_zone(name: str) -> str:
    zones = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    if name not in zones:
        near = difflib.get_close_matches(name, zones, n=3, cutoff=0.5)
        raise ValueError("no time zone of the IANA list" + (f"; nearest: {', '.join(near)}" if near else ""))
    return name


def bytes_of(size: str) -> int:
    """Return the bytes of a size such as 4GB or 512 MiB."""
    number, unit = re.fullmatch(r"(\d+) ?(MB|GB|MiB|GiB)", size).groups()  # type: ignore[union-attr]
    return int(number) * {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}[unit]


def _known_encoding(name: str) -> str:
    try:
        known = codecs.lookup(name).name
        with contextlib.suppress(UnicodeError):
            # Some of Python's encodings are of bytes, not of text.
            b" ".decode(name)
    except LookupError:
        raise ValueError("no encoding of text that is known") from None
    if known.startswith("utf-8"):
        raise ValueError("files that are UTF-8 are read as such; name the encoding of the others, or none")
    return name


Whole = Annotated[int, BeforeValidator(_no_truth_value)]
Number = Annotated[float, BeforeValidator(_no_truth_value)]
Zone = Annotated[str, AfterValidator(_known_zone), Allowed("a name of the IANA list, such as Europe/Paris")]
Time = Annotated[str, AfterValidator(checked_time)]
Encoding = Annotated[
    str, AfterValidator(_known_encoding), Allowed("an encoding, such as windows-1252, iso-8859-15 or utf-16")
]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Addresses = Annotated[Words, Allowed("a list of e-mail addresses")]
Size = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^[1-9][0-9]{0,5} ?(MB|GB|MiB|GiB)$"),
    Allowed("a size in MB, GB, MiB or GiB, such as 4GB"),
]
Secret = Annotated[SecretStr | None, BlankAsNone]
"""Only the environment may give it, and nothing ever shows it."""
OrNone = BeforeValidator(_none_as_word)
"""Of a setting that may be None: the word none says so."""

WORDS_OF_TYPES = {bool: "true, false", int: "a whole number", float: "a number", str: "text", SecretStr: "text"}


def allowed_values(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """Return in words what a setting may be, by its annotation and the metadata that pydantic took from it."""
    constraints = [part for one in metadata for part in (one.metadata if isinstance(one, FieldInfo) else (one,))]
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return allowed_values(arguments[0], [*arguments[1:], *constraints])
    if get_origin(annotation) is Literal:
        words = ", ".join(arguments)
    elif NoneType in arguments:
        words = allowed_values(next(one for one in arguments if one is not NoneType))
    else:
        words = WORDS_OF_TYPES.get(annotation, "a list")
    limits = {
        name: getattr(one, name) for one in constraints for name in ("ge", "le") if getattr(one, name, None) is not None
    }
    if len(limits) == 2:
        words += " from {ge} to {le}".format(**limits)
    for one in constraints:
        if isinstance(one, Allowed):
            words = one.words.format(words, **limits)
        elif one is OrNone:
            words += ", or none"
    return words
