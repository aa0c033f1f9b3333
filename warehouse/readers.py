"""Readers of delivered files: CSV, JSON lines and Parquet in; the archive's Parquet out, row by row traceable.

Every cell stays text as delivered. Text files are read line by line, in constant memory, by Python's own
`csv` in strict mode and `json`: DuckDB's readers give no line numbers for good rows, rewrite JSON numbers
and stop on mixed line ends. What a file may cost is bounded: a line, a cell, what it unpacks to.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.contract import RawTable
from warehouse.errors import UserError
from warehouse.sql import quoted_identifier, quoted_literal

# What is trimmed from cells and names: the no-break spaces, the zero-width space and the byte order mark too.
BLANKS = " \t\r\n\u00a0\u202f\u200b\ufeff"
DELIMITERS = (",", ";", "\t")
BATCH_ROWS = 50_000
MALFORMED_LENGTH = 200
LINE_LIMIT = 16 * 1024**2
# A quoted cell may hold a whole document, of many lines; a longer one is a quote that nobody closed.
CELL_LIMIT = 64 * 1024**2
MOST_NESTED = 100
"""So deep may the lists and objects of a JSON line be nested; Python's own limit would depend on who calls."""
CHUNK_BYTES = 1024**2
UTF_8 = "utf-8"
TEXT_SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet")


@dataclass(frozen=True)
class ReadSettings:
    """The settings [raw]: the encoding of text files that are not UTF-8, and the bytes that a file may unpack to."""

    encoding: str | None = None
    max_unpacked: int = 64 * 10**9


@dataclass(frozen=True)
class FileReading:
    """What reading one file gave: records (malformed ones included), and columns that the contract does not list.

    `columns` are those that it does list. `read_as` is the encoding of a text file; empty where it is not UTF-8 and no
    setting says what it is.
    """

    rows: int
    unlisted_columns: tuple[str, ...]
    read_as: str = UTF_8
    columns: frozenset[str] = field(default=frozenset(), compare=False)


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


def read_file(
    source: Path, table: RawTable, file: str, target: Path, settings: ReadSettings | None = None
) -> FileReading:
    """Read one delivered file of `table`, known as `file` in the raw folder, into the Parquet file `target`.

    Raises UserError where the contract stops the load: a missing required column, a listed column twice, a
    malformed or missing header, a quote never closed, a line too long, a broken gzip or Parquet file, one that unpacks
    to more than it may, a snapshot table's text that is in no known encoding.
    """
    settings = settings or ReadSettings()
    if file.endswith(".parquet"):
        return _read_parquet(source, table, file, target, settings)
    with pq.ParquetWriter(target, archive_schema(table), compression="zstd") as writer:
        batches = _Batches(table, file, writer)
        try:
            text = _TextFile(source, table, file, settings)
            names = (_read_csv if file.endswith((".csv", ".csv.gz")) else _read_json_lines)(text, batches)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{file}: the gzip file is broken ({error}). Deliver it again.") from error
        batches.flush()
    return _reading(table, batches.rows, names, text.read_as)


def check_header(source: Path, table: RawTable, file: str, settings: ReadSettings) -> None:
    """Raise UserError for what `read_file` would refuse in the header of a file, without reading its rows."""
    if file.endswith(".parquet"):
        try:
            names = pq.read_schema(source).names
        except pa.ArrowException:
            # Reading says how it is broken.
            return
    elif file.endswith((".csv", ".csv.gz")):
        try:
            _, names = _csv_header(_TextFile(source, table, file, settings, is_judged_by_all=False))
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return
    else:
        return
    _check_header(table, file, [_column_name(name) for name in names])


def _reading(table: RawTable, rows: int, names: Collection[str], read_as: str) -> FileReading:
    listed = frozenset(table.column_names)
    unlisted = tuple(dict.fromkeys(name for name in names if name not in listed))
    return FileReading(rows, unlisted, read_as, listed.intersection(names))


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
    """A physical line of a text file; bytes that are no text in its encoding stand as surrogates."""

    text: str
    is_text: bool


