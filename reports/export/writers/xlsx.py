"""XLSX (E): typed cells, a frozen header that filters, texts that never run, further sheets beyond Excel's last row.

XlsxWriter makes the workbook, its styles and its sheets; the rows are put together by the database, as the other
formats' are, and replace a sample row. See docs/decisions/0021-how-the-xlsx-rows-are-written.md.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pyarrow as pa
import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from reports.export.columns import Column, Kind
from reports.export.lines import OrderedLines, Part, displayed, printed
from reports.export.writers import CutCell, WriterInput, Written
from reports.export.writers.texts import texts_of, written_behind
from warehouse.sql import quoted_identifier

LINES_A_SHEET = 1_048_575
CHARACTERS_A_CELL = 32_767
WIDEST = 60
LINES_A_BATCH = 20_000
"""The XML of a line is some five times as long as its CSV."""
SHEET_NAMES = {"en": "Connections", "fr": "Connexions"}

DATE_FORMAT = "dd/mm/yyyy"
INSTANT_FORMAT = "dd/mm/yyyy hh:mm"
# Excel's own dd would show the day of a month, 1 to 31, and calls a sum of 33 days 2. So days are written out as far
# as two conditions go, and longer times read as hours and minutes, which are right at any length.
DURATION_FORMAT = '[<1]"00":hh:mm;[<2]"01":hh:mm;[hh]:mm'
FORMATS = {Kind.DATE: DATE_FORMAT, Kind.INSTANT: INSTANT_FORMAT, Kind.DURATION_MINUTES: DURATION_FORMAT}
WIDTHS = {Kind.DATE: 11, Kind.INSTANT: 16, Kind.DURATION_MINUTES: 11}

# Days of Excel's calendar are counted from here; before March 1900 programs do not agree on them.
DAY_ZERO = "date '1899-12-30'"
FIRST_DAY = "date '1900-03-01'"
TEXT_BEGINS = 't="inlineStr"><is><t xml:space="preserve">'
TEXT_ENDS = "</t></is></c>"
# Stands for the row's number until that is known. No text holds it: every < in one is written as an entity.
ROW_MARK = '<"'
COMPRESSION_LEVEL = 1
"""Nearly as small as zlib's default on rows that repeat themselves so much, in a third of the time."""


