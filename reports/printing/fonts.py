"""The fonts of the documents: FiraGO and Fira Mono, and others for the letters that these lack, all of locked packages.

No font of the machine is ever used. A font beside the two is loaded by the first document that has a letter of it, so
that all others cost what they did.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Set
from dataclasses import dataclass
from functools import cache
from importlib import resources

import pymupdf_fonts  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from warehouse.errors import UserError

OWN = {"regular": "figo", "bold": "figbo", "mono": "fimo", "mono-bold": "fimbo"}
NOTO, NOTO_CJK = "manimgx_fonts", "noto_cjk_sans_jp_regular"
SCRIPTS = (
    *(
        "Armenian",
        "Georgian",
        "Hebrew",
        "Arabic",
        "Devanagari",
        "Bengali",
        "Gujarati",
        "Gurmukhi",
        "Kannada",
        "Malayalam",
    ),
    *("Oriya", "Sinhala", "Tamil", "Telugu", "Thai", "Lao", "Khmer", "Myanmar", "Ethiopic"),
)
# By family: package and file. A letter is of the first that has it.
OTHERS = {
    "Noto Sans": (NOTO, "NotoSans[wght].ttf"),
    **{f"Noto Sans {script}": (NOTO, f"NotoSans{script}[wght].ttf") for script in SCRIPTS},
    "Noto Sans CJK JP": (NOTO_CJK, "NotoSansCJKjp-Regular.otf"),
    "Noto Sans Symbols": (NOTO, "NotoSansSymbols[wght].ttf"),
    "Noto Emoji": (NOTO, "NotoEmoji[wght].ttf"),
}
# What draws nothing: controls and formats, blanks; variation selectors beside them.
INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp"}
SELECTORS = {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
NAMED = 5
LACK = "no font has"
"""How a message begins that names the letters."""


class MissingLettersError(UserError):
    """A document has letters that no font has: it would show boxes in their place."""


@dataclass(frozen=True)
class Letters:
    """What a text needs beside FiraGO and Fira Mono: families, in their order, and letters that none has."""

    families: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def lack(self) -> str:
        """What no font has, in words; nothing where there is nothing."""
        named = ", ".join(f"{letter} (U+{ord(letter):04X})" for letter in self.missing[:NAMED])
        more = f" and {len(self.missing) - NAMED} more" if len(self.missing) > NAMED else ""
        return f"{LACK} {named}{more}" if named else ""

    def require(self) -> None:
        """Raise MissingLettersError naming the letters that no font has."""
        if self.missing:
            raise MissingLettersError(
                f"{self.lack}: correct the name where it comes from, or have boxes printed in their "
                "place with --allow-missing-letters (the setting attestations.allow_missing_letters)"
            )


def letters_of(text: str) -> Letters:
    """Return what `text` needs beside FiraGO and Fira Mono."""
    families, missing = set(), []
    for point in sorted(set(map(ord, unicodedata.normalize("NFC", text))) - SELECTORS):
        category = unicodedata.category(chr(point))
        # What a font draws in the area for private use is its own affair.
        if category == "Co":
            missing.append(chr(point))
        elif point not in _own_letters() and category not in INVISIBLE:
            if family := next((one for one in OTHERS if point in _letters(one)), None):
                families.add(family)
            else:
                missing.append(chr(point))
    return Letters(tuple(one for one in OTHERS if one in families), tuple(missing))


def own_font(name: str) -> bytes:
    """Return the file of one of `OWN`."""
    content: bytes = pymupdf_fonts.fontbuffers[OWN[name]]()
    return content


@cache
def other_font(family: str) -> bytes:
    """Return the file of one of `OTHERS`, of a variable font its regular weight."""
    # This takes a tenth of a second to load, and few documents have such letters.
    from fontTools.varLib.instancer import instantiateVariableFont  # type: ignore[import-untyped]

    package, file = OTHERS[family]
    content = resources.files(package).joinpath(file).read_bytes()
    # WeasyPrint would do it again for every document, and write the time of the day into it.
    with TTFont(io.BytesIO(content), recalcTimestamp=False) as font, io.BytesIO() as stream:
        if "fvar" not in font:
            return content
        instantiateVariableFont(font, {axis.axisTag: axis.defaultValue for axis in font["fvar"].axes}, inplace=True)
        font.save(stream)
        return stream.getvalue()


def one_width_characters() -> frozenset[int]:
    """Return the code points that the monospaced font sets in one column, alone."""
    return frozenset(point for point in _points(own_font("mono")) if not unicodedata.combining(chr(point)))


@cache
def _own_letters() -> Set[int]:
    return _points(own_font("regular")) | _points(own_font("mono"))


@cache
def _letters(family: str) -> Set[int]:
    package, file = OTHERS[family]
    return _points(resources.files(package).joinpath(file).read_bytes())


def _points(content: bytes) -> Set[int]:
    with TTFont(io.BytesIO(content), lazy=True) as font:
        return frozenset(font.getBestCmap())
