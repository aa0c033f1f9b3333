"""What the published file says is amiss, each with the fewest rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from reports.alarms.causes import Cause, DeliveredFile, Thresholds, judge

LOADED = datetime(2026, 11, 10, 18, 0, tzinfo=UTC)
EARLIER = datetime(2026, 11, 9, 18, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
NEVER = Thresholds(None, None, None)

EMPTY = """
create table warehouse_build as select timestamp '2026-11-10 18:00' as data_as_of, 7 as load_number;
create table rejected_rows (table_name varchar, file varchar, line bigint, reason varchar, column_name varchar,
    row_kept boolean, loaded_at timestamp);
create table fct_opco_connections (user_id varchar, session_id varchar, course_id varchar, program_template_id varchar,
    connected_at timestamp, disconnected_at timestamp, retained_seconds bigint);
create table dim_program_sessions (session_id varchar, session_name varchar, starts_at timestamp, ends_at timestamp,
    program_template_id varchar, is_gone boolean, is_program_template_gone boolean);
create table dim_learners (user_id varchar, is_gone boolean);
create table dim_courses (course_id varchar, is_gone boolean);
create table dim_assessments (assessment_id varchar, is_gone boolean);
create table fct_assessment_results (assessment_id varchar);
"""


class Warehouse:
    """A published file with what a test needs of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run(EMPTY)

    def run(self, statements: str) -> None:
        with duckdb.connect(str(self.path)) as connection:
            connection.execute(statements)

    def judge(
        self, thresholds: Thresholds, delivered: tuple[DeliveredFile, ...] = (), now: datetime = NOW
    ) -> list[Cause]:
        return judge(self.path, delivered, thresholds, now)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "published.duckdb")


def test_a_sound_file_has_no_cause(warehouse: Warehouse) -> None:
    assert warehouse.judge(Thresholds(0, 0, 1)) == []


@pytest.mark.parametrize(
    ("rows", "pct", "is_amiss"),
    [(2, None, False), (1, None, True), (None, 1.0, False), (None, 0.9, True), (2, 1.0, False), (2, 0.9, True)],
)
def test_rejects_of_a_load_are_more_than_a_number_or_a_share(
    warehouse: Warehouse, rows: int | None, pct: float | None, is_amiss: bool
) -> None:
    # Two of 200 rows that this load brought; what an earlier load brought, and emptied cells, are another matter.
    warehouse.run("""insert into rejected_rows values
        ('users', 'users.csv', 3, 'missing_value', 'user_id', false, '2026-11-10 18:00'),
        ('users', 'users.csv', 5, 'missing_value', 'user_id', false, '2026-11-10 18:00'),
        ('users', 'users.csv', 6, 'bad_type', 'deleted_at', true, '2026-11-10 18:00'),
        ('users', 'old.csv', 6, 'bad_type', 'user_id', false, '2026-11-09 18:00')""")
    delivered = (DeliveredFile("users", LOADED, 150), DeliveredFile("users", LOADED, 50))

    found = warehouse.judge(Thresholds(rows, pct, None), (*delivered, DeliveredFile("users", EARLIER, 9)))

    assert [cause.key for cause in found] == (["rejects/users/missing_value"] if is_amiss else [])
    if is_amiss:
        assert found[0].values == {
            "table": "users", "rejected": "2", "delivered": "200", "load": "7", "at": "2026-11-10T18:00:00Z"
        }  # fmt: skip
        assert found[0].lines == ("2 × missing_value (user_id): users.csv:3",)
        assert found[0].commands == ("why --row users.csv:3",)


