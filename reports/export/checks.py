"""What is checked of every file before it gets its name: its lines, its header, its values, each read back from it."""

from __future__ import annotations

import csv
import math
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree
from zipfile import ZipFile

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from xlsxwriter.utility import xl_col_to_name

from reports.export.columns import Column, Kind, Language, Level
from reports.export.lines import Selection, as_displayed
from reports.export.totals import TOTALS
from reports.export.writers import Writer
from reports.export.writers.csv import CsvWriter
from reports.export.writers.parquet import ParquetWriter
from warehouse.sql import quoted_identifier

LINES, HEADER, VALUES = "lines", "header", "values"
DESCRIPTIONS = {
    LINES: "The file has as many lines as fct_opco_connections has rows that pass the filters.",
    HEADER: "The header is the spec's: the fixed columns and the custom fields, in their order.",
    VALUES: "Read back, the file gives the values of fct_opco_connections; of a workbook, each sum of its times.",
}
# A record must fit into a block; nearly all fit into the small one.
BLOCK_BYTES = (4 * 1024**2, 512 * 1024**2)
ROWS_A_BATCH = 16_384
MOST_COLUMNS_AT_ONCE = 60
"""Of more columns the limit of memory has no room for two things side by side."""
SECONDS_A_DAY = 86_400
SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@dataclass(frozen=True)
class Check:
    """One check of a file: `expected` is what the warehouse says, `found` what the file says."""

    name: str
    expected: str
    found: str

    @property
    def passed(self) -> bool:
        """Whether the file is as it should be."""
        return self.expected == self.found


def check_file(
    db: duckdb.DuckDBPyConnection,
    path: Path,
    writer: Writer,
    columns: tuple[Column, ...],
    language: Language,
    selection: Selection,
) -> tuple[Check, ...]:
    """Read the file at `path` back and return its checks. `columns` are those of the file."""
    if isinstance(writer, CsvWriter):
        header = writer.header(columns, language)
        found_header = _header_of_csv(path, writer)
        # Side by side: reading a CSV back is the work of one thread.
        with ThreadPoolExecutor(1) as pool:
            read = pool.submit(_read_csv, db.cursor(), path, writer, columns)
            if len(columns) > MOST_COLUMNS_AT_ONCE:
                read.result()
            expected = _fingerprint_of_csv(db, writer, columns, header, selection)
            records, found = read.result()
        lines = records - 1
        values = Check(VALUES, expected, found)
    elif isinstance(writer, ParquetWriter):
        header = [column.name for column in columns]
        with pq.ParquetFile(path, pre_buffer=False) as file:
            found_header = list(file.schema_arrow.names)
            typed = [writer.value(column) for column in columns]
            expected = _fingerprint(db, typed, selection)
            # By position: two columns may not bear one name there, but may bear any.
            names = [f"value_{number}" for number in range(len(columns))]
            schema = pa.schema(zip(names, file.schema_arrow.types, strict=True))
            read = file.iter_batches(batch_size=ROWS_A_BATCH, use_threads=False)
            batches = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in read)
            fingerprint = f"hash({', '.join(map(quoted_identifier, names))})"
            lines, found = _read_back(db, pa.RecordBatchReader.from_batches(schema, batches), fingerprint)
        values = Check(VALUES, expected, found)
    else:
        header = [column.header(language) for column in columns]
        found_header, lines, seconds = _read_workbook(path, len(columns), language)
        total = db.execute(
            f"select coalesce(sum(fact.time_spent_minutes), 0) from {selection.source}", selection.parameters
        ).fetchall()[0][0]
        values = Check(VALUES, _told(dict.fromkeys(seconds, total * 60)), _told(seconds))
    return (
        Check(LINES, str(selection.count), str(lines)),
        Check(HEADER, "\n".join(header), "\n".join(found_header)),
        values,
    )


def _fingerprint(db: duckdb.DuckDBPyConnection, values: list[str], selection: Selection) -> str:
    """Return a sum over all lines of a hash of their values, the same for the same lines in any order."""
    query = f"select sum(cast(hash({', '.join(values)}) as hugeint)) from {selection.source}"
    found = db.execute(query, selection.parameters).fetchall()
    return str(found[0][0] or 0)


