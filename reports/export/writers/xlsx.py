"""XLSX (E): typed cells, a frozen header that filters, texts that never run, further sheets beyond Excel's last row.

XlsxWriter makes the workbook, its styles and its sheets; the rows are put together by the database, as the other
formats' are, and replace a sample row. See docs/decisions/0021-how-the-xlsx-rows-are-written.md.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import duckdb
import pyarrow as pa
import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from reports.export.columns import Column, Kind
from reports.export.filter_wording import worded_in_a_line
from reports.export.lines import OrderedLines, Part, displayed, local_instant, printed, rows_of
from reports.export.totals import TOTALS, Totals
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
FORMATS = {
    Kind.DATE: DATE_FORMAT,
    Kind.INSTANT: INSTANT_FORMAT,
    Kind.DURATION_MINUTES: DURATION_FORMAT,
    Kind.TOTAL_MINUTES: "[hh]:mm",
    # The cell holds the hours as they are; two decimals are what it shows.
    Kind.DECIMAL_HOURS: "#,##0.00",
    Kind.COUNT: "#,##0",
    Kind.MONTH: "mm/yyyy",
}
WIDTHS = {
    Kind.DATE: 11,
    Kind.INSTANT: 16,
    Kind.DURATION_MINUTES: 11,
    Kind.TOTAL_MINUTES: 12,
    Kind.DECIMAL_HOURS: 12,
    Kind.COUNT: 11,
    Kind.MONTH: 10,
}

Style = tuple[Kind | str, bool]
"""What a style is for: a kind of value, and whether of the row of the total."""
Styles = dict[Style, int]
HEADER: Style = ("header", False)
NOTE: Style = ("note", False)
A4 = 9
FILTER_LETTERS = 4
"""What the button of a header's filter takes of its width."""
LINE_POINTS = 15
MOST_HEADER_LINES = 4
FOOT: dict[str, dict[str, str]] = {
    "en": {"filters": "Filters: ", "none": "none", "data": "Data as of", "page": "Page"},
    "fr": {"filters": "Filtres : ", "none": "aucun", "data": "Données au", "page": "Page"},
}
FOOT_UNITS = 255
"""What Excel takes as the foot of a page, codes included."""
FOOT_LETTERS = 95
"""A line of a foot does not break by itself, and is not to run into what is on its right."""

# Days of Excel's calendar are counted from here; before March 1900 programs do not agree on them.
DAY_ZERO = "date '1899-12-30'"
FIRST_DAY = "date '1900-03-01'"
TEXT_BEGINS = 't="inlineStr"><is><t>'
# Of texts whose outer blanks a reader would else take off.
BLANK_BEGINS = 't="inlineStr"><is><t xml:space="preserve">'
TEXT_ENDS = "</t></is></c>"
# Stands for the row's number until that is known. No text holds it: every < in one is written as an entity.
ROW_MARK = '<"'
COMPRESSION_LEVEL = 1
"""Nearly as small as zlib's default on rows that repeat themselves so much, in a third of the time."""


