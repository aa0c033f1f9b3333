"""Any text of a learner's fields comes back from every format as it is, but for the guard against formulas in CSV."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import openpyxl
import pyarrow.parquet as pq
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, write_export

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), min_size=9, max_size=9)


def as_in_csv(text: str) -> str:
    seen = next((sign for sign in text if unicodedata.category(sign) not in ("Zs", "Zl", "Zp", "Cf", "Cc")), " ")
    return f"'{text}" if seen in "=+-@＝＋－＠﹦﹢﹣﹫" or text[0] in "\t\r" else text


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([*'";,=+-@', "\r", "\n"])
@example(["\0", "\ufffe", "\uffff", "_x0041_", "<r></r>", "&#13;", "\x7f\x85\u2028", "=cmd|' /c calc'!A1", " "])
@example(["＝1+1", "＋33", "－5", "＠a", "\u200b=1", "\u2060\u00a0@a", " -1", "\ufeff＝1", "\u200bA=1"])
@given(TEXTS)
def test_any_text(published_sql: str, texts: list[str]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        with duckdb.connect(str(folder / "opco.duckdb")) as connection:
            connection.execute(published_sql)
            # One text for each connection, as the name of a session of its own.
            connection.execute(
                "update fct_opco_connections set session_id = 'S' || connection_id, session_name = texts[place]"
                " from (select $texts as texts) as given, (select unnest(['c20', 'c2', 'c5', 'c10', 'c4', 'c6', 'c7',"
                " 'c8', 'c9']) as id, unnest(range(1, 10)) as place) as places where connection_id = places.id",
                {"texts": texts},
            )
        written = {
            format_: write_export(
                folder / "opco.duckdb",
                folder / f"export.{format_}",
                ExportFilters(),
                ExportOptions(format=format_, dialect="rfc4180"),  # type: ignore[arg-type]
            ).path
            for format_ in ("csv", "xlsx", "parquet")
        }
        with written["csv"].open(encoding="utf-8", newline="") as file:
            records = list(csv.DictReader(file, strict=True))
        assert sorted(record["Session"] for record in records) == sorted(map(as_in_csv, texts))
        sheet = openpyxl.load_workbook(written["xlsx"]).worksheets[0]
        place = [cell.value for cell in sheet[1]].index("Session")
        cells = [row[place] for row in sheet.iter_rows(min_row=2)]
        assert sorted(unescape(str(cell.value)) for cell in cells) == sorted(texts)
        assert {cell.data_type for cell in cells} == {"s"}
        assert sorted(pq.read_table(written["parquet"])["session_name"].to_pylist()) == sorted(texts)