@dataclass(frozen=True)
class XlsxWriter:
    """One workbook; `lines_a_sheet` lines stand on a sheet, under the header."""

    lines_a_sheet: int = LINES_A_SHEET

    def columns(self, printed: tuple[Column, ...]) -> tuple[Column, ...]:
        """Return the columns of the file: those that are printed."""
        return printed

    def write(self, given: WriterInput, target: Path) -> Written:
        """Write all lines to `target`; without lines, the header alone."""
        skeleton = target.with_name(f"{target.name}.skeleton")
        try:
            styles = self._write_skeleton(given, skeleton)
            parts = self._parts(given, styles)
            lines = OrderedLines(given.db, given.selection, parts, given.progress, LINES_A_BATCH)
            with ZipFile(skeleton) as source, ZipFile(target, "w", compresslevel=COMPRESSION_LEVEL) as book:
                rows = _Rows(lines, self.lines_a_sheet)
                for info in source.infolist():
                    entry = ZipInfo(info.filename, (1980, 1, 1, 0, 0, 0))
                    entry.compress_type = ZIP_DEFLATED
                    with source.open(info) as old, book.open(entry, "w", force_zip64=True) as new:
                        if info.filename.startswith("xl/worksheets/sheet"):
                            _write_sheet(old.read(), self._header(given, styles), rows, new)
                        else:
                            shutil.copyfileobj(old, new)
        finally:
            skeleton.unlink(missing_ok=True)
        return Written(self._cut_cells(given))

    def _write_skeleton(self, given: WriterInput, path: Path) -> dict[Kind | None, int]:
        """Write the workbook without its rows, and return the number of each kind's style, None being the header's."""
        longest = _longest_texts(given)
        with xlsxwriter.Workbook(path) as book:
            book.set_properties({"title": "OPCO export", "created": given.data_as_of.replace(tzinfo=None)})
            header = {"bold": True, "bg_color": "#E7EDF3", "bottom": 1, "valign": "top"}
            formats: dict[Kind | None, Any] = {None: book.add_format(header)}
            formats |= {kind: book.add_format({"num_format": code}) for kind, code in FORMATS.items()}
            for number in range(max(1, -(-given.selection.count // self.lines_a_sheet))):
                lines = min(self.lines_a_sheet, given.selection.count - number * self.lines_a_sheet)
                sheet = book.add_worksheet(self._sheet_name(given, number))
                sheet.freeze_panes(1, 0)
                sheet.autofilter(0, 0, lines, len(given.columns) - 1)
                for index, column in enumerate(given.columns):
                    # The filter's button takes the width of some letters.
                    title = len(column.header(given.language)) + 4
                    width = WIDTHS.get(column.kind, 0) or longest[index] + 1
                    sheet.set_column(index, index, min(WIDEST, max(8, width, title)))
                # The sample row: each style once, in the order of `formats`.
                for index, style in enumerate(formats.values()):
                    sheet.write_number(0, index, 0, style)
        with ZipFile(path) as written:
            sample = written.read("xl/worksheets/sheet1.xml").decode()
        numbers = [int(number) for number in re.findall(r'<c r="[A-Z]+1" s="(\d+)"', sample)]
        return dict(zip(formats, numbers, strict=True))

    def _sheet_name(self, given: WriterInput, number: int) -> str:
        return SHEET_NAMES[given.language] + (f" {number + 1}" if number else "")

    def _header(self, given: WriterInput, styles: dict[Kind | None, int]) -> bytes:
        """Return the XML of the header row."""
        cells = given.db.execute(
            f"select {_cut_and_escaped('header')} from (select unnest(cast($headers as varchar[])) as header)",
            {"headers": [column.header(given.language) for column in given.columns]},
        ).fetchall()
        written = "".join(
            f'<c r="{xl_col_to_name(index)}1" s="{styles[None]}" {TEXT_BEGINS}{text}{TEXT_ENDS}'
            for index, (text,) in enumerate(cells)
        )
        return f'<row r="1">{written}</row>'.encode()

    def _parts(self, given: WriterInput, styles: dict[Kind | None, int]) -> list[Part]:
        """Return the cells of a row, those of one level that stand side by side in one part."""
        cells = [
            (column, _cell(column, xl_col_to_name(index), styles.get(column.kind, 0)))
            for index, column in enumerate(given.columns)
        ]
        parts = []
        for _, group in groupby(cells, key=lambda cell: cell[0].level):
            columns, sql = zip(*group, strict=True)
            parts.append(Part(columns, f"concat({', '.join(sql)})"))
        return parts

    def _cut_cells(self, given: WriterInput) -> list[CutCell]:
        """Return the cells whose text was cut, in the order of the file."""
        texts = [
            (index, column) for index, column in enumerate(given.columns) if column.kind in (Kind.TEXT, Kind.TEXTS)
        ]
        cut = [
            CutCell(self._sheet_name(given, 0), f"{xl_col_to_name(index)}1", title, units)
            for index, column in enumerate(given.columns)
            if (units := _utf16_units(title := column.header(given.language))) > CHARACTERS_A_CELL
        ]
        is_long = " or ".join(f"length({printed(column)}) > {CHARACTERS_A_CELL // 2}" for _, column in texts)
        if not given.db.execute(
            f"select 1 from {given.selection.source} where {is_long} limit 1", given.selection.parameters
        ).fetchone():
            return cut
        parts = [Part((column,), f"{_units(printed(column))}") for _, column in texts]
        position = 0
        for batch in OrderedLines(given.db, given.selection, parts, lambda *_: None).batches():
            for lengths in zip(*(values.to_pylist() for values in batch.columns), strict=True):
                sheet, row = divmod(position, self.lines_a_sheet)
                for (index, column), units in zip(texts, lengths, strict=True):
                    if units is not None and units > CHARACTERS_A_CELL:
                        cell = f"{xl_col_to_name(index)}{row + 2}"
                        cut.append(CutCell(self._sheet_name(given, sheet), cell, column.header(given.language), units))
                position += 1
        return cut


class _Rows:
    """The XML of all rows, one behind the other, handed out sheet by sheet."""

    def __init__(self, lines: OrderedLines, lines_a_sheet: int) -> None:
        parts = ", ".join(f"part_{number}" for number in range(len(lines.parts)))
        # The header has the first row.
        number = f"cast(position % {lines_a_sheet} + 2 as varchar)"
        cells = f"""replace(concat({parts}), '{ROW_MARK}', {number} || '"')"""
        self._batches = lines.batches([f"""concat('<row r="', {number}, '">', {cells}, '</row>')"""])
        self._lines_a_sheet = lines_a_sheet
        self._left: pa.RecordBatch | None = None

    def of_next_sheet(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the sheet that comes next."""
        left = self._lines_a_sheet
        while left:
            batch = self._left if self._left is not None else next(self._batches, None)
            self._left = None
            if batch is None:
                return
            if batch.num_rows > left:
                batch, self._left = batch.slice(0, left), batch.slice(left)
            left -= batch.num_rows
            yield batch


def _write_sheet(skeleton: bytes, header: bytes, rows: _Rows, file: IO[bytes]) -> None:
    """Write the sheet `skeleton` with the true rows in place of its sample row."""
    before, after = re.fullmatch(rb"(.*<sheetData>).*(</sheetData>.*)", skeleton, re.DOTALL).groups()  # type: ignore[union-attr]
    # Readers that trust it would see the sample row alone; it may be absent.
    file.write(re.sub(rb"<dimension [^>]*/>", b"", before) + header)
    with written_behind(file) as write:
        for batch in rows.of_next_sheet():
            write(texts_of(batch))
    file.write(after)


def _cell(column: Column, letters: str, style: int) -> str:
    """Return the SQL of a cell's XML over ordered lines, empty where the cell is."""
    reference = f'<c r="{letters}{ROW_MARK}'
    text = f"""'{reference} {TEXT_BEGINS}' || {{text}} || '{TEXT_ENDS}'"""
    number = f"""'{reference} s="{style}"><v>' || {{number}} || '</v></c>'"""
    name = f"fact.{quoted_identifier(column.name)}"
    match column.kind:
        case Kind.DATE:
            day = number.format(number=f"date_diff('day', {DAY_ZERO}, {name})")
            return f"case when {name} >= {FIRST_DAY} then {day} else {text.format(text=printed(column))} end"
        case Kind.INSTANT:
            local = displayed(column.name)
            days = f"date_diff('day', {DAY_ZERO}, cast({local} as date))"
            minutes = f"(hour({local}) * 60 + minute({local}))"
            return number.format(number=f"cast({days} + {minutes} / 1440.0 as double)")
        case Kind.DURATION_MINUTES:
            return number.format(number=f"cast({name} / 1440.0 as double)")
        case Kind.SECONDS:
            return number.format(number=name)
        case _:
            return text.format(text=_cut_and_escaped(printed(column)))


def _cut_and_escaped(text: str) -> str:
    """Return the SQL of `text`, cut to what a cell takes, as XML; what XML cannot hold has a workbook's escape."""
    first = f"left({text}, {CHARACTERS_A_CELL})"
    # A character beyond the sixteenth bit counts twice in Excel.
    fits = f"left({first}, {CHARACTERS_A_CELL} - {_astral(first)})"
    cut = f"case when length({text}) > {CHARACTERS_A_CELL // 2} then {fits} else {text} end"
    escaped = f"replace(replace(replace(replace({cut}, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '_x', '_x005F_x')"
    rare = escaped
    for code in (*range(9), *range(11, 32), 0xFFFE, 0xFFFF):
        rare = f"replace({rare}, chr({code}), '_x{code:04X}_')"
    has_rare = f"regexp_matches({text}, '[\\x00-\\x08\\x0B-\\x1F\\x{{FFFE}}\\x{{FFFF}}]')"
    return f"case when {has_rare} then {rare} else {escaped} end"


def _astral(text: str) -> str:
    """Return the SQL of the number of characters beyond the sixteenth bit."""
    return f"length(regexp_replace({text}, '[\\x00-\\x{{FFFF}}]+', '', 'g'))"


def _units(text: str) -> str:
    """Return the SQL of a text's length as Excel counts it."""
    return f"(length({text}) + case when length({text}) > {CHARACTERS_A_CELL // 2} then {_astral(text)} else 0 end)"


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _longest_texts(given: WriterInput) -> list[int]:
    """Return the characters of the longest text of each column, 0 for one without a text."""
    lengths = ", ".join(
        f"max(length({printed(column)}))" if column.kind in (Kind.TEXT, Kind.TEXTS) else "0" for column in given.columns
    )
    row = given.db.execute(f"select {lengths} from {given.selection.source}", given.selection.parameters).fetchone()
    return [length or 0 for length in row or ()]
