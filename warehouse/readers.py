"""Readers of delivered files: CSV, JSON lines and Parquet in; the archive's Parquet out, row by row traceable.

Every cell stays text as delivered. Text files are read line by line, in constant memory, by Python's own
`csv` in strict mode and `json`: DuckDB's readers give no line numbers for good rows, rewrite JSON numbers
and stop on mixed line ends.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.contract import RawTable
from warehouse.errors import UserError
from warehouse.sql import quoted_identifier, quoted_literal

BLANKS = " \t\r\n"
DELIMITERS = (",", ";", "\t")
BATCH_ROWS = 50_000
MALFORMED_LENGTH = 200
# A quoted cell may hold a whole document; the csv module's own limit is 128 KiB.
CELL_LIMIT = 2**31 - 1
TEXT_SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet")


@dataclass(frozen=True)
class FileReading:
    """What reading one file gave: records (malformed ones included) and the columns the contract does not list."""

    rows: int
    unlisted_columns: tuple[str, ...]


def archive_schema(table: RawTable) -> pa.Schema:
    """Return the columns of an archive file of `table`: where each row came from, then every cell as text."""
    return pa.schema(
        [
            ("file", pa.string()),
            ("line", pa.int64()),
            ("malformed_line", pa.string()),
            ("unfit_columns", pa.list_(pa.string())),
            *((name, pa.string()) for name in table.column_names),
        ]
    )


def read_file(source: Path, table: RawTable, file: str, target: Path) -> FileReading:
    """Read one delivered file of `table`, known as `file` in the raw folder, into the Parquet file `target`.

    Raises UserError where the contract stops the load: a missing required column, a listed column twice, a
    malformed or missing header, a quote never closed, a broken gzip or Parquet file.
    """
    if source.name.endswith(".parquet"):
        return _read_parquet(source, table, file, target)
    with pq.ParquetWriter(target, archive_schema(table), compression="zstd") as writer:
        batches = _Batches(table, file, writer)
        try:
            if source.name.endswith((".csv", ".csv.gz")):
                unlisted = _read_csv(source, table, file, batches)
            else:
                unlisted = _read_json_lines(source, table, file, batches)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{file}: the gzip file is broken ({error}). Deliver it again.") from error
        batches.flush()
    return FileReading(batches.rows, unlisted)


@dataclass
class _Batches:
    """Rows on their way to Parquet, written in slices of `BATCH_ROWS`."""

    table: RawTable
    file: str
    writer: pq.ParquetWriter
    rows: int = 0
    lines: list[int] = field(default_factory=list)
    records: list[list[str | None]] = field(default_factory=list)
    unfit: list[list[str] | None] = field(default_factory=list)
    malformed: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, record: list[str | None], unfit: list[str] | None = None) -> None:
        """Add a readable record: its cells in contract order, and which of them fit no type."""
        self.lines.append(line)
        self.records.append(record)
        self.unfit.append(unfit)
        if len(self.lines) >= BATCH_ROWS:
            self.flush()

    def add_malformed(self, line: int, text: str) -> None:
        """Add a record that cannot be read; of its first line, the beginning is kept."""
        shown = text.encode("utf-8", "replace").decode("utf-8").strip(BLANKS)
        self.malformed.append((line, shown[:MALFORMED_LENGTH]))
        if len(self.malformed) >= BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered."""
        for slice_ in (self._table_of_records(), self._table_of_malformed()):
            if slice_.num_rows:
                self.writer.write_table(slice_)
                self.rows += slice_.num_rows
        for gathered in (self.lines, self.records, self.unfit, self.malformed):
            gathered.clear()

    def _table_of_records(self) -> pa.Table:
        count = len(self.lines)
        cells = zip(*self.records, strict=True) if count else [()] * len(self.table.columns)
        return pa.table(
            [
                pa.array([self.file] * count, pa.string()),
                pa.array(self.lines, pa.int64()),
                pa.nulls(count, pa.string()),
                pa.array(self.unfit, pa.list_(pa.string())),
                *(pa.array(column, pa.string()) for column in cells),
            ],
            schema=archive_schema(self.table),
        )

    def _table_of_malformed(self) -> pa.Table:
        count = len(self.malformed)
        return pa.table(
            [
                pa.array([self.file] * count, pa.string()),
                pa.array([line for line, _ in self.malformed], pa.int64()),
                pa.array([text for _, text in self.malformed], pa.string()),
                pa.nulls(count, pa.list_(pa.string())),
                *(pa.nulls(count, pa.string()) for _ in self.table.columns),
            ],
            schema=archive_schema(self.table),
        )


@dataclass(frozen=True)
class _Line:
    """A physical line of a text file; bytes that are no UTF-8 stand as surrogates."""

    text: str
    is_utf8: bool


