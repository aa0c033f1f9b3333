"""CSV in two dialects (E): records end with CRLF, cells are quoted where they must be, no cell runs as a formula."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from reports.export.columns import Column, Kind, Language
from reports.export.writers import Rows

Dialect = Literal["excel", "rfc4180"]
LINE_END = "\r\n"
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class CsvWriter:
    """`excel`: semicolons and a byte order mark; `rfc4180`: commas and none. Both UTF-8."""

    dialect: Dialect

    def write(self, connection: duckdb.DuckDBPyConnection, rows: Rows, language: Language, target: Path) -> None:
        """Write all of `rows` to `target`; without rows, the header alone."""
        header = self._header(connection, rows.columns, language)
        if not rows.count:
            target.write_bytes(header.encode())
            return
        # DuckDB's own header would rename the second of two columns with one title, hence the prefix;
        # between the last row and the suffix it writes no line end.
        cells = ", ".join(f"{_cell(column)} as cell_{number}" for number, column in enumerate(rows.columns, start=1))
        connection.execute(
            rf"""
            copy (select {cells} {rows.source} order by {rows.order_by}) to $target (
                format csv, header false, prefix $header, suffix $line_end, new_line '\r\n',
                delimiter '{self._delimiter}', quote '"', escape '"', nullstr '',
                compression none, use_tmp_file false
            )
            """,
            {**rows.parameters, "target": str(target.absolute()), "header": header, "line_end": LINE_END},
        )

    @property
    def _delimiter(self) -> str:
        return ";" if self.dialect == "excel" else ","

    def _header(self, connection: duckdb.DuckDBPyConnection, columns: tuple[Column, ...], language: Language) -> str:
        """Return the header record, line end and byte order mark included."""
        headers = connection.execute(
            f"select {_harmless('header')} from (select unnest(cast($headers as varchar[])) as header)",
            {"headers": [column.header(language) for column in columns]},
        ).fetchall()
        record = io.StringIO()
        csv.writer(record, delimiter=self._delimiter, lineterminator=LINE_END).writerow(header for (header,) in headers)
        return (BYTE_ORDER_MARK if self.dialect == "excel" else "") + record.getvalue()


def _cell(column: Column) -> str:
    """Return the SQL of a column's text, null where the cell is empty."""
    match column.kind:
        case Kind.TEXT:
            return _harmless(column.sql)
        case Kind.DATE:
            return f"strftime({column.sql}, '%d/%m/%Y')"
        case Kind.LOCAL_INSTANT:
            return f"strftime({column.sql}, '%d/%m/%Y %H:%M')"
        case Kind.DURATION_MINUTES:
            minutes = column.sql
            return f"printf('%02d:%02d:%02d', {minutes} // 1440, {minutes} // 60 % 24, {minutes} % 60)"


def _harmless(text: str) -> str:
    """Return the SQL of `text` with an apostrophe before =, +, -, @, tab or CR, so that no spreadsheet runs it (E)."""
    # A text from "A" on, as nearly all are, needs no closer look. And not `in (…)`: DuckDB makes a join of a list
    # this long, one for each column.
    starts = "'=+-@' || chr(9) || chr(13)"
    return f"""
        case
            when {text} >= 'A' then {text}
            when contains({starts}, left(nullif({text}, ''), 1)) then '''' || {text}
            else nullif({text}, '')
        end
    """