def _fingerprint_of_csv(
    db: duckdb.DuckDBPyConnection,
    writer: CsvWriter,
    columns: tuple[Column, ...],
    header: list[str],
    selection: Selection,
) -> str:
    """Return the fingerprint that the records of a CSV file are to have, the header's among them.

    To print a cell takes longer than to hash what it is made of. So lines that hold the same values in the columns of
    one level, by their hash, take that level's printed hash from one place; a line like no other is printed itself.
    """
    names, joins, printed = [], [], []
    for number, places in enumerate(_levels(columns)):
        of_level = [columns[place] for place in places]
        cells = f"hash({', '.join(writer.cell(column) for column in of_level)})"
        # Nearly every line has another instant.
        if any(column.kind is Kind.INSTANT for column in of_level) or len(columns) > MOST_COLUMNS_AT_ONCE:
            printed.append(cells)
            continue
        values = ", ".join(f"fact.{quoted_identifier(name)}" for name in dict.fromkeys(one.name for one in of_level))
        # No custom field's column begins with a blank.
        name = quoted_identifier(f" values_{number}")
        names.append(f"hash({values}) as {name}")
        is_learners = of_level[0].level is Level.LEARNER
        one_each = (
            "dim_learners as fact" if is_learners else f"(select distinct {values} from {selection.source}) as fact"
        )
        joins.append(
            f"left join (select hash({values}) as {name}, any_value({cells}) as printed from {one_each} "
            f"group by {name}) as level_{number} on fact.{name} = level_{number}.{name}"
        )
        printed.append(f"coalesce(level_{number}.printed, {cells})")
    of_header = [f"hash({', '.join(f'$header_{place}' for place in places)})" for places in _levels(columns)]
    found = db.execute(
        f"""
        select sum(cast(fingerprint as hugeint))
        from (
            select hash({", ".join(printed)}) as fingerprint
            from (select {", ".join(["fact.*", *names])} from {as_displayed(selection)}) as fact
            {" ".join(joins)}
            union all
            select hash({", ".join(of_header)})
        )
        """,
        {
            **selection.parameters,
            "display_timezone": selection.display_timezone,
            **{f"header_{place}": text for place, text in enumerate(header)},
        },
    ).fetchall()
    return str(found[0][0])


def _levels(columns: tuple[Column, ...]) -> list[list[int]]:
    """Return the places of the columns, those of one level together; each of a connection's by itself."""
    levels: dict[object, list[int]] = {}
    for place, column in enumerate(columns):
        levels.setdefault(place if column.level is Level.CONNECTION else column.level, []).append(place)
    return list(levels.values())


def _read_back(db: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader, fingerprint: str) -> tuple[int, str]:
    """Return the number of rows that `reader` gives, and the sum of their `fingerprint`, SQL over its columns."""
    db.register("export_file", reader)
    try:
        query = f"select count(*), sum(cast({fingerprint} as hugeint)) from export_file"
        rows, found = db.execute(query).fetchall()[0]
    finally:
        db.unregister("export_file")
    return rows, str(found or 0)


def _read_csv(
    db: duckdb.DuckDBPyConnection, path: Path, writer: CsvWriter, columns: tuple[Column, ...]
) -> tuple[int, str]:
    """Return the number of records of a CSV file, the header's included, and their fingerprint."""
    names = [f"cell_{number}" for number in range(len(columns))]
    levels = (f"hash({', '.join(names[place] for place in places)})" for places in _levels(columns))
    fingerprint = f"hash({', '.join(levels)})"
    for block_bytes in BLOCK_BYTES:
        try:
            with pyarrow.csv.open_csv(
                path,
                read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=block_bytes),
                parse_options=pyarrow.csv.ParseOptions(delimiter=writer.delimiter, newlines_in_values=True),
                # A byte that is no UTF-8 is another fingerprint.
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), check_utf8=False
                ),
            ) as reader:
                return _read_back(db, reader, fingerprint)
        except (pa.ArrowInvalid, duckdb.Error):
            # A record that is longer than a block.
            if block_bytes == BLOCK_BYTES[-1]:
                raise
    raise AssertionError


