"""Readers of delivered files: CSV, JSON lines and Parquet in; the archive's Parquet out, row by row traceable.

Every cell stays text as delivered. Text files are read line by line, in constant memory, by Python's own
`csv` in strict mode and `json`: DuckDB's readers give no line numbers for good rows, rewrite JSON numbers
and stop on mixed line ends.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.contract import RawTable
from warehouse.errors import UserError

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
    texts: list[str] = field(default_factory=list)
    malformed: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, record: list[str | None], text: str, unfit: list[str] | None = None) -> None:
        """Add a readable record: its cells in contract order, and its first line as delivered."""
        self.lines.append(line)
        self.records.append(record)
        self.texts.append(text)
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
        """Write what has gathered; a record with bytes that are no UTF-8 turns out here, and is malformed."""
        try:
            readable = self._table_of_records()
        except UnicodeEncodeError:
            self._part_unencodable()
            readable = self._table_of_records()
        for slice_ in (readable, self._table_of_malformed()):
            if slice_.num_rows:
                self.writer.write_table(slice_)
                self.rows += slice_.num_rows
        for gathered in (self.lines, self.records, self.unfit, self.texts, self.malformed):
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

    def _part_unencodable(self) -> None:
        gathered = list(zip(self.lines, self.records, self.texts, self.unfit, strict=True))
        for kept in (self.lines, self.records, self.texts, self.unfit):
            kept.clear()
        for line, record, text, unfit in gathered:
            if all(cell is None or _is_encodable(cell) for cell in record):
                self.lines.append(line)
                self.records.append(record)
                self.texts.append(text)
                self.unfit.append(unfit)
            else:
                self.add_malformed(line, text)


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _open_text(source: Path) -> IO[str]:
    """Open a text file so that lines end at LF alone and bytes that are no UTF-8 survive as surrogates."""
    if source.name.endswith(".gz"):
        return gzip.open(source, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="\n")
    return source.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n")


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


def _records(lines: Iterator[str], delimiter: str, file: str) -> Iterator[tuple[int, list[str] | None, str]]:
    """Yield each CSV record: its first physical line, its cells (None: not RFC 4180), that line's text.

    After a malformed record the reader goes on with the next physical line. An empty line is no record.
    """
    taken: list[str] = []

    def remembered() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

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
            yield first_line, None, taken[0]
            continue
        if cells:
            yield first_line, cells, taken[0]


def _csv_header(source: Path, table: RawTable, file: str) -> tuple[str, list[str]]:
    """Return the delimiter under which the header holds most listed columns, and the header's names."""
    listed = set(table.column_names)
    best: tuple[int, str, list[str]] | None = None
    for delimiter in DELIMITERS:
        with _open_text(source) as stream:
            try:
                header = next(_records(stream, delimiter, file), None)
            except UserError:  # this delimiter leaves a quote open; another may not
                continue
        if header is None:
            raise UserError(f"{file}: table {table.name} has no header. A CSV file begins with its column names.")
        _, cells, _ = header
        if cells is None or not all(_is_encodable(cell) for cell in cells):
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
    with _open_text(source) as stream:
        records = _records(stream, delimiter, file)
        next(records)
        for line, cells, text in records:
            if cells is None or len(cells) != width:
                batches.add_malformed(line, text)
            else:
                batches.add(line, [None if place is None else cells[place] for place in places], text)
    return unlisted


class _NotJsonError(ValueError):
    """A constant that JSON does not have (NaN, Infinity)."""


def _refuse_constant(constant: str) -> None:
    raise _NotJsonError(constant)


def _read_json_lines(source: Path, table: RawTable, file: str, batches: _Batches) -> tuple[str, ...]:
    places = {name: place for place, name in enumerate(table.column_names)}
    width = len(places)
    decode = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant).decode
    seen: dict[str, int | None] = {}
    object_count = 0
    with _open_text(source) as stream:
        for line, text in enumerate(stream, start=1):
            stripped = text.strip(BLANKS)
            if not stripped:
                continue
            try:
                record = decode(stripped)
            except (ValueError, RecursionError):
                record = None
            if not isinstance(record, dict):
                batches.add_malformed(line, text)
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
                    cells[place] = json.dumps(json.loads(stripped)[key], ensure_ascii=False)
                    unfit.append(table.column_names[place])
            batches.add(line, cells, text, unfit or None)
    if object_count:
        _require_columns(table, file, {_column_name(key) for key in seen})
    return tuple(dict.fromkeys(_column_name(key) for key, place in seen.items() if place is None))


# How a natural Parquet type becomes the text that a CSV file would have held.
_PARQUET_TEXT = {
    "TIMESTAMP": "strftime({cell}, '%Y-%m-%dT%H:%M:%S.%f')",
    "TIMESTAMP_S": "strftime({cell}::timestamp, '%Y-%m-%dT%H:%M:%S.%f')",
    "TIMESTAMP_MS": "strftime({cell}::timestamp, '%Y-%m-%dT%H:%M:%S.%f')",
    "TIMESTAMP_NS": "strftime({cell}, '%Y-%m-%dT%H:%M:%S.%n')",
    "TIMESTAMP WITH TIME ZONE": "strftime(timezone('UTC', {cell}), '%Y-%m-%dT%H:%M:%S.%fZ')",
    # Fifteen decimals are more than a percentage holds, and never an exponent.
    "FLOAT": "cast(cast({cell} as decimal(38, 15)) as varchar)",
    "DOUBLE": "cast(cast({cell} as decimal(38, 15)) as varchar)",
}


def _read_parquet(source: Path, table: RawTable, file: str, target: Path) -> FileReading:
    connection = duckdb.connect()
    try:
        connection.execute("set TimeZone = 'UTC'")
        delivered = connection.read_parquet(str(source))
        types = dict(zip(delivered.columns, (str(kind) for kind in delivered.types), strict=True))
        names = {_column_name(column): column for column in reversed(delivered.columns)}
        unlisted = _check_header(table, file, [_column_name(column) for column in delivered.columns])
        cells, unfit = [], []
        for name in table.column_names:
            if name not in names:
                cells.append(f"cast(null as varchar) as {_quoted(name)}")
                continue
            column, kind = _quoted(names[name]), types[names[name]]
            if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
                unfit.append(f"case when {column} is not null then '{name}' end")
                cells.append(f"cast(to_json({column}) as varchar) as {_quoted(name)}")
            else:
                text = _PARQUET_TEXT.get(kind, "cast({cell} as varchar)").format(cell=column)
                cells.append(f"{text} as {_quoted(name)}")
        listed = f"list_filter([{', '.join(unfit)}], lambda name: name is not null)"
        unfit_columns = f"nullif({listed}, [])" if unfit else "null"
        connection.execute(
            f"""
            copy (
                select
                    $file as file,
                    file_row_number + 1 as line,
                    cast(null as varchar) as malformed_line,
                    cast({unfit_columns} as varchar[]) as unfit_columns,
                    {", ".join(cells)}
                from read_parquet($source, file_row_number = true)
            ) to '{str(target).replace("'", "''")}' (format parquet, compression zstd)
            """,
            {"file": file, "source": str(source)},
        )
        return FileReading(pq.read_metadata(target).num_rows, unlisted)
    except duckdb.Error as error:
        raise UserError(
            f"{file}: the Parquet file cannot be read ({str(error).splitlines()[0]}). Deliver it again."
        ) from error
    finally:
        connection.close()


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