class _TextFile:
    """A text file, in UTF-8 or in the encoding of the setting; `is_utf8` says what the lines read so far were."""

    def __init__(
        self, source: Path, table: RawTable, file: str, settings: ReadSettings, *, is_judged_by_all: bool = True
    ) -> None:
        self.source = source
        self.table = table
        self.file = file
        self.settings = settings
        self.is_utf8 = True
        self.encoding = UTF_8
        # One record of a log that is no UTF-8 is malformed; of what the platform is now, nothing may be missing.
        if is_judged_by_all and (settings.encoding or not table.is_growing):
            looks_like = self.looks_like()
            if looks_like and not settings.encoding:
                raise UserError(f"{file}: table {table.name} is not UTF-8. {_advice(looks_like)}")
            if looks_like and settings.encoding:
                self.encoding = settings.encoding

    @property
    def read_as(self) -> str:
        """What `FileReading` says of it."""
        return self.encoding if self.is_utf8 or self.encoding != UTF_8 else ""

    def lines(self) -> Iterator[_Line]:
        """Yield the lines, which end at LF alone, without the byte order mark."""
        return self._utf8_lines() if self.encoding == UTF_8 else self._other_lines()

    def _utf8_lines(self) -> Iterator[_Line]:
        with self._bytes() as stream:
            unpacked = number = 0
            while line := stream.readline(LINE_LIMIT + 3):
                number += 1
                unpacked += len(line)
                is_long = len(line) > LINE_LIMIT and len(line.rstrip(b"\r\n")) > LINE_LIMIT
                self._check(number, unpacked, is_long=is_long)
                content = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                try:
                    yield _Line(content.decode(), True)
                except UnicodeDecodeError:
                    self.is_utf8 = False
                    yield _Line(content.decode(errors="surrogateescape"), False)

    def _other_lines(self) -> Iterator[_Line]:
        with (
            self._bytes() as stream,
            io.TextIOWrapper(stream, self.encoding, errors="surrogateescape", newline="\n") as text,
        ):
            number = 0
            try:
                while line := text.readline(LINE_LIMIT + 3):
                    number += 1
                    is_long = len(line) > LINE_LIMIT and len(line.rstrip("\r\n")) > LINE_LIMIT
                    self._check(number, stream.tell(), is_long=is_long)
                    content = line.removeprefix("\ufeff") if number == 1 else line
                    is_text = not SURROGATES.search(content)
                    if not is_text and not self.table.is_growing:
                        raise self._in_neither(number)
                    yield _Line(content, is_text)
            except UnicodeError as error:
                raise self._in_neither(number + 1) from error

    def _in_neither(self, line: int) -> UserError:
        return UserError(
            f"{self.file}, line {line}: is neither UTF-8 nor {self.encoding}. Correct the setting raw.encoding, or "
            "deliver it as UTF-8."
        )

    def looks_like(self) -> str | None:
        """Return which encoding a file that is not UTF-8 looks like; None when it is UTF-8."""
        decoder = codecs.getincrementaldecoder(UTF_8)()
        unpacked = 0
        with self._bytes() as stream:
            while chunk := stream.read(CHUNK_BYTES):
                # What UTF-16 without its mark looks like: no text of ours has a NUL in its first line.
                if not unpacked and b"\0" in chunk.partition(b"\n")[0]:
                    return _likely_encoding(chunk)
                unpacked += len(chunk)
                self._check(0, unpacked)
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    return _likely_encoding(chunk)
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                return _likely_encoding(b"")
        return None

    def _bytes(self) -> IO[bytes]:
        return gzip.open(self.source) if self.file.endswith(".gz") else self.source.open("rb")  # type: ignore[return-value]

    def _check(self, number: int, unpacked: int, *, is_long: bool = False) -> None:
        """Raise UserError for a line that is too long, or a file that unpacks to more than it may."""
        if is_long:
            raise UserError(
                f"{self.file}, line {number}: is longer than {LINE_LIMIT // 1024**2} MiB. Is it the right file? "
                "Records end with LF or CRLF."
            )
        if unpacked > self.settings.max_unpacked and self.file.endswith(".gz"):
            raise too_large(self.file, self.settings)


def too_large(file: str, settings: ReadSettings) -> UserError:
    """Return the error for a file that unpacks to more than it may."""
    return UserError(
        f"{file}: unpacks to more than {settings.max_unpacked:,} bytes. If it is what it should be, raise the setting "
        "raw.max_unpacked."
    )


SURROGATES = re.compile("[\ud800-\udfff]")
FRENCH = frozenset("àâäçéèêëîïôöùûüÿœæ")


