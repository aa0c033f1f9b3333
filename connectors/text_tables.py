"""Tables that people download: any encoding, any separator, headings somewhere in the file.

What an LMS or a meeting service offers as a download is text that a spreadsheet opens: UTF-8 with or without a BOM,
UTF-16 (Teams), Windows-1252 (saved by a French Excel); parted by commas, semicolons or tabs.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from warehouse.errors import UserError

DELIMITERS = (",", ";", "\t")
MAX_BYTES = 512 * 2**20
"""A download beyond this is none of a course's log; reading it would take more memory than a home has."""


class UnreadableTableError(UserError):
    """A file that cannot be read as a table; the message says what it looks like and what to do."""


@dataclass(frozen=True)
class LeftOutFile:
    """A file that is not read, and why: what is wrong and what to do."""

    file: str
    reason: str


@dataclass(frozen=True)
class Record:
    """One record: the line on which it begins, counted from 1, and its cells, trimmed."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class TextTable:
    """The records of a file, empty ones left out, with the encoding and the separator that were found."""

    encoding: str
    delimiter: str
    records: tuple[Record, ...]


def read_text_table(path: Path, is_head: Callable[[Sequence[str]], bool] = lambda _cells: False) -> TextTable:
    """Return the records of a downloaded table.

    The separator is the one under which the first record `is_head`, where there is one; else the one that gives most
    cells: where people write much, commas outnumber what parts the cells.

    Raises `UnreadableTableError` for a file that is empty, no text, or ends inside quotes.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UnreadableTableError(f"it has more than {MAX_BYTES // 2**20} MiB. Download it in parts, by day or month.")
    content = path.read_bytes()
    encoding = _encoding(content)
    text = content.decode(encoding).removeprefix("\ufeff")
    if not text.strip():
        raise UnreadableTableError("it is empty. Download it again.")
    delimiter = max(DELIMITERS, key=lambda one: (is_head(_first_cells(text, one)), _cells_of_beginning(text, one)))
    return TextTable(encoding, delimiter, tuple(_records(text, delimiter)))


def heading(cell: str) -> str:
    """Return a heading as headings are compared: any case, any apostrophe, any blanks, composed or not."""
    plain = unicodedata.normalize("NFC", cell).replace("’", "'").replace("ʼ", "'")
    return re.sub(r"\s+", " ", plain).strip().casefold()


def _encoding(content: bytes) -> str:
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise UnreadableTableError(
            "it is a workbook, not text. Download it as comma separated values (.csv), or save the sheet as CSV."
        )
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if content.startswith(mark):
            return _decodable(content, name)
    beginning = content[:4096]
    if b"\0" in beginning:
        # Text in Latin letters has its zero bytes at every second place.
        return _decodable(content, "utf-16-le" if beginning[1::2].count(0) >= beginning[::2].count(0) else "utf-16-be")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and error.end == len(content):
            raise UnreadableTableError("it ends inside a letter: it is cut. Download it again.") from None
        return _decodable(content, "windows-1252")
    return "utf-8"


def _decodable(content: bytes, encoding: str) -> str:
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding.startswith("utf-16") and len(content) % 2:
            raise UnreadableTableError("it ends inside a letter: it is cut. Download it again.") from None
        raise UnreadableTableError(
            f"byte {error.start + 1} fits no encoding that is known here (UTF-8, UTF-16, Windows-1252). "
            "Download it again."
        ) from None
    return encoding


def _first_cells(text: str, delimiter: str) -> Sequence[str]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return next((cells for cells in reader if any(cells)), ())


def _cells_of_beginning(text: str, delimiter: str) -> int:
    beginning = "".join(text[:65536].splitlines(keepends=True)[:50])
    return sum(len(cells) for cells in csv.reader(io.StringIO(beginning, newline=""), delimiter=delimiter))


def _records(text: str, delimiter: str) -> list[Record]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    csv.field_size_limit(2**24)
    found = []
    begins = 1
    try:
        for cells in reader:
            trimmed = tuple(cell.strip(" \t\r\n\u00a0\u202f\u200b\ufeff") for cell in cells)
            if any(trimmed):
                found.append(Record(begins, trimmed))
            begins = reader.line_num + 1
    except csv.Error as error:
        what = "ends inside quotes: it is cut" if "unexpected end" in str(error) else f"is no table: {error}"
        raise UnreadableTableError(f"the record that begins on line {begins} {what}. Download it again.") from None
    return found
