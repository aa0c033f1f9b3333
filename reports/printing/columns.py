"""Lines of columns made of characters of one width, with one column of names that may wrap.

A table costs WeasyPrint several times as much as preformatted lines.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.language import NARROW_NO_BREAK_SPACE, NO_BREAK_SPACE

# 118 characters of Fira Mono at 7.2 pt fill the 180 mm between the margins.
LINE_CHARACTERS = 118
GAP = "  "
# The font of one width has no narrow no-break space.
ONE_WIDTH = {ord(NARROW_NO_BREAK_SPACE): NO_BREAK_SPACE}


@dataclass(frozen=True)
class PrintedLine:
    """One entry: its preformatted text, or `parts` where the name has letters of other widths.

    The parts are what is before the name, the name, and what is after it and below. `spoken` is the entry as
    it is read aloud: each cell with its column's head.
    """

    text: str
    parts: tuple[str, str, str] | None
    spoken: str

    @property
    def is_tall(self) -> bool:
        """Whether the entry takes, or may take, several lines."""
        return self.parts is not None or "\n" in self.text


@dataclass(frozen=True)
class PrintedLines:
    """Entries ready for the page under their head; widths in characters, `left` being what is before names."""

    head: str
    lines: tuple[PrintedLine, ...]
    left: int
    name_width: int


@dataclass(frozen=True)
class Entry:
    """The cells of one line on either side of its name, and what is under the name."""

    before: Sequence[str]
    name: str
    after: Sequence[str]
    detail: str = ""


def print_columns(
    head: Entry,
    entries: Sequence[Entry],
    align_before: Sequence[Callable[[str, int], str]],
    align_after: Sequence[Callable[[str, int], str]],
    one_width_characters: frozenset[int],
) -> PrintedLines:
    """Lay out entries; a column is as wide as its widest cell, names take what is left.

    `align_before` and `align_after` hold `str.ljust` or `str.rjust` for each column;
    `one_width_characters` are the code points of the font of one width.
    """
    every = [head, *entries]
    widths_before = [max(len(one.before[column]) for one in every) for column in range(len(head.before))]
    widths_after = [max(len(one.after[column]) for one in every) for column in range(len(head.after))]
    left = sum(widths_before) + len(GAP) * len(widths_before)
    right = sum(widths_after) + len(GAP) * len(widths_after)
    name_width = LINE_CHARACTERS - left - right

    heads = (*head.before, head.name, *head.after)

    def spoken(one: Entry) -> str:
        cells = zip(heads, (*one.before, one.name, *one.after), strict=True)
        return ", ".join([*(f"{title} {cell}" for title, cell in cells if cell), *([one.detail] if one.detail else [])])

    def printed(one: Entry) -> PrintedLine:
        cells = [align(cell, width) for cell, align, width in zip(one.before, align_before, widths_before, strict=True)]
        before = "".join(cell + GAP for cell in cells)
        cells = [align(cell, width) for cell, align, width in zip(one.after, align_after, widths_after, strict=True)]
        after = "".join(GAP + cell for cell in cells).translate(ONE_WIDTH)
        below = textwrap.wrap(one.detail.translate(ONE_WIDTH), LINE_CHARACTERS - left)
        name = unicodedata.normalize("NFC", " ".join(one.name.split()))
        if not one_width_characters.issuperset(map(ord, name)):
            return PrintedLine(
                "", (before, name, "\n".join([after, *(" " * left + line for line in below)])), spoken(one)
            )
        first, *others = textwrap.wrap(name, name_width) or [""]
        lines = [before + first.ljust(name_width) + after, *(" " * left + line for line in (*others, *below))]
        return PrintedLine("\n".join(lines), None, spoken(one))

    return PrintedLines(printed(head).text, tuple(printed(one) for one in entries), left, name_width)