def _lines(source: Path) -> Iterator[_Line]:
    """Yield the lines of a text file, which end at LF alone, without the byte order mark."""
    with gzip.open(source) if source.name.endswith(".gz") else source.open("rb") as stream:
        for number, line in enumerate(stream):
            content = line.removeprefix(codecs.BOM_UTF8) if number == 0 else line
            try:
                yield _Line(content.decode(), True)
            except UnicodeDecodeError:
                yield _Line(content.decode(errors="surrogateescape"), False)


def _column_name(delivered: str) -> str:
    return delivered.strip(BLANKS).lower()


def _require_columns(table: RawTable, file: str, present: set[str]) -> None:
    missing = [name for name in table.required_columns if name not in present]
    if missing:
        raise UserError(
            f"{file}: table {table.name} lacks the required column{'s' if len(missing) > 1 else ''} "
            f"{', '.join(missing)}. Columns found: {', '.join(sorted(present)) or 'none'}."
        )


def _check_header(table: RawTable, file: str, names: list[str]) -> tuple[str, ...]:
    """Check a header's normalised names against the contract; return those it does not list."""
    listed = set(table.column_names)
    for name in listed:
        if names.count(name) > 1:
            raise UserError(f"{file}: column {name} of table {table.name} stands twice in the header. Keep one.")
    _require_columns(table, file, set(names))
    return tuple(dict.fromkeys(name for name in names if name not in listed))


def _records(lines: Iterator[_Line], delimiter: str, file: str) -> Iterator[tuple[int, list[str] | None, str]]:
    """Yield each CSV record: its first physical line, its cells (None: not RFC 4180 or not UTF-8), that line's text.

    After a malformed record the reader goes on with the next physical line. An empty line is no record.
    """
    taken: list[_Line] = []

    def remembered() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line.text

    reader = csv.reader(remembered(), delimiter=delimiter, strict=True)
    while True:
        first_line = reader.line_num + 1
        taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise UserError(
                    f"{file}, line {first_line}: a quote opens that is never closed. Close it and deliver again."
                ) from error
            yield first_line, None, taken[0].text
            continue
        if cells:
            yield first_line, cells if all(line.is_utf8 for line in taken) else None, taken[0].text


def _csv_header(source: Path, table: RawTable, file: str) -> tuple[str, list[str]]:
    """Return the delimiter under which the header holds most listed columns, and the header's names."""
    listed = set(table.column_names)
    best: tuple[int, str, list[str]] | None = None
    for delimiter in DELIMITERS:
        try:
            header = next(_records(_lines(source), delimiter, file), None)
        except UserError:  # this delimiter leaves a quote open; another may not
            continue
        if header is None:
            raise UserError(f"{file}: table {table.name} has no header. A CSV file begins with its column names.")
        _, cells, _ = header
        if cells is None:
            continue
        names = [_column_name(cell) for cell in cells]
        found = len(listed.intersection(names))
        if best is None or found > best[0]:
            best = (found, delimiter, names)
    if best is None:
        raise UserError(f"{file}: the header of table {table.name} is malformed (quotes, or not UTF-8).")
    return best[1], best[2]


def _read_csv(source: Path, table: RawTable, file: str, batches: _Batches) -> tuple[str, ...]:
    csv.field_size_limit(CELL_LIMIT)
    delimiter, names = _csv_header(source, table, file)
    unlisted = _check_header(table, file, names)
    width = len(names)
    places = [names.index(name) if name in names else None for name in table.column_names]
    records = _records(_lines(source), delimiter, file)
    next(records)
    for line, cells, text in records:
        if cells is None or len(cells) != width:
            batches.add_malformed(line, text)
        else:
            batches.add(line, [None if place is None else cells[place] for place in places])
    return unlisted


class _NotJsonError(ValueError):
    """A constant that JSON does not have (NaN, Infinity)."""


def _refuse_constant(constant: str) -> None:
    raise _NotJsonError(constant)


class _Written(str):
    """A JSON number as it is written."""

    __slots__ = ()


def _json_text(value: object) -> str:
    """Return the JSON of a value whose numbers are `_Written`."""
    match value:
        case _Written():
            return str(value)
        case list():
            return f"[{', '.join(_json_text(one) for one in value)}]"
        case dict():
            return f"{{{', '.join(f'{_json_text(key)}: {_json_text(one)}' for key, one in value.items())}}}"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _json_object(line: _Line) -> dict[str, Any] | None:
    """Return the object that a line holds; None where it holds none, or text that is not UTF-8."""
    if not line.is_utf8:
        return None
    try:
        record = _DECODER.decode(line.text.strip(BLANKS))
        if "\\u" in line.text:  # an escape may stand for half a character
            _json_text(record).encode()
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


_DECODER = json.JSONDecoder(parse_int=_Written, parse_float=_Written, parse_constant=_refuse_constant)


