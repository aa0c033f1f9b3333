"""What is checked of a file, and that a file which is not sound never gets its name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from reports.export.columns import COLUMNS_AFTER_FIELDS
from reports.export.filters import ExportFilters
from reports.export.lines import ROW_ID, OrderedLines, Part, Selection
from reports.export.totals import Totals
from reports.export.write import ExportOptions, FileNotSoundError, count_export, write_export
from reports.export.writers import WriterInput, Written
from reports.export.writers.csv import CsvWriter
from reports.export.writers.parquet import ParquetWriter
from reports.export.writers.xlsx import XlsxWriter
from tests.export_counts import independent_count
from warehouse.published import open_published

Damage = Callable[[bytes], bytes]


@pytest.mark.parametrize("format_", ["csv", "xlsx", "parquet"])
def test_a_sound_file_passes_its_checks(published: Path, tmp_path: Path, format_: str) -> None:
    summary = write_export(published, tmp_path / "export", ExportFilters(), ExportOptions(format=format_))  # type: ignore[arg-type]

    assert [check.name for check in summary.checks] == ["lines", "header", "values"]
    assert [check.passed for check in summary.checks] == [True, True, True]
    assert summary.checks[0].found == "9"


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda content: content[: content.rindex(b",,Anonyme")], "lines: '9' in the warehouse, '8' in the file"),
        (lambda content: content.replace(b"Last name", b"Lastname"), "header: "),
        (lambda content: content.replace(b"00:01:00", b"00:01:01", 1), "values: "),
        (lambda content: content.replace(b"ligne 1\r\n", b"ligne 1\n"), "values: "),
    ],
)
def test_a_damaged_csv_is_thrown_away(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Damage, found: str
) -> None:
    write = CsvWriter.write

    def write_and_damage(self: CsvWriter, given: WriterInput, target: Path) -> Written:
        written = write(self, given, target)
        target.write_bytes(damage(target.read_bytes()))
        return written

    monkeypatch.setattr(CsvWriter, "write", write_and_damage)

    with pytest.raises(FileNotSoundError, match=found) as raised:
        write_export(published, tmp_path / "export.csv", ExportFilters(), ExportOptions(dialect="rfc4180"))

    assert raised.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("writer", [XlsxWriter, ParquetWriter])
def test_lines_left_out_of_other_formats_are_found(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: type
) -> None:
    batches = OrderedLines.batches
    monkeypatch.setattr(
        OrderedLines, "batches", lambda self, *outputs: (batch.slice(1) for batch in batches(self, *outputs))
    )

    format_ = writer.__name__.removesuffix("Writer").lower()
    with pytest.raises(FileNotSoundError, match=r"lines: '9' in the warehouse, '8' in the file"):
        write_export(published, tmp_path / "export", ExportFilters(), ExportOptions(format=format_))  # type: ignore[arg-type]

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        # 144,215 minutes in all, of which U7 has 144,061.
        ("delete from {} where user_id = 'U7'", "learner times 9240 s, learner times in all 8652900 s"),
        (
            "update {} set minutes = minutes - 1 where is_total",
            "learner times 8652900 s, learner times in all 8652840 s",
        ),
    ],
)
def test_totals_that_are_not_those_of_the_lines_are_found(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str, found: str
) -> None:
    gather = Totals.gather

    def gather_and_damage(self: Totals, db: duckdb.DuckDBPyConnection, selection: Selection) -> int:
        rows = gather(self, db, selection)
        if self.name == "learner":
            db.execute(damage.format(self.table))
            # Rows are written by their place, without gaps.
            db.execute(f"create or replace temp table {self.table} as from {self.table}")
        return rows

    monkeypatch.setattr(Totals, "gather", gather_and_damage)

    with pytest.raises(FileNotSoundError, match="values: ") as raised:
        write_export(published, tmp_path / "export.xlsx", ExportFilters(), ExportOptions(format="xlsx"))

    assert found in next(check.found for check in raised.value.checks if not check.passed)
    assert list(tmp_path.iterdir()) == []


def test_two_names_of_one_course_are_noticed(tmp_path: Path, published_sql: str) -> None:
    warehouse = tmp_path / "opco.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(published_sql)
        connection.execute("update fct_opco_connections set course_name = 'Autre' where connection_id = 'c9'")

    with pytest.raises(FileNotSoundError, match="values"):
        write_export(warehouse, tmp_path / "out" / "export.csv", ExportFilters(), ExportOptions())

    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("column", ["last_name", "session_name", '"Site"', "labels"])
def test_a_line_that_says_otherwise_than_its_learner_or_session_is_noticed(
    tmp_path: Path, published_sql: str, column: str
) -> None:
    warehouse = tmp_path / "opco.duckdb"
    other = "['autre']" if column == "labels" else "'Autre'"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(published_sql)
        connection.execute(f"update fct_opco_connections set {column} = {other} where connection_id = 'c10'")

    with pytest.raises(FileNotSoundError, match="values"):
        write_export(warehouse, tmp_path / "out" / "export.csv", ExportFilters(), ExportOptions())


def test_groups_that_hold_each_other_in_a_circle(tmp_path: Path, published_sql: str) -> None:
    warehouse = tmp_path / "opco.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(published_sql)
        # G1 holds G2 holds G3 holds G1: whoever is in one is in all. So says the bridge, and another query.
        connection.execute("update dim_groups set parent_group_id = 'G3' where group_id = 'G1'")
        connection.execute(
            """
            delete from bridge_group_members;
            insert into bridge_group_members
            select group_id, user_id, (group_id, user_id) in (('G1', 'U99'), ('G2', 'U7'), ('G3', 'U9')), 'learner'
            from
                (values ('G1'), ('G2'), ('G3')) as groups (group_id),
                (values ('U99'), ('U7'), ('U9')) as users (user_id)
            """
        )

    for group in ("G1", "Lille", "Lille-Centre"):
        filters = ExportFilters(groups=(group,))
        assert write_export(warehouse, tmp_path / "x.csv", filters, ExportOptions()).rows == 7
        with open_published(warehouse) as db:
            assert independent_count(db, filters, "Europe/Paris") == 7


def test_a_count_writes_nothing(published: Path, tmp_path: Path) -> None:
    count = count_export(published, ExportFilters(users=("U99", "U7")))

    assert (count.rows, count.learners, count.sessions) == (6, 2, 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "zone", ["Europe/Paris", "Australia/Lord_Howe", "Asia/Gaza", "America/St_Johns", "Asia/Kathmandu"]
)
def test_local_times_are_those_of_the_time_zone(published_sql: str, zone: str) -> None:
    first = datetime(2003, 1, 1, tzinfo=UTC)
    instants = [first + timedelta(minutes=37 * step) for step in range(60_000)]
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(published_sql)
        connection.execute(
            """
            create table template as from fct_opco_connections where connection_id = 'c5';
            delete from fct_opco_connections;
            insert into fct_opco_connections
            select
                template.* replace (
                    timestamp '2003-01-01' + to_minutes(37 * number) as connected_at,
                    null as disconnected_at
                )
            from template, range(60000) as numbers (number)
            """
        )
        connected = next(column for column in COLUMNS_AFTER_FIELDS if column.name == "connected_at")
        lines = OrderedLines(
            connection,
            Selection(f"(select rowid as {ROW_ID}, * from fct_opco_connections) as fact", {}, len(instants), zone),
            [Part((connected,), 'fact." connected_at_local"')],
            lambda *_: None,
        )
        found = [local for batch in lines.batches() for local in batch.column(0).to_pylist()]

    assert found == [instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for instant in instants]