def _header_of_csv(path: Path, writer: CsvWriter) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        file.read(len(writer.byte_order_mark))
        return next(csv.reader(file, delimiter=writer.delimiter, strict=True))


def _told(seconds: dict[str, int]) -> str:
    return ", ".join(f"{name} {value} s" for name, value in seconds.items())


def _read_workbook(path: Path, width: int, language: Language) -> tuple[list[str], int, dict[str, int]]:
    """Return the header of a workbook's first sheet, the number of its lines, and the seconds of each sum in it.

    The sums are those of the lines, and of each sheet of totals that of its rows and what its last row says, of the
    times and of the decimal hours.
    """
    lines, days = 0, 0.0
    seconds: dict[str, int] = {}
    with ZipFile(path) as book:
        names = re.findall(r'<sheet name="([^"]+)"', book.read("xl/workbook.xml").decode())
        with book.open("xl/worksheets/sheet1.xml") as sheet:
            header = _first_row(sheet)
        of_totals: dict[str, list[tuple[float, ...]]] = {}
        for number, name in enumerate(names, start=1):
            title = re.sub(r" \d+$", "", name)
            totals = next((one for one in TOTALS if one.titles[language] == title), None)
            with book.open(f"xl/worksheets/sheet{number}.xml") as sheet:
                if totals is None:
                    more_lines, more_days = _count_lines(sheet, xl_col_to_name(width - 1))
                    lines += more_lines
                    days += more_days
                else:
                    of_totals.setdefault(totals.name, []).extend(_last_two(sheet, len(totals.columns)))
    seconds["lines"] = round(days * SECONDS_A_DAY)
    for totals in TOTALS:
        *rows, last = of_totals.get(totals.name) or [(math.nan, math.nan)]
        for place, (what, unit) in enumerate((("times", SECONDS_A_DAY), ("hours", 3600))):
            seconds[f"{totals.name} {what}"] = round(math.fsum(row[place] for row in rows) * unit)
            seconds[f"{totals.name} {what} in all"] = round(last[place] * unit)
    return header, lines, seconds


def _last_two(sheet: IO[bytes], width: int) -> list[tuple[float, ...]]:
    """Return the numbers in the last two columns of a sheet of so many columns, row by row."""
    letters = [xl_col_to_name(width - 2), xl_col_to_name(width - 1)]
    cells = "".join(rf'<c r="{one}\d+" s="\d+"><v>([^<]+)</v></c>' for one in letters)
    return [tuple(map(float, found)) for found in re.findall(cells.encode(), sheet.read())]


def _first_row(sheet: IO[bytes]) -> list[str]:
    """Return the texts of a sheet's first row, a workbook's escapes undone."""
    for _, element in ElementTree.iterparse(sheet):  # noqa: S314 - the file was written a moment ago
        if element.tag == f"{SPREADSHEET}row":
            texts = ("".join(text.text or "" for text in cell.iter(f"{SPREADSHEET}t")) for cell in element)
            return [re.sub("_x([0-9A-F]{4})_", lambda code: chr(int(code[1], 16)), text) for text in texts]
    return []


def _count_lines(sheet: IO[bytes], last_column: str) -> tuple[int, float]:
    """Return the number of rows of a sheet but its header, and the sum of the numbers in its last column."""
    number = re.compile(rf'<c r="{last_column}\d+" s="\d+"><v>([^<]+)</v>'.encode())
    rows, total, rest = 0, 0.0, b""
    while chunk := sheet.read(1024 * 1024):
        # What lies behind the last whole row waits for what follows it.
        whole, end, rest = (rest + chunk).rpartition(b"</row>")
        rows += whole.count(b"</row>") + bool(end)
        total += math.fsum(map(float, number.findall(whole)))
    return rows - 1, total