def _likely_encoding(content: bytes) -> str:
    """Return the encoding that bytes which are not UTF-8 look like, for a message."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:1000]:
        return "utf-16" if content.startswith((b"\xff", b"\xfe")) or content[:1] == b"\0" else "utf-16-le"
    # The one in which it has most letters that French has, in the order of how common they are.
    return max(
        ("windows-1252", "cp850", "mac-roman"),
        key=lambda encoding: sum(letter in FRENCH for letter in content.decode(encoding, "replace")),
    )


def _advice(encoding: str) -> str:
    return (
        f'It looks like {encoding}. Deliver it as UTF-8, or set encoding = "{encoding}" under [raw] in opco.toml and '
        "look at the names."
    )


def _column_name(delivered: str) -> str:
    return delivered.strip(BLANKS).lower()


def _require_columns(table: RawTable, file: str, present: set[str]) -> None:
    missing = [name for name in table.required_columns if name not in present]
    if missing:
        raise UserError(
            f"{file}: table {table.name} lacks the required column{'s' if len(missing) > 1 else ''} "
            f"{', '.join(missing)}. Columns found: {', '.join(sorted(present)) or 'none'}."
        )


def _check_header(table: RawTable, file: str, names: list[str]) -> None:
    """Check a header's normalised names against the contract."""
    for name in table.column_names:
        if names.count(name) > 1:
            raise UserError(f"{file}: column {name} of table {table.name} stands twice in the header. Keep one.")
    _require_columns(table, file, set(names))


def _records(lines: Iterator[_Line], delimiter: str, file: str) -> Iterator[tuple[int, list[str] | None, str]]:
    """Yield each CSV record: its first physical line, its cells (None: not RFC 4180 or no text), that line's text.

    After a malformed record the reader continues with the next physical line. An empty line is no record.
    """
    # Of a record's lines, which may be many, the first, and whether all are text.
    first: _Line | None = None
    are_text = True

    def remembered() -> Iterator[str]:
        nonlocal first, are_text
        for line in lines:
            first = first or line
            are_text = are_text and line.is_text
            yield line.text

    reader = csv.reader(remembered(), delimiter=delimiter, strict=True)
    while True:
        first_line = reader.line_num + 1
        first, are_text = None, True
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error) or "field limit" in str(error):
                raise UserError(
                    f"{file}, line {first_line}: a quote opens that is never closed. Close it and deliver again."
                ) from error
            yield first_line, None, first.text if first else ""
            continue
        if cells:
            yield first_line, cells if are_text else None, first.text if first else ""


def _csv_header(text: _TextFile) -> tuple[str, list[str]]:
    """Return the delimiter under which the header holds most listed columns, and the header's names."""
    listed = set(text.table.column_names)
    best: tuple[int, str, list[str]] | None = None
    never_closed: UserError | None = None
    is_malformed = False
    for delimiter in DELIMITERS:
        try:
            header = next(_records(text.lines(), delimiter, text.file), None)
        except UserError as error:  # this delimiter leaves a quote open; another may not
            never_closed = error
            continue
        if header is None:
            raise UserError(
                f"{text.file}: table {text.table.name} has no header. A CSV file begins with its column names."
            )
        _, cells, first_line = header
        if cells is None:
            if re.search("\r[^\n]", first_line):
                raise UserError(
                    f"{text.file}: the header of table {text.table.name} is malformed: its lines end with CR alone. "
                    "Records end with LF or CRLF."
                )
            is_malformed = True
            continue
        names = [_column_name(cell) for cell in cells]
        found = len(listed.intersection(names))
        if best is None or found > best[0]:
            best = (found, delimiter, names)
    # Where one delimiter finds broken quotes, another finds a header of one long name.
    if best is None or best[0] == 0:
        if never_closed:
            raise never_closed
        if best and not is_malformed:
            return best[1], best[2]
        looks_like = text.looks_like()
        raise UserError(
            f"{text.file}: the header of table {text.table.name} is malformed "
            + (f"(not UTF-8). {_advice(looks_like)}" if looks_like else "(quotes).")
        )
    return best[1], best[2]