@dataclass(frozen=True)
class _Table:
    """Rows under a header that go on from sheet to sheet: `title` names the first, the others are numbered.

    The first `filtered` of the `rows` are those that the header's filters choose from. `notes` stand below the rows.
    """

    title: str
    columns: tuple[Column, ...]
    widths: tuple[int, ...]
    rows: int
    filtered: int
    notes: tuple[str, ...] = ()
    longest: int = 0
    """Characters of its longest text."""

    def sheets(self, rows_a_sheet: int) -> Iterator[tuple[str, int, int]]:
        """Yield each sheet's name, rows and filtered rows."""
        for number in range(max(1, -(-self.rows // rows_a_sheet))):
            before = number * rows_a_sheet
            yield (
                self.title + (f" {number + 1}" if number else ""),
                min(rows_a_sheet, self.rows - before),
                max(0, min(rows_a_sheet, self.filtered - before)),
            )


@dataclass(frozen=True)
class XlsxWriter:
    """One workbook; `lines_a_sheet` lines stand on a sheet, under the header. Sheets of totals follow."""

    lines_a_sheet: int = LINES_A_SHEET

    def columns(self, printed: tuple[Column, ...]) -> tuple[Column, ...]:
        """Return the columns of the file: those that are printed."""
        return printed

    def write(self, given: WriterInput, target: Path) -> Written:
        """Write all lines to `target`, and their totals; without lines, the headers and totals of nothing."""
        skeleton = target.with_name(f"{target.name}.skeleton")
        try:
            tables = [self._lines(given), *(_totals(given, totals) for totals in TOTALS)]
            styles = self._write_skeleton(given, tables, skeleton)
            sheets = self._sheets(given, tables, styles)
            with ZipFile(skeleton) as source, ZipFile(target, "w", compresslevel=COMPRESSION_LEVEL) as book:
                for info in source.infolist():
                    entry = ZipInfo(info.filename, (1980, 1, 1, 0, 0, 0))
                    entry.compress_type = ZIP_DEFLATED
                    with source.open(info) as old, book.open(entry, "w", force_zip64=True) as new:
                        if info.filename.startswith("xl/worksheets/sheet"):
                            header, rows, notes = next(sheets)
                            _write_sheet(old.read(), header, rows, notes, new)
                        else:
                            shutil.copyfileobj(old, new)
        finally:
            skeleton.unlink(missing_ok=True)
        return Written(self._cut_cells(given, tables[0]))

    def _lines(self, given: WriterInput) -> _Table:
        by_column: dict[Column, int] = {}
        for level in {column.level for column in given.columns}:
            columns = tuple(column for column in given.columns if column.level is level)
            found = _longest_texts(given.db, columns, rows_of(level, given.selection), given.selection.parameters)
            by_column |= zip(columns, found, strict=True)
        longest = [by_column[column] for column in given.columns]
        count = given.selection.count
        widths = _widths(given, given.columns, longest)
        return _Table(SHEET_NAMES[given.language], given.columns, widths, count, count, longest=max(longest))

    def _write_skeleton(self, given: WriterInput, tables: list[_Table], path: Path) -> Styles:
        """Write the workbook without its rows, and return the number of each style."""
        with xlsxwriter.Workbook(path) as book:
            book.set_properties({"title": "OPCO export", "created": given.data_as_of.replace(tzinfo=None)})
            formats: dict[Style, Any] = {
                HEADER: book.add_format(
                    {"bold": True, "bg_color": "#E7EDF3", "bottom": 1, "valign": "top", "text_wrap": True}
                ),
                NOTE: book.add_format({"italic": True, "font_color": "#5B6670"}),
            }
            formats |= {(kind, False): book.add_format({"num_format": code}) for kind, code in FORMATS.items()}
            formats[Kind.MONTH, False].set_align("left")
            for kind in (Kind.TEXT, *FORMATS):
                total = {"num_format": FORMATS[kind]} if kind in FORMATS else {}
                formats[kind, True] = book.add_format({**total, "bold": True, "top": 1})
            foot = _foot(given)
            for table in tables:
                for name, _, filtered in table.sheets(self.lines_a_sheet):
                    sheet = book.add_worksheet(name)
                    sheet.freeze_panes(1, 0)
                    sheet.autofilter(0, 0, filtered, len(table.columns) - 1)
                    for index, width in enumerate(table.widths):
                        sheet.set_column(index, index, width)
                    sheet.set_landscape()
                    sheet.set_paper(A4)
                    sheet.fit_to_pages(1, 0)
                    sheet.repeat_rows(0)
                    sheet.set_margins(left=0.4, right=0.4, top=0.4, bottom=0.8)
                    sheet.set_footer(foot, {"margin": 0.3, "scale_with_doc": False})
                    # The sample row: each style once, in the order of `formats`.
                    for index, style in enumerate(formats.values()):
                        sheet.write_number(0, index, 0, style)
        with ZipFile(path) as written:
            sample = written.read("xl/worksheets/sheet1.xml").decode()
        numbers = [int(number) for number in re.findall(r'<c r="[A-Z]+1" s="(\d+)"', sample)]
        return dict(zip(formats, numbers, strict=True))

    def _sheets(
        self, given: WriterInput, tables: list[_Table], styles: Styles
    ) -> Iterator[tuple[bytes, Iterator[pa.RecordBatch], bytes]]:
        """Yield of each sheet, in their order: its header, its rows, its notes, as XML."""
        parts = self._parts(given, styles)
        lines = OrderedLines(given.db, given.selection, parts, given.progress, LINES_A_BATCH)
        cells = f"concat({', '.join(f'part_{number}' for number in range(len(parts)))})"
        of_lines = lines.batches([self._row(cells)])
        of_totals = (self._rows_of_totals(given.db, totals, styles) for totals in TOTALS)
        for table, batches in zip(tables, chain([of_lines], of_totals), strict=True):
            header = _header(given, table, styles[HEADER])
            rows = _Rows(batches, self.lines_a_sheet)
            for _, count, _ in table.sheets(self.lines_a_sheet):
                yield header, rows.of_next_sheet(), _notes(table.notes, count + 3, styles[NOTE])

    def _row(self, cells: str) -> str:
        """Return the SQL of a row's XML of that of its cells; its `position` counts from 0. The header has row 1."""
        number = f"cast(position % {self.lines_a_sheet} + 2 as varchar)"
        return f"""concat('<row r="', {number}, '">', replace({cells}, '{ROW_MARK}', {number} || '"'), '</row>')"""

    def _rows_of_totals(
        self, db: duckdb.DuckDBPyConnection, totals: Totals, styles: Styles
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows' XML of gathered totals."""
        cells = []
        for index, column in enumerate(totals.columns):
            letters = xl_col_to_name(index)
            style = styles[column.kind if column.kind in FORMATS else Kind.TEXT, True]
            if index == 0:
                total = f"""'<c r="{letters}{ROW_MARK} s="{style}" {TEXT_BEGINS}Total{TEXT_ENDS}'"""
            elif column.kind is Kind.TEXT:
                total = f"""'<c r="{letters}{ROW_MARK} s="{style}"/>'"""
            else:
                total = _cell(column, letters, style)
            usual = _cell(column, letters, styles.get((column.kind, False), 0))
            cells.append(f"case when fact.is_total then {total} else {usual} end")
        ((rows,),) = db.execute(f"select count(*) from {totals.table}").fetchall()
        for first in range(0, rows, LINES_A_BATCH):
            yield from (
                db.execute(
                    f"""
                    select {self._row("cells")}
                    from (
                        select fact.rowid as position, concat({", ".join(cells)}) as cells from {totals.table} as fact
                    )
                    where position between $first and $last
                    order by position
                    """,
                    {"first": first, "last": first + LINES_A_BATCH - 1},
                )
                .to_arrow_table()
                .to_batches()
            )

    def _parts(self, given: WriterInput, styles: Styles) -> list[Part]:
        """Return the cells of a row, those of one level that stand side by side in one part."""
        cells = [
            (column, _cell(column, xl_col_to_name(index), styles.get((column.kind, False), 0)))
            for index, column in enumerate(given.columns)
        ]
        parts = []
        for _, group in groupby(cells, key=lambda cell: cell[0].level):
            columns, sql = zip(*group, strict=True)
            parts.append(Part(columns, f"concat({', '.join(sql)})"))
        return parts

    def _cut_cells(self, given: WriterInput, lines: _Table) -> list[CutCell]:
        """Return the cells whose text was cut, in the order of the file."""
        texts = [
            (index, column) for index, column in enumerate(given.columns) if column.kind in (Kind.TEXT, Kind.TEXTS)
        ]
        names = [name for name, *_ in lines.sheets(self.lines_a_sheet)]
        cut = [
            CutCell(names[0], f"{xl_col_to_name(index)}1", title, units)
            for index, column in enumerate(given.columns)
            if (units := _utf16_units(title := column.header(given.language))) > CHARACTERS_A_CELL
        ]
        if lines.longest <= CHARACTERS_A_CELL // 2:
            return cut
        parts = [Part((column,), f"{_units(printed(column))}") for _, column in texts]
        position = 0
        for batch in OrderedLines(given.db, given.selection, parts, lambda *_: None).batches():
            for lengths in zip(*(values.to_pylist() for values in batch.columns), strict=True):
                sheet, row = divmod(position, self.lines_a_sheet)
                for (index, column), units in zip(texts, lengths, strict=True):
                    if units is not None and units > CHARACTERS_A_CELL:
                        cell = f"{xl_col_to_name(index)}{row + 2}"
                        cut.append(CutCell(names[sheet], cell, column.header(given.language), units))
                position += 1
        return cut


class _Rows:
    """The XML of all rows of a table, one behind the other, handed out sheet by sheet."""

    def __init__(self, batches: Iterator[pa.RecordBatch], rows_a_sheet: int) -> None:
        self._batches = batches
        self._rows_a_sheet = rows_a_sheet
        self._left: pa.RecordBatch | None = None

    def of_next_sheet(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the sheet that comes next."""
        left = self._rows_a_sheet
        while left:
            batch = self._left if self._left is not None else next(self._batches, None)
            self._left = None
            if batch is None:
                return
            if batch.num_rows > left:
                batch, self._left = batch.slice(0, left), batch.slice(left)
            left -= batch.num_rows
            yield batch


def _totals(given: WriterInput, totals: Totals) -> _Table:
    """Gather totals, and return what is to be written of them."""
    rows = totals.gather(given.db, given.selection)
    longest = _longest_texts(given.db, totals.columns, f"{totals.table} as fact", {})
    widths = _widths(given, totals.columns, longest)
    return _Table(totals.titles[given.language], totals.columns, widths, rows, rows - 1, totals.notes[given.language])


def _widths(given: WriterInput, columns: tuple[Column, ...], longest: list[int]) -> tuple[int, ...]:
    """Return the columns' widths in letters: that of what they hold, and of the longest word of their headers."""
    widths = []
    for column, letters in zip(columns, longest, strict=True):
        word = max(map(len, column.header(given.language).split()), default=0) + FILTER_LETTERS
        widths.append(min(WIDEST, max(8, WIDTHS.get(column.kind, 0) or letters + 1, word)))
    return tuple(widths)


def _foot(given: WriterInput) -> str:
    """Return the foot of each page as a workbook writes it: the filters on the left, data and page on the right."""
    words = FOOT[given.language]
    ((as_of,),) = given.db.execute(
        f"select strftime({local_instant('$instant', '$zone')}, '%d/%m/%Y %H:%M')",
        {"instant": given.data_as_of.replace(tzinfo=None), "zone": given.selection.display_timezone},
    ).fetchall()
    right = f"&R&8{words['data']} {as_of}\n{words['page']} &P / &N"
    titles = given.db.execute("select custom_field_id, title from dim_custom_fields order by field_position").fetchall()
    filters = f"{words['filters']}{worded_in_a_line(given.filters, given.language, dict(titles)) or words['none']}"
    lines = [_shown(line) for line in textwrap.wrap(filters, FOOT_LETTERS)]
    room = FOOT_UNITS - _utf16_units(right) - len("&L&8")
    foot = ""
    for number, line in enumerate(lines):
        # What there is no room for is in the JSON beside the file.
        more = "" if number == len(lines) - 1 else " …"
        if _utf16_units(foot + line + more) + 1 > room:
            foot += " …"
            break
        foot += ("\n" if foot else "") + line
    return f"&L&8{foot}{right}"


def _shown(text: str) -> str:
    """Return user text as a foot writes it: neither a code of its own nor what XML cannot hold."""
    return re.sub("[\\x00-\\x1f\\ufffe\\uffff]", " ", text).replace("&", "&&")


def _header(given: WriterInput, table: _Table, style: int) -> bytes:
    """Return the XML of the header row, as high as its headers need where they are parted at their blanks."""
    headers = [column.header(given.language) for column in table.columns]
    lines = (len(textwrap.wrap(header, width - 1)) for header, width in zip(headers, table.widths, strict=True))
    height = LINE_POINTS * min(MOST_HEADER_LINES, max(lines))
    cells = given.db.execute(
        f"select {_cut_and_escaped('header')} from (select unnest(cast($headers as varchar[])) as header)",
        {"headers": headers},
    ).fetchall()
    written = "".join(
        f'<c r="{xl_col_to_name(index)}1" s="{style}" {TEXT_BEGINS}{text}{TEXT_ENDS}'
        for index, (text,) in enumerate(cells)
    )
    return f'<row r="1" ht="{height}" customHeight="1">{written}</row>'.encode()


def _notes(notes: tuple[str, ...], row: int, style: int) -> bytes:
    """Return the XML of notes, one a row from `row` on; nothing where a sheet has no room for them."""
    if row + len(notes) > LINES_A_SHEET:
        return b""
    return "".join(
        f'<row r="{number}"><c r="A{number}" s="{style}" {TEXT_BEGINS}{note}{TEXT_ENDS}</row>'
        for number, note in enumerate(notes, start=row)
    ).encode()


def _write_sheet(skeleton: bytes, header: bytes, rows: Iterator[pa.RecordBatch], notes: bytes, file: IO[bytes]) -> None:
    """Write the sheet `skeleton` with the true rows in place of its sample row."""
    before, after = re.fullmatch(rb"(.*<sheetData>).*(</sheetData>.*)", skeleton, re.DOTALL).groups()  # type: ignore[union-attr]
    # Readers that trust it would see the sample row alone; it may be absent.
    file.write(re.sub(rb"<dimension [^>]*/>", b"", before) + header)
    with written_behind(file) as write:
        for batch in rows:
            write(texts_of(batch))
    file.write(notes + after)


def _cell(column: Column, letters: str, style: int) -> str:
    """Return the SQL of a cell's XML over ordered lines, empty where the cell is."""
    reference = f'<c r="{letters}{ROW_MARK}'
    # Most texts have no outer blanks, and a workbook is a sixth smaller without a word on them in each cell.
    plain = printed(column)
    needs_blanks = rf"regexp_matches({plain}, '^\s|\s$') or length({plain}) > {CHARACTERS_A_CELL // 2}"
    begins = f"case when {needs_blanks} then '{BLANK_BEGINS}' else '{TEXT_BEGINS}' end"

    def text(value: str) -> str:
        return f"""'{reference} ' || {begins} || {value} || '{TEXT_ENDS}'"""

    number = f"""'{reference} s="{style}"><v>' || {{number}} || '</v></c>'"""
    name = f"fact.{quoted_identifier(column.name)}"
    match column.kind:
        case Kind.DATE | Kind.MONTH:
            day = number.format(number=f"date_diff('day', {DAY_ZERO}, {name})")
            return f"case when {name} >= {FIRST_DAY} then {day} else {text(plain)} end"
        case Kind.INSTANT:
            local = displayed(column.name)
            days = f"date_diff('day', {DAY_ZERO}, cast({local} as date))"
            minutes = f"(hour({local}) * 60 + minute({local}))"
            return number.format(number=f"cast({days} + {minutes} / 1440.0 as double)")
        case Kind.DURATION_MINUTES | Kind.TOTAL_MINUTES:
            return number.format(number=f"cast({name} / 1440.0 as double)")
        case Kind.DECIMAL_HOURS:
            return number.format(number=f"cast({name} / 60.0 as double)")
        case Kind.SECONDS | Kind.COUNT:
            return number.format(number=name)
        case _:
            return text(_cut_and_escaped(plain))


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


def _longest_texts(
    db: duckdb.DuckDBPyConnection, columns: tuple[Column, ...], source: str, parameters: dict[str, object]
) -> list[int]:
    """Return the characters of the longest text of each column, 0 for one without a text."""
    lengths = ", ".join(
        f"max(length({printed(column)}))" if column.kind in (Kind.TEXT, Kind.TEXTS) else "max(0)" for column in columns
    )
    row = db.execute(f"select {lengths} from {source}", parameters).fetchone()
    return [length or 0 for length in row or ()]
