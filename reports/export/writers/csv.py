"""CSV in two dialects (E): records end with CRLF, cells are quoted where they must be, no cell runs as a formula."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

from reports.export.columns import DECIMAL_HOURS, Column, Kind, Language
from reports.export.lines import OrderedLines, Part, printed
from reports.export.writers import WriterInput, Written
from reports.export.writers.texts import texts_of, written_behind

Dialect = Literal["excel", "rfc4180"]
LINE_END = "\r\n"
# The database reads a table in pieces of 122,880 rows, a thread a piece: two threads need a batch of two pieces.
LINES_A_BATCH = 245_760
BYTE_ORDER_MARK = "\ufeff"
# The full-width signs too, which a spreadsheet in Japanese or Chinese reads as the narrow ones, and the small ones.
FORMULA_SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"


@dataclass(frozen=True)
class CsvWriter:
    """`excel`: semicolons and a byte order mark; `rfc4180`: commas and none. Both UTF-8."""

    dialect: Dialect
    decimal_hours: bool = False
    """Whether the time spent stands at the end of a line once more, in decimal hours."""

    @property
    def delimiter(self) -> str:
        """What stands between two cells."""
        return ";" if self.dialect == "excel" else ","

    @property
    def byte_order_mark(self) -> str:
        """What the file begins with."""
        return BYTE_ORDER_MARK if self.dialect == "excel" else ""

    def columns(self, printed: tuple[Column, ...]) -> tuple[Column, ...]:
        """Return the columns of the file: those that are printed."""
        return (*printed, DECIMAL_HOURS) if self.decimal_hours else printed

    def header(self, columns: tuple[Column, ...], language: Language) -> list[str]:
        """Return the cells of the header as they read."""
        headers = (column.header(language) for column in columns)
        return [f"'{header}" if runs_as_formula(header) else header for header in headers]

    def write(self, given: WriterInput, target: Path) -> Written:
        """Write all lines to `target`; without lines, the header alone."""
        # Columns of one level that stand side by side are put together once for all lines of a member.
        parts = []
        for _, group in groupby(given.columns, key=lambda column: column.level):
            columns = tuple(group)
            parts.append(Part(columns, f"concat_ws('{self.delimiter}', {', '.join(map(self._cell, columns))})"))
        lines = OrderedLines(given.db, given.selection, parts, given.progress, LINES_A_BATCH)
        between = f", '{self.delimiter}', ".join(f"part_{number}" for number in range(len(parts)))
        record = io.StringIO()
        header = csv.writer(record, delimiter=self.delimiter, lineterminator=LINE_END)
        header.writerow(self.header(given.columns, given.language))
        with target.open("wb") as file:
            file.write((self.byte_order_mark + record.getvalue()).encode())
            with written_behind(file) as write_behind:
                for batch in lines.batches([f"concat({between}, chr(13), chr(10))"]):
                    write_behind(texts_of(batch))
        return Written()

    def cell(self, column: Column) -> str:
        """Return the SQL of a cell's text over ordered lines, harmless and not yet quoted; never null."""
        text = printed(column)
        if column.kind is Kind.DECIMAL_HOURS and self.dialect == "excel":
            # As the spreadsheets read it for which the dialect is made: with a comma, as they part cells by semicolons.
            text = f"replace({text}, '.', ',')"
        return f"coalesce({harmless(text) if column.kind in (Kind.TEXT, Kind.TEXTS) else text}, '')"

    def _cell(self, column: Column) -> str:
        """Return the SQL of a cell as it stands in the file."""
        text = self.cell(column)
        if column.kind not in (Kind.TEXT, Kind.TEXTS):
            return text
        must_be_quoted = f"regexp_matches({text}, '[{self.delimiter}\"\\r\\n]')"
        return f"""case when {must_be_quoted} then '"' || replace({text}, '"', '""') || '"' else {text} end"""


def harmless(text: str) -> str:
    """Return the SQL of `text` with an apostrophe before what a spreadsheet might run (`runs_as_formula`)."""
    # A text that begins with a letter, as nearly all do, needs no closer look: below, between and beyond are the signs.
    return rf"""
        case
            when {text} >= 'A' and {text} < chr(128) or {text} >= chr(192) and {text} < chr(1536) then {text}
            when regexp_matches({text}, '^([\p{{Z}}\p{{Cf}}\p{{Cc}}]*[{re.escape(FORMULA_SIGNS)}]|[\t\r])')
                then '''' || {text}
            else {text}
        end
    """


def runs_as_formula(text: str) -> bool:
    """Whether `text` starts with =, +, -, @, also full-width or behind blanks that nobody sees, or a tab or CR (E)."""
    hidden = (sign for sign in set(text) if unicodedata.category(sign) in ("Zs", "Zl", "Zp", "Cf", "Cc"))
    return text.startswith(("\t", "\r")) or text.lstrip("".join(hidden)).startswith(tuple(FORMULA_SIGNS))