def _read_json_lines(source: Path, table: RawTable, file: str, batches: _Batches) -> tuple[str, ...]:
    places = {name: place for place, name in enumerate(table.column_names)}
    width = len(places)
    seen: dict[str, int | None] = {}
    object_count = 0
    for number, line in enumerate(_lines(source), start=1):
        if not line.text.strip(BLANKS):
            continue
        record = _json_object(line)
        if record is None:
            batches.add_malformed(number, line.text)
            continue
        object_count += 1
        cells: list[str | None] = [None] * width
        unfit: list[str] = []
        for key, value in record.items():
            if key not in seen:
                seen[key] = places.get(_column_name(key))
            place = seen[key]
            if place is None or value is None:
                continue
            if isinstance(value, str):
                cells[place] = value
            elif isinstance(value, bool):
                cells[place] = "true" if value else "false"
            else:
                cells[place] = _json_text(value)
                unfit.append(table.column_names[place])
        batches.add(number, cells, unfit or None)
    if object_count:
        _require_columns(table, file, {_column_name(key) for key in seen})
    return tuple(dict.fromkeys(_column_name(key) for key, place in seen.items() if place is None))


# How a natural Parquet type becomes the text that a CSV file would have held.
_DOUBLE_TEXT = (
    # the shortest text that reads back as the same number; only a very small or large one has an exponent
    "case when contains(cast({cell} as varchar), 'e') "
    "then coalesce(cast(try_cast({cell} as decimal(38, 15)) as varchar), cast({cell} as varchar)) "
    "else cast({cell} as varchar) end"
)
_PARQUET_TEXT = {
    "TIMESTAMP": "strftime({cell}, '%Y-%m-%dT%H:%M:%S.%f')",
    "TIMESTAMP_S": "strftime({cell}::timestamp, '%Y-%m-%dT%H:%M:%S.%f')",
    "TIMESTAMP_MS": "strftime({cell}::timestamp, '%Y-%m-%dT%H:%M:%S.%f')",
    "TIMESTAMP_NS": "strftime({cell}, '%Y-%m-%dT%H:%M:%S.%n')",
    "TIMESTAMP WITH TIME ZONE": "strftime(timezone('UTC', {cell}), '%Y-%m-%dT%H:%M:%S.%fZ')",
    "FLOAT": _DOUBLE_TEXT,
    "DOUBLE": _DOUBLE_TEXT,
    # text that the writer did not mark as text
    "BLOB": "decode({cell})",
}
ROW_NUMBER = "file_row_number"


def _read_parquet(source: Path, table: RawTable, file: str, target: Path) -> FileReading:
    connection = duckdb.connect()
    try:
        delivered_names = pq.read_schema(source).names
        unlisted = _check_header(table, file, [_column_name(column) for column in delivered_names])
        # DuckDB numbers the rows itself, unless the file has a column of that name: then one thread keeps their order.
        has_own = ROW_NUMBER in delivered_names
        options = f"hive_partitioning = false{'' if has_own else f', {ROW_NUMBER} = true'}"
        line = "row_number() over ()" if has_own else f"{ROW_NUMBER} + 1"
        connection.execute("set TimeZone = 'UTC'")
        if has_own:
            connection.execute("set threads = 1")
        delivered = f"read_parquet($source, {options})"
        described = connection.execute(f"describe from {delivered}", {"source": literal_path(source)}).fetchall()
        types = {column: kind for column, kind, *_ in described}
        names = {_column_name(column): column for column in reversed(delivered_names)}
        cells, unfit = [], []
        for name in table.column_names:
            if name not in names:
                cells.append(f"cast(null as varchar) as {quoted_identifier(name)}")
                continue
            column, kind = quoted_identifier(names[name]), types[names[name]]
            if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
                unfit.append(f"case when {column} is not null then '{name}' end")
                cells.append(f"cast(to_json({column}) as varchar) as {quoted_identifier(name)}")
            else:
                text = _PARQUET_TEXT.get(kind, "cast({cell} as varchar)").format(cell=column)
                cells.append(f"{text} as {quoted_identifier(name)}")
        listed = f"list_filter([{', '.join(unfit)}], lambda name: name is not null)"
        unfit_columns = f"nullif({listed}, [])" if unfit else "null"
        connection.execute(
            f"""
            copy (
                select
                    $file as file,
                    {line} as line,
                    cast(null as varchar) as malformed_line,
                    cast({unfit_columns} as varchar[]) as unfit_columns,
                    {", ".join(cells)}
                from {delivered}
            ) to {quoted_literal(target)} (format parquet, compression zstd)
            """,
            {"file": file, "source": literal_path(source)},
        )
        return FileReading(pq.read_metadata(target).num_rows, unlisted)
    except (duckdb.Error, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{file}: the Parquet file cannot be read ({reason}). Deliver it again.") from error
    finally:
        connection.close()


def literal_path(path: Path) -> str:
    """Return a path as DuckDB's readers take it: its own signs for many files stand for themselves."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))
