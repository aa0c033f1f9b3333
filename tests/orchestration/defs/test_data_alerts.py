"""Alerts from the published data, each with the fewest rows."""

from __future__ import annotations

import pytest

from orchestration.home.paths import Home
from tests.orchestration.defs.alert_warehouse import Warehouse


@pytest.fixture
def warehouse(home: Home) -> Warehouse:
    return Warehouse(home)


def test_a_sound_file_has_no_alert(warehouse: Warehouse) -> None:
    assert warehouse.alerts(stale_days=1) == []


def test_rejects_are_named_by_the_most_frequent_reason_and_places_are_quoted(warehouse: Warehouse) -> None:
    warehouse.run("""insert into data_problems values ('rejects', 'users', null, 7, 3, 200, null, [
        row(2, 'malformed_line', null, null, 'a b.csv:4'), row(1, 'bad_type', 'x', null, 'a b.csv:3')])""")

    (alert,) = warehouse.alerts()

    assert (alert.key, alert.group) == ("rejects/users/malformed_line", "rejects/users")
    assert alert.values == {
        "table": "users", "rejected": "3", "delivered": "200", "load": "7", "at": "2026-11-10T18:00:00Z"
    }  # fmt: skip
    assert alert.lines == ("2 × malformed_line: a b.csv:4", "1 × bad_type (x): a b.csv:3")
    assert alert.commands == ("why --row 'a b.csv:4'", "why --row 'a b.csv:3'")


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

    found = warehouse.alerts(stale_days=7)

    assert [alert.key for alert in found] == (["stale/"] if is_stale else [])
    if is_stale:
        assert found[0].lines == ("S-1: Autumn",)
    assert warehouse.alerts() == []


def test_what_is_gone_and_holds_proof(warehouse: Warehouse) -> None:
    warehouse.run("""insert into data_problems values
        ('gone', 'learner', 'u-1', null, 2, null, 3600, []),
        ('gone', 'session', 'S-1', null, 3, null, 5400, []),
        ('gone', 'program', 'P-1', null, 3, null, 5400, []),
        ('gone', 'course', 'c 1', null, 3, null, 5400, []),
        ('gone', 'assessment', 'a-1', null, 2, null, null, [])""")

    found = {alert.key: (alert.values["proofs"], alert.values["time"], alert.commands) for alert in warehouse.alerts()}

    assert found == {
        "gone/learner/u-1": ("2", "1 h 00", ("why --user u-1",)),
        "gone/session/S-1": ("3", "1 h 30", ("issues S-1",)),
        "gone/program/P-1": ("3", "1 h 30", ()),
        "gone/course/c 1": ("3", "1 h 30", ("why --course 'c 1'",)),
        "gone/assessment/a-1": ("2", "", ()),
    }


def test_rows_that_no_file_holds_any_more_and_ids_used_anew(warehouse: Warehouse) -> None:
    warehouse.run("""insert into data_problems values
        ('purged', 'learning_events', null, 7, 3, null, null, [
            row(2, null, null, date '2026-09-07', 'e.csv:4'), row(1, null, null, date '2026-09-14', 'e.csv:3')]),
        ('purged', 'course_attempts', null, 5, 1, null, null, [row(1, null, null, null, 'a.csv:2')]),
        ('reused', 'learning_events', null, 7, 1, null, null, [row(1, null, null, date '2026-09-08', 'e.csv:6')])""")

    found = {alert.key: (alert.values["rows"], alert.lines, alert.commands) for alert in warehouse.alerts()}

    assert found == {
        "purged/course_attempts/5": ("1", ("-: 1",), ("why --row a.csv:2",)),
        "purged/learning_events/7": ("3", ("2026-09-07: 2", "2026-09-14: 1"), ("why --row e.csv:3",)),
        "reused/learning_events/7": ("1", ("2026-09-08: 1",), ("why --row e.csv:6",)),
    }


def test_who_may_not_be_one_person(warehouse: Warehouse) -> None:
    warehouse.run("""insert into data_problems values
        ('doubtful', 'connected_twice', 'm-7', null, 3, null, null, [
            row(2, null, null, date '2026-09-07', 'u-1'), row(1, null, null, date '2026-09-14', 'u-2')]),
        ('doubtful', 'names_differ', 'm 8', null, 1, null, null, [row(1, null, null, null, 'u-1')]),
        ('doubtful', 'not_delivered', 'never', null, 1, null, null, [row(1, null, null, null, null)])""")

    found = {alert.key: (alert.group, alert.lines, alert.commands) for alert in warehouse.alerts()}

    assert found == {
        "doubtful/connected_twice/m-7": (
            "doubtful/connected_twice",
            ("m-7 / u-1: 2 × 2026-09-07", "m-7 / u-2: 1 × 2026-09-14"),
            ("why --user m-7",),
        ),
        "doubtful/names_differ/m 8": ("doubtful/names_differ", ("m 8 / u-1",), ("why --user 'm 8'",)),
        "doubtful/not_delivered/never": ("doubtful/not_delivered", ("never",), ()),
    }


def test_a_file_published_before_there_was_a_table_of_problems(warehouse: Warehouse) -> None:
    warehouse.run("drop table data_problems")
    assert warehouse.alerts() == []
