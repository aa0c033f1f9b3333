"""Statements in files of a folder: JSON lines, packed or not, and JSON."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from connectors.text_tables import UnreadableTableError

SUFFIXES = (".jsonl", ".jsonl.gz", ".json")
MAX_LINE_BYTES = 16 * 2**20
CHUNK_CHARACTERS = 2**20
SETTLED_NANOSECONDS = 2 * 10**9
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Told:
    """A statement as it was told: where it stands, and its text. A line that is not UTF-8 has its readable part."""

    line: int
    text: str


def statement_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of statements of a folder, and its other ones; names that begin with `.` or `_` are neither."""
    found: tuple[list[Path], list[Path]] = ([], [])
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith((".", "_")):
            found[not path.name.lower().endswith(SUFFIXES)].append(path)
    return found


def stamp_of(path: Path) -> list[int] | None:
    """Return what is another after each change of a file: its size, and when content and entry changed (ns since 1970).

    None of a file that changed just now: a clock may not tell its next change apart.
    """
    status = path.stat()
    is_settled = time.time_ns() - status.st_ctime_ns > SETTLED_NANOSECONDS
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns] if is_settled else None


def checksum(path: Path) -> str:
    """Return the checksum of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_file(path: Path) -> Iterator[Told]:
    """Yield the statements of a file, in order; of JSON, `line` is the number of the statement.

    Raises `UnreadableTableError` for a file that is cut, or is no JSON.
    """
    name = path.name.lower()
    if name.endswith(".json"):
        with path.open(encoding="utf-8-sig") as text:
            try:
                for number, statement in enumerate(_values(text), start=1):
                    yield Told(number, json.dumps(statement))
            except UnicodeDecodeError:
                raise UnreadableTableError("it is not UTF-8. Export it as UTF-8.") from None
        return
    try:
        with gzip.open(path) if name.endswith(".gz") else path.open("rb") as stream:
            yield from _lines(stream)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise UnreadableTableError("it is no whole gzip file: it is cut. Copy it again.") from None


def _lines(stream: gzip.GzipFile | BufferedReader) -> Iterator[Told]:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise UnreadableTableError(f"line {number} has more than 16 MiB: is it JSON lines, one statement a line?")
        text = line.removeprefix(BOM).decode("utf-8", errors="backslashreplace").strip()
        if text:
            yield Told(number, text)


def _values(stream: IO[str]) -> Iterator[Any]:
    """Yield the statements of JSON: of a list, an answer of an LRS, or one or several statements one after the other.

    A list is read piece by piece, whatever its length.
    """
    decoder = json.JSONDecoder()
    text, is_whole, is_list, has_begun = "", False, False, False
    while True:
        if not is_whole and len(text) < CHUNK_CHARACTERS:
            piece = stream.read(CHUNK_CHARACTERS)
            is_whole, text = not piece, text + piece
        text = text.lstrip(" \t\r\n,")
        if not has_begun and text:
            has_begun, is_list = True, text[0] == "["
            text = text[1:] if is_list else text
            continue
        if not text and not is_whole:
            continue
        if is_list and text.startswith("]"):
            # Another list may follow.
            has_begun, is_list, text = False, False, text[1:]
            continue
        if not text:
            if is_list:
                raise UnreadableTableError("it ends inside its list: it is cut. Copy it again.")
            return
        try:
            value, end = decoder.raw_decode(text)
        except json.JSONDecodeError as error:
            if not is_whole and len(text) <= MAX_LINE_BYTES:
                text += (piece := stream.read(CHUNK_CHARACTERS))
                is_whole = not piece
                continue
            raise UnreadableTableError(f"it is no JSON, or cut: {error.msg}. Copy it again.") from None
        text = text[end:]
        # The answer of an LRS that somebody has saved.
        saved = value.get("statements") if isinstance(value, dict) else None
        yield from saved if isinstance(saved, list) else (value,)