def _read_csv(text: _TextFile, batches: _Batches) -> list[str]:
    """Read the records; return the header's names."""
    table = text.table
    csv.field_size_limit(CELL_LIMIT)
    delimiter, names = _csv_header(text)
    _check_header(table, text.file, names)
    width = len(names)
    positions = [names.index(name) if name in names else None for name in table.column_names]
    records = _records(text.lines(), delimiter, text.file)
    next(records)
    for line, cells, first_line in records:
        if cells is None or len(cells) != width:
            batches.add_malformed(line, first_line)
        else:
            batches.add(line, [None if column is None else cells[column] for column in positions])
    return names


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
    """Return the object that a line holds; None where it holds none, is no text, or is nested too deep."""
    if not line.is_text:
        return None
    try:
        record = _DECODER.decode(line.text.strip(BLANKS))
        if line.text.count("[") + line.text.count("{") > MOST_NESTED and _is_too_deep(record):
            return None
        if "\\u" in line.text:  # an escape may stand for half a character
            _json_text(record).encode()
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _is_too_deep(record: object) -> bool:
    """Whether lists and objects stand in one another more than `MOST_NESTED` times."""
    level = [record]
    for _ in range(MOST_NESTED):
        inner = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list)))
        level = [value for values in inner for value in values]
    return any(isinstance(one, (dict, list)) for one in level)


_DECODER = json.JSONDecoder(parse_int=_Written, parse_float=_Written, parse_constant=_refuse_constant)


def _read_json_lines(text: _TextFile, batches: _Batches) -> list[str]:
    """Read the objects; return the names of all their keys."""
    table = text.table
    positions = {name: column for column, name in enumerate(table.column_names)}
    width = len(positions)
    seen: dict[str, int | None] = {}
    object_count = 0
    for number, line in enumerate(text.lines(), start=1):
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
                seen[key] = positions.get(_column_name(key))
            column = seen[key]
            if column is None or value is None:
                continue
            if isinstance(value, str):
                cells[column] = value
            elif isinstance(value, bool):
                cells[column] = "true" if value else "false"
            else:
                cells[column] = _json_text(value)
                unfit.append(table.column_names[column])
        batches.add(number, cells, unfit or None)
    names = [_column_name(key) for key in seen]
    if object_count:
        _require_columns(table, text.file, set(names))
    return names


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
FLOATS = ("FLOAT", "DOUBLE")


def _read_parquet(source: Path, table: RawTable, file: str, target: Path, settings: ReadSettings) -> FileReading:
    db = duckdb.connect()
    try:
        about = pq.read_metadata(source)
        delivered_names = pq.read_schema(source).names
        unpacked = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
        # A column of one value takes no room; its rows do.
        if max(unpacked, about.num_rows * len(delivered_names)) > settings.max_unpacked:
            raise too_large(file, settings)
        _check_header(table, file, [_column_name(column) for column in delivered_names])
        # DuckDB numbers the rows itself, unless the file has a column of that name: then one thread keeps their order.
        has_own = ROW_NUMBER in delivered_names
        options = f"hive_partitioning = false{'' if has_own else f', {ROW_NUMBER} = true'}"
        line = "row_number() over ()" if has_own else f"{ROW_NUMBER} + 1"
        db.execute("set TimeZone = 'UTC'")
        if has_own:
            db.execute("set threads = 1")
        delivered = f"read_parquet($source, {options})"
        described = db.execute(f"describe from {delivered}", {"source": literal_path(source)}).fetchall()
        types = {column: kind for column, kind, *_ in described}
        names = {_column_name(column): column for column in reversed(delivered_names)}
        cells, unfit = [], []
        for listed in table.columns:
            name = listed.name
            if name not in names:
                cells.append(f"cast(null as varchar) as {quoted_identifier(name)}")
                continue
            column, kind = quoted_identifier(names[name]), types[names[name]]
            if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
                unfit.append(f"case when {column} is not null then '{name}' end")
                cells.append(f"cast(to_json({column}) as varchar) as {quoted_identifier(name)}")
            else:
                # A float has no text of its own: an ID would become 1001.0, or end in digits that nobody gave.
                if listed.kind != "pct" and (kind in FLOATS or re.fullmatch(r"DECIMAL\(\d+,[1-9]\d*\)", kind)):
                    unfit.append(f"case when {column} is not null then '{name}' end")
                text = _PARQUET_TEXT.get(kind, "cast({cell} as varchar)").format(cell=column)
                cells.append(f"{text} as {quoted_identifier(name)}")
        fits_none = f"list_filter([{', '.join(unfit)}], lambda name: name is not null)"
        unfit_columns = f"nullif({fits_none}, [])" if unfit else "null"
        db.execute(
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
        return _reading(table, pq.read_metadata(target).num_rows, [*map(_column_name, delivered_names)], UTF_8)
    except (duckdb.Error, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{file}: the Parquet file cannot be read ({reason}). Deliver it again.") from error
    finally:
        db.close()


def literal_path(path: Path) -> str:
    """Return a path as DuckDB's readers take it: its own signs for many files stand for themselves."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))
