"""A search of files for the texts by which a learner is known, whatever the files are: every byte, and what it packs.

DuckDB, SQLite and Parquet files are asked table by table; what is compressed (gzip, ZIP, XLSX) is unpacked; of PDFs the
text and what is attached are read. Every other file, and the bytes of databases too, are read as they are.
"""

from __future__ import annotations

import gzip
import io
import re
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import duckdb
import pypdfium2

from warehouse.errors import OpcoError
from warehouse.forgotten import Identifiers
from warehouse.readers import literal_path
from warehouse.sql import quoted_identifier, quoted_literal

SQLITE = b"SQLite format 3\0"
CHUNK_BYTES = 4 * 1024 * 1024
LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class Match:
    """Where an identifier is: the file, what of it (a table, a member; empty for its bytes), rows or lines."""

    path: Path
    place: str
    rows: int


def files_under(*paths: Path) -> Iterator[Path]:
    """Yield every file under `places`; links are not followed."""
    for top in paths:
        if top.is_file() and not top.is_symlink():
            yield top
        elif top.is_dir():
            yield from (path for path in sorted(top.rglob("*")) if path.is_file() and not path.is_symlink())


def search(paths: Iterable[Path], identifiers: Identifiers) -> list[Match]:
    """Return where the files hold an identifier. Raises OpcoError naming a file that cannot be read."""
    found: list[Match] = []
    if not identifiers:
        return found
    for path in paths:
        try:
            found += [Match(path, place, rows) for place, rows in _in_file(path, identifiers) if rows]
        except FileNotFoundError:  # a temporary file of a process at work
            continue
        except (OSError, duckdb.Error, sqlite3.Error, EOFError, zipfile.BadZipFile) as error:
            raise OpcoError(f"{path} could not be searched ({str(error).splitlines()[0]}).") from error
    return found


def _in_file(path: Path, identifiers: Identifiers) -> Iterator[tuple[str, int]]:
    with path.open("rb") as stream:
        head = stream.read(16)
        stream.seek(0)
        if head[8:12] == b"DUCK":
            yield from _in_duckdb(path, identifiers)
            yield "bytes", _in_stream(stream, identifiers)
        elif head[:4] == b"PAR1":
            yield "", _in_parquet(path, identifiers)
        elif head == SQLITE:
            yield from _in_sqlite(path, identifiers)
            yield "bytes", _in_stream(stream, identifiers)
        else:
            yield from _in_content(stream, head, identifiers, "")


def _in_content(stream: IO[bytes], head: bytes, identifiers: Identifiers, place: str) -> Iterator[tuple[str, int]]:
    if head[:2] == b"\x1f\x8b":
        with gzip.open(stream) as unpacked:
            yield place, _in_stream(unpacked, identifiers)
    elif head[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(stream) as archive:
            for name in archive.namelist():
                content = archive.read(name)
                inner = f"{place}{name}"
                yield inner, int(identifiers.are_in(name))
                yield from _in_content(io.BytesIO(content), content[:16], identifiers, f"{inner}/")
    elif head[:5] == b"%PDF-":
        yield place, _in_pdf(stream.read(), identifiers)
    else:
        yield place, _in_stream(stream, identifiers)


def _in_stream(stream: IO[bytes] | gzip.GzipFile, identifiers: Identifiers) -> int:
    """Count the lines that hold a mark; a line without an end is read in pieces that overlap."""
    count, rest = 0, b""
    while chunk := stream.read(CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > LONGEST_LINE:
            lines.append(rest)
            rest = rest[-LONGEST_LINE // 16 :]
        count += _lines_with(identifiers, b"\n".join(lines))
    return count + _lines_with(identifiers, rest)


def _lines_with(identifiers: Identifiers, content: bytes) -> int:
    """Count lines of UTF-8 that hold a mark, written as it is or as JSON escapes it."""
    text = readable(content.decode("utf-8", "replace"))
    words = (*identifiers.single, *(first for first, _ in identifiers.pairs))
    if not any(re.search(re.escape(word), text, re.IGNORECASE) for word in words):
        return 0
    return sum(identifiers.are_in(line) for line in text.split("\n"))


def readable(text: str) -> str:
    """Return a text in which JSON's escapes are taken back: letters stand for themselves, blanks part words."""
    if "\\" not in text:
        return text
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda escape: chr(int(escape[1], 16)), text)
    return re.sub(r"\\(.)", lambda escape: " " if escape[1] in "nrtbf" else escape[1], text)


def _in_pdf(content: bytes, identifiers: Identifiers) -> int:
    with closing(pypdfium2.PdfDocument(content)) as document:
        texts = [page.get_textpage().get_text_range() for page in document]
        attached = [document.get_attachment(number) for number in range(document.count_attachments())]
        texts += [bytes(one.get_data()).decode("utf-8", "replace") for one in attached]
    return sum(identifiers.are_in(text) for text in texts)


def _in_duckdb(path: Path, identifiers: Identifiers) -> Iterator[tuple[str, int]]:
    with duckdb.connect() as connection:
        connection.execute(f"attach {quoted_literal(path)} as searched (read_only)")
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'searched' order by all"
        ).fetchall()
        for schema, table in tables:
            name = f"searched.{quoted_identifier(schema)}.{quoted_identifier(table)}"
            yield f"{schema}.{table}", _rows_with(connection, name, identifiers)


def _in_parquet(path: Path, identifiers: Identifiers) -> int:
    with duckdb.connect() as connection:
        relation = f"read_parquet({quoted_literal(literal_path(path))}, hive_partitioning = false)"
        return _rows_with(connection, relation, identifiers)


def _rows_with(connection: duckdb.DuckDBPyConnection, relation: str, identifiers: Identifiers) -> int:
    described = connection.execute(f"describe from {relation}").fetchall()
    texts = [
        quoted_identifier(name)
        if kind == "VARCHAR"
        else f"regexp_replace(cast(to_json({quoted_identifier(name)}) as varchar), '\\\\[nrt]', ' ', 'g')"
        for name, kind, *_ in described
        if "VARCHAR" in kind
    ]
    if not texts:
        return 0
    row = f"concat_ws(chr(31), {', '.join(texts)})"
    ((count,),) = connection.execute(f"select count(*) from {relation} where {identifiers.condition(row)}").fetchall()
    return int(count)


def _in_sqlite(path: Path, identifiers: Identifiers) -> Iterator[tuple[str, int]]:
    def holds(*cells: Any) -> bool:
        return identifiers.are_in(readable("\x1f".join(cell for cell in cells if isinstance(cell, str))))

    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
        connection.create_function("holds", -1, holds, deterministic=True)
        for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
            name = quoted_identifier(table)
            columns = [quoted_identifier(row[1]) for row in connection.execute(f"pragma table_info({name})")]
            ((count,),) = connection.execute(f"select count(*) from {name} where holds({', '.join(columns)})")
            yield table, int(count)