def test_the_most_frequent_reason_names_the_cause_and_places_are_quoted(warehouse: Warehouse) -> None:
    warehouse.run("""insert into rejected_rows values
        ('users', 'a b.csv', 3, 'bad_type', 'x', false, '2026-11-10 18:00'),
        ('users', 'a b.csv', 4, 'malformed_line', null, false, '2026-11-10 18:00'),
        ('users', 'a b.csv', 5, 'malformed_line', null, false, '2026-11-10 18:00')""")

    (cause,) = warehouse.judge(Thresholds(0, None, None), (DeliveredFile("users", LOADED, 3),))

    assert cause.key == "rejects/users/malformed_line"
    assert cause.lines == ("2 × malformed_line: a b.csv:4", "1 × bad_type (x): a b.csv:3")
    assert cause.commands[0] == "why --row 'a b.csv:4'"


OPEN = "insert into dim_program_sessions values ('S-1', 'Autumn', '2026-09-01', '2026-12-01', 'P', false, false);"


def activity(until: str) -> str:
    return f"insert into fct_opco_connections values ('u', 'S-1', 'c', 'P', '2026-10-01', {until}, 60);"


@pytest.mark.parametrize(
    ("statements", "is_stale"),
    [
        (OPEN + activity("'2026-11-09 12:00'"), True),
        (OPEN + activity("'2026-11-09 12:00:01'"), False),
        # An open connection shows its beginning.
        (OPEN + activity("null"), True),
        # Nobody is to learn before a session begins, nor after all have ended, nor in one that is gone.
        (OPEN.replace("2026-09-01", "2026-11-10") + activity("'2026-10-01 01:00'"), False),
        (OPEN.replace("2026-12-01", "2026-11-16 12:00") + activity("'2026-10-01 01:00'"), False),
        (OPEN.replace("false, false", "true, false"), False),
        (OPEN.replace("'2026-09-01'", "null"), False),
        # Nothing at all since the session began.
        (OPEN, True),
        (OPEN.replace("'2026-12-01'", "null"), True),
    ],
)
def test_silence_counts_while_a_session_is_open(warehouse: Warehouse, statements: str, is_stale: bool) -> None:
    warehouse.run(statements)

    found = warehouse.judge(Thresholds(None, None, 7))

    assert [cause.key for cause in found] == (["stale/"] if is_stale else [])
    if is_stale:
        assert found[0].lines == ("S-1: Autumn",)
    assert warehouse.judge(NEVER) == []


def test_what_is_gone_and_holds_proof(warehouse: Warehouse) -> None:
    warehouse.run("""
        insert into dim_learners values ('u-1', true), ('u-2', false), ('u-3', true);
        insert into dim_program_sessions values ('S-1', 'Autumn', null, null, 'P-1', true, true),
            ('S-2', 'Winter', null, null, 'P-2', false, false);
        insert into dim_courses values ('c-1', true), ('c-2', true), ('c-3', false);
        insert into dim_assessments values ('a-1', true), ('a-2', true), ('a-3', false);
        insert into fct_assessment_results values ('a-1'), ('a-1'), ('a-3');
        insert into fct_opco_connections values
            ('u-1', 'S-1', 'c-1', 'P-1', '2026-10-01', '2026-10-01 01:00', 3600),
            ('u-1', 'S-1', 'c-1', 'P-1', '2026-10-02', null, null),
            ('u-2', 'S-1', 'c-1', 'P-1', '2026-10-01', '2026-10-01 00:30', 1800),
            ('u-2', 'S-2', 'c-3', 'P-2', '2026-10-01', '2026-10-01 00:30', 1800)""")

    found = {
        cause.key: (cause.values["proofs"], cause.values["time"], cause.commands) for cause in warehouse.judge(NEVER)
    }

    # u-3, c-2 and a-2 are gone as well, and hold nothing.
    assert found == {
        "gone/learner/u-1": ("2", "1 h 00", ("why --user u-1",)),
        "gone/session/S-1": ("3", "1 h 30", ("issues S-1",)),
        "gone/program/P-1": ("3", "1 h 30", ()),
        "gone/course/c-1": ("3", "1 h 30", ("why --course c-1",)),
        "gone/assessment/a-1": ("2", "", ()),
    }
