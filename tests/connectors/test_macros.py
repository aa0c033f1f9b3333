"""Times as people download them, read by the macros of `connectors/sql/macros.sql`."""

from __future__ import annotations

import duckdb
import pytest

from warehouse.project import PROJECT_DIR


@pytest.fixture(scope="module")
def db() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute((PROJECT_DIR / "connectors/sql/macros.sql").read_text(encoding="utf-8"))
    return connection


def one(db: duckdb.DuckDBPyConnection, expression: str, *values: object) -> object:
    row = db.execute(f"select {expression}", list(values)).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("cell", "day_first", "expected"),
    [
        ("13/10/26, 14:05:11", None, "2026-10-13 14:05:11"),
        ("10/13/2026 02:05:11 PM", None, "2026-10-13 14:05:11"),
        ("5/10/26, 2:03:11\u202fPM", False, "2026-05-10 14:03:11"),
        ("5/10/26, 2:03:11\u202fPM", True, "2026-10-05 14:03:11"),
        ("05.10.2026 14:03", True, "2026-10-05 14:03:00"),
        ("05/10/2026 à 14:03", True, "2026-10-05 14:03:00"),
        ("2026-10-13 14:05:11", None, "2026-10-13 14:05:11"),
        ("2026-10-13T14:05:11", None, "2026-10-13 14:05:11"),
        ("1/1/26, 12:00 AM", True, "2026-01-01 00:00:00"),
        ("1/1/26, 12:30 p.m.", True, "2026-01-01 12:30:00"),
        ("1/1/26, 13:00 PM", True, None),
        ("31/02/2026 10:00:00", None, None),
        ("13 Oct, 14:03", None, None),
        ("", None, None),
    ],
)
def test_local_times(db: duckdb.DuckDBPyConnection, cell: str, day_first: bool | None, expected: str | None) -> None:
    assert one(db, "cast(local_timestamp($1, cast($2 as boolean)) as varchar)", cell, day_first) == expected


@pytest.mark.parametrize(
    ("cell", "proven", "needs"),
    [
        ("13/10/2026 10:00", "day", False),
        ("10/13/2026 10:00", "month", False),
        ("05/10/2026 10:00", None, True),
        ("10/10/2026 10:00", None, False),
        ("2026-10-05 10:00", None, False),
    ],
)
def test_only_a_day_beyond_12_proves_the_order(
    db: duckdb.DuckDBPyConnection, cell: str, proven: str | None, needs: bool
) -> None:
    assert one(db, "proven_order($1)", cell) == proven
    assert one(db, "needs_order($1)", cell) is needs


def test_a_local_time_that_exists_twice_is_the_later_instant_and_one_that_does_not_moves_on(
    db: duckdb.DuckDBPyConnection,
) -> None:
    in_utc = "as_instant(in_utc(cast($1 as timestamp), 'Europe/Paris'))"
    assert one(db, in_utc, "2026-10-25 02:30:00") == "2026-10-25T01:30:00Z"
    assert one(db, in_utc, "2026-03-29 02:30:00") == "2026-03-29T01:30:00Z"
    twice = "exists_twice(cast($1 as timestamp), 'Europe/Paris')"
    assert one(db, twice, "2026-10-25 02:59:59") is True
    assert one(db, twice, "2026-10-25 03:00:00") is False
    assert one(db, twice, "2026-03-29 03:30:00") is False


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("57", 3420), ("1h 5m 3s", 3903), ("1 h 5 min", 3900), ("58 min", 3480), ("1 hr 2 min", 3720), ("42m", 2520),
        ("01:05:03", 3903), ("45 s", 45), ("3s", 3), ("32:14", None), ("-", None), ("", None), ("long", None),
    ],
)  # fmt: skip
def test_durations(db: duckdb.DuckDBPyConnection, cell: str, seconds: int | None) -> None:
    assert one(db, "duration_seconds($1)", cell) == seconds


def test_an_offset_in_the_cell_is_kept(db: duckdb.DuckDBPyConnection) -> None:
    instant = "as_instant(instant_with_offset($1))"
    assert one(db, instant, "2026-10-05T14:03:00+02:00") == "2026-10-05T12:03:00Z"
    assert one(db, instant, "2026-10-05 14:03:00Z") == "2026-10-05T14:03:00Z"
    assert one(db, instant, "2026-10-05 14:03:00") is None
