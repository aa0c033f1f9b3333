"""`opco why` on the demo campus: every raw row of the log has its answer, and the answers are those of the rules."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from tests.commands import Opco, result_of
from warehouse.errors import UserError
from warehouse.why import Answer, Question, explain

pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture(scope="module")
def build_file(demo_home: Path) -> Path:
    """The demo's build file."""
    return demo_home / "var/build/opco.duckdb"


def test_a_learners_day(build_file: Path) -> None:
    answers = explain(build_file, Question(user_id="u-1011", day=date(2026, 10, 1)))
    assert [(answer.row_id, answer.outcome, answer.end_kind, answer.retained_seconds) for answer in answers] == [
        ("ev-000803", "connection", "left", 2475),
        ("ev-000804", "connection", "left", 2475),
        ("ev-000806", "connection", "left", 2475),
        ("ev-000807", "connection", "left", 2475),
        ("ev-000808", "connection", "inactivity", 0),
        ("ev-000809", "connection", "no_end_mark", 750),
        ("ev-000810", "connection", "no_end_mark", 750),
        ("ev-000811", "connection", "completed", 665),
        ("ev-000812", "connection", "completed", 665),
        ("ev-000813", "connection", "no_end_mark", 0),
    ]


def only(answers: list[Answer]) -> Answer:
    (answer,) = answers
    return answer


def test_rows_that_are_in_no_connection_say_why(build_file: Path) -> None:
    rejected = only(explain(build_file, Question(row="course_connections/2026-10.csv:14")))
    assert (rejected.outcome, rejected.detail) == ("rejected", "unknown_user in user_id: u-9001")
    malformed = only(explain(build_file, Question(row="course_connections/2026-11.csv:19")))
    assert (malformed.outcome, malformed.user_id) == ("rejected", None)
    assert malformed.detail is not None
    assert malformed.detail.startswith("malformed_line: cc-00591,")
    superseded = only(explain(build_file, Question(row="cc-00516")))
    assert (superseded.outcome, superseded.connection_id) == ("superseded", "cc-00517")
    nulled = only(explain(build_file, Question(row="enrollments.csv:39")))
    assert (nulled.outcome, nulled.detail) == ("kept", "nulled: bad_type in progress_pct: 17/20")


def test_a_duplicate_names_the_row_that_counts(build_file: Path) -> None:
    answers = explain(build_file, Question(session_id="S-2026-MGMT-10"))
    duplicates = [answer for answer in answers if answer.outcome in ("duplicate", "conflicting")]
    assert duplicates
    for duplicate in duplicates:
        assert duplicate.detail is not None
        place = duplicate.detail.removeprefix("the row that counts is ").split("; ")[0]
        winner = only(explain(build_file, Question(row=place)))
        assert winner.row_id == duplicate.row_id
        assert winner.outcome in ("connection", "superseded")


def test_every_row_has_one_answer_and_the_answers_reconcile(build_file: Path, demo_home: Path) -> None:
    published = duckdb.connect(str((demo_home / "var/published/opco.duckdb").resolve()), read_only=True)
    sessions = published.execute("select session_id from dim_program_sessions").fetchall()
    users = published.execute("select user_id from dim_learners").fetchall()
    answers = [answer for (user_id,) in users for answer in explain(build_file, Question(user_id=user_id))]
    places = [(answer.file, answer.line) for answer in answers]
    assert len(places) == len(set(places))
    outcomes: dict[tuple[str, str], int] = {}
    for answer in answers:
        outcomes[answer.table_name, answer.outcome] = outcomes.get((answer.table_name, answer.outcome), 0) + 1
    # 593 connections and 2,233 events are delivered; 585 and 2,007 of them are kept
    assert outcomes["course_connections", "connection"] == 584
    assert outcomes["course_connections", "superseded"] == 1
    assert outcomes["learning_events", "connection"] + outcomes.get(("learning_events", "superseded"), 0) == 2007
    assert outcomes["learning_events", "outside_session"] == 220
    found = {answer.connection_id for answer in answers if answer.outcome == "connection"}
    expected = {connection_id for (connection_id,) in published.execute(
        "select connection_id from fct_opco_connections").fetchall()}  # fmt: skip
    assert found == expected
    assert len(sessions) == 5


def test_the_command(demo_home: Path, opco: Opco) -> None:
    line = result_of(opco("why", "--user", "u-1012", "--day", "2026-10-13", "--json", home=demo_home))
    assert line["outcomes"] == {"connection": 7, "outside_session": 1}
    assert line["connections"] == 3
    done = opco("why", "--row", "course_connections/2026-10.csv:14", home=demo_home)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "2026-10-02 09:12:00Z  course_connections/2026-10.csv:14  cc-00294  rejected"
        "  (unknown_user in user_id: u-9001)",
        "1 row: 1 rejected; 0 connections",
    ]
    assert "No raw row answers to that" in opco("why", "--row", "nothing", home=demo_home).stdout


def test_questions_that_cannot_be_answered(demo_home: Path, tmp_path: Path, opco: Opco, build_file: Path) -> None:
    with pytest.raises(UserError, match="nothing is built yet"):
        explain(tmp_path / "opco.duckdb", Question(row="1"))
    with pytest.raises(UserError, match="Ask about something"):
        explain(build_file, Question())
    with pytest.raises(UserError, match=r"--user u-1O12: no delivered row has this id.*nearest: u-1012"):
        explain(build_file, Question(user_id="u-1O12"))
    # Nobody knows u-9001, but a row names it.
    assert len(explain(build_file, Question(user_id="u-9001"))) == 1
    wrong = opco("why", "--day", "31/11/2026", home=demo_home)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "--day '31/11/2026' is no day. Write it like 10/11/2026 (day/month/year) or 2026-11-10." in wrong.stderr
