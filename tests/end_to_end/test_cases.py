"""Situations reported in the field, each a small raw folder in `tests/data/cases`, and what is right for it.

Each case is loaded and built by the project's own SQL: a raw folder, or one of several deliveries in the order of their
names. All share one compiled project, which reads instants without an offset as those of Paris; only the cases that are
about that have any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from opco.attest import AttestResult
from opco.build import conflict_lines, gone_lines
from reports.attestation.queries import read_findings
from tests.properties.built import LEAST, Bench, Built, Project, RawFolder, Row, build, compile_project
from warehouse.build_file import BUILD_FILE, open_build_file, read_conflicts, read_gone
from warehouse.project import PROJECT_DIR
from warehouse.why import Question, explain

CASES = PROJECT_DIR / "tests" / "data" / "cases"
CLOCK = datetime(2026, 11, 28, 12, tzinfo=UTC)

Case = Callable[[str], Built]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return compile_project(tmp_path_factory.mktemp("cases"), {"raw_timezone": "Europe/Paris"})


@pytest.fixture(scope="module")
def case(project: Project) -> Case:
    """The tables of a case, built once."""

    @cache
    def built(name: str) -> Built:
        folder = CASES / name
        made = build(
            project, *([folder] if (folder / "users.csv").exists() else sorted(folder.iterdir())), clocks=[CLOCK]
        )
        assert made.failed_checks == ()
        return made

    return built


def line(row: Row) -> str:
    """A connection as the expectations have it; the end's day is that of the beginning where none is told."""
    begin, end = row["connected_at"], row["disconnected_at"]
    until = "" if end is None else f"{end:%H:%M:%S}" if end.date() == begin.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    words = [row["user_id"], row["session_id"], row["course_id"], f"{begin:%Y-%m-%d %H:%M:%S}", "to", until]
    return " ".join([*words, row["end_kind"], row["evidence_level"], str(row["retained_seconds"]), *row["flags"]])


# What the connections of a case are, by learner and beginning: instants UTC, retained seconds, flags.
CONNECTIONS = {
    "clock-change-without-offset": [
        "u1 S1 c1 2026-10-24 23:40:00 to 23:50:00 inactivity event_run 600",
        # events are read one by one: the hour between them parts the run
        "u1 S1 c1 2026-10-25 01:00:00 to 01:20:00 inactivity event_run 1200 ambiguous_hour",
        "u2 S1 c2 2026-10-24 23:30:00 to 2026-10-25 00:20:00 left native_log 3000 ambiguous_hour",
        "u2 S1 c2 2026-10-25 00:40:00 to 01:05:00 left native_log 1500 ambiguous_hour",
    ],
    "forgotten-logout": [
        "u1 S1 c1 2026-10-02 15:00:00 to 2026-10-05 06:00:00 timeout native_log 226800 long_connection",
        "u1 S1 c2 2026-10-05 07:00:00 to 08:00:00 left native_log 3600",
        "u2 S1 c1 2000-01-01 00:00:00 to 2026-11-20 10:00:00 unknown native_log 848484000"
        " long_connection not_enrolled outside_session_dates",
        "u2 S1 c1 2026-11-21 10:00:00 to 10:45:00 left native_log 2700 not_enrolled",
    ],
    "completed-again-on-resume": [
        "u1 S1 c1 2026-10-05 09:00:00 to 09:40:00 completed event_pair 2400",
        "u1 S1 c1 2026-10-05 09:40:00 to 09:41:00 left event_run 60",
        "u1 S1 c1 2026-10-06 14:00:00 to 14:00:00 completed event_pair 0 zero_seconds",
        "u1 S1 c1 2026-10-06 14:20:00 to 14:20:00 inactivity event_run 0 zero_seconds",
        "u1 S1 c1 2026-10-06 14:40:00 to 14:45:00 left event_run 300",
        "u2 S1 c1 2026-10-06 14:00:00 to 14:00:01 completed event_run 1",
        "u2 S1 c1 2026-10-06 14:00:01 to 14:20:00 inactivity event_run 1199",
    ],
    "one-stay-told-twice": [
        "u1 S1 c1 2026-10-05 09:00:00 to 10:00:00 left native_log 3600",
        "u1 S1 c1 2026-10-07 09:00:00 to 09:30:00 left event_pair 1800",
        "u2 S1 c1 2026-10-06 09:00:00 to 10:00:00 left native_log 3600",
    ],
    # S1 ends at local midnight, S3 before it starts; S5 and S6 have no readable dates
    "session-dates": [
        "u1 S1 c1 2026-10-30 09:00:00 to 09:30:00 left native_log 1800 outside_session_dates",
        "u1 S2 c1 2026-10-30 10:00:00 to 10:30:00 left native_log 1800",
        "u1 S3 c1 2026-10-30 11:00:00 to 11:30:00 left native_log 1800 outside_session_dates",
        "u1 S4 c1 2026-10-30 12:00:00 to 12:30:00 left native_log 1800",
        "u1 S5 c1 2026-10-30 13:00:00 to 13:30:00 left native_log 1800",
        "u1 S6 c1 2026-10-30 14:00:00 to 14:30:00 left native_log 1800",
    ],
}


@pytest.mark.parametrize("name", CONNECTIONS)
def test_the_connections_are_right(case: Case, name: str) -> None:
    built = case(name)
    rows = sorted(built.tables["fct_opco_connections"], key=lambda row: (row["user_id"], row["connected_at"]))
    assert [line(row) for row in rows] == CONNECTIONS[name]


def test_what_tells_a_stay_twice_is_counted(case: Case) -> None:
    built = case("one-stay-told-twice")
    # k1-bis; of u1's events the first of two openings at once, and the stay of u2 that k2 tells too.
    assert (
        built.reconciliation("course_connections")["superseded"],
        built.reconciliation("learning_events")["superseded"],
    ) == (1, 2)


def test_opco_why_leads_from_what_is_told_twice_to_what_stays(project: Project, tmp_path: Path) -> None:
    build(project, CASES / "one-stay-told-twice", clocks=[CLOCK], kept_in=tmp_path)
    answers = explain(tmp_path / BUILD_FILE, Question(user_id="u2", course_id="c1"))
    assert {answer.row_id: (answer.outcome, answer.connection_id) for answer in answers} == {
        "k2": ("connection", "k2"),
        "b1": ("superseded", "k2"),
        "b2": ("superseded", "k2"),
    }


def test_scores_as_platforms_write_them(case: Case) -> None:
    made = case("scores")
    scores = {
        row["user_id"]: row["score_pct"] for row in made.tables["fct_learner_sessions"] if row["score_pct"] is not None
    }
    assert {user_id: str(score) for user_id, score in scores.items()} == {
        "u0": "85.500000",
        "u1": "85.550000",
        "u2": "100.000000",
        "u7": "0.000000",
        "u8": "0.050000",
        "u9": "0.850000",
        "u10": "50.000000",
        "u13": "99.950000",
        "u14": "99.949000",
        "u15": "12.250000",
    }
    listed = {(row["line"], row["reason"], row["value"]) for row in made.tables["rejected_rows"]}
    assert listed == {
        (line, "bad_type", value)
        for line, value in ((5, "100.0000001"), (6, "101"), (7, "-5"), (8, "14/20"), (13, "1e2"), (14, ".5"))
    }


def test_session_dates(case: Case) -> None:
    made = case("session-dates")
    bounds = {
        row["session_id"]: (str(row["starts_at"]), str(row["ends_at"])) for row in made.tables["dim_program_sessions"]
    }
    assert bounds == {
        "S1": ("2026-09-30 22:00:00", "2026-10-29 23:00:00"),
        "S2": ("2026-09-30 22:00:00", "2026-10-30 22:59:59.999999"),
        "S3": ("2026-10-30 22:00:00", "2026-10-01 00:00:00"),
        "S4": ("1970-01-01 00:00:00", "9999-12-31 23:59:59"),
        "S5": ("None", "None"),
        "S6": ("None", "None"),
    }
    # An end at midnight is no day: what was played on the day that begins then is outside.
    outside = {
        row["session_id"] for row in made.tables["fct_opco_connections"] if "outside_session_dates" in row["flags"]
    }
    assert outside == {"S1", "S3"}
    assert len(made.tables["rejected_rows"]) == 4


def test_blanks_that_nobody_sees(case: Case) -> None:
    made = case("invisible-blanks")
    assert made.tables["rejected_rows"] == []
    assert {row["user_id"]: row["email"] for row in made.tables["dim_learners"]} == {
        "u1": "lea.martin@exemple.fr",
        "u2": "noe.petit@exemple.fr",
    }
    assert sorted(row["elapsed_seconds"] for row in made.tables["fct_opco_connections"]) == [3600, 3600]


def test_the_hour_that_exists_twice_is_marked_where_it_is_read(case: Case) -> None:
    made = case("clock-change-without-offset")
    ambiguous = {
        row["connection_id"]: (row["is_connected_at_ambiguous"], row["is_disconnected_at_ambiguous"])
        for row in made.tables["stg_course_connections"]
    }
    assert ambiguous == {"n1": (False, True), "n2": (True, True)}
    events = {row["event_id"]: row["is_ambiguous_hour"] for row in made.tables["stg_learning_events"]}
    assert events == {"a0": False, "a1": False, "a2": True, "a3": True, "a4": True}


def test_a_log_purged_under_its_name_stays(case: Case) -> None:
    built = case("log-purged-under-its-name")
    assert sum(row["retained_seconds"] for row in built.tables["fct_opco_connections"]) == 2 * 3600 + 30 * 60
    reconciliation = built.reconciliation("learning_events")
    assert (
        reconciliation["delivered"],
        reconciliation["kept"],
        reconciliation["gone"],
        reconciliation["conflicting"],
    ) == (8, 8, 12, 0)
    gone = Counter((row["happened_on"].isoformat(), row["load_number"]) for row in built.tables["gone_rows"])
    assert gone == {("2026-09-07", 2): 4, ("2026-09-14", 2): 4, ("2026-09-21", 2): 4}
    assert all(row["is_kept"] for row in built.tables["gone_rows"])
    (problem,) = built.tables["data_problems"]
    assert (problem["problem"], problem["subject"], problem["load_number"]) == ("purged", "learning_events", 2)
    assert [(day["happened_on"].isoformat(), day["row_count"]) for day in problem["details"]] == [
        ("2026-09-07", 4), ("2026-09-14", 4), ("2026-09-21", 4)
    ]  # fmt: skip


def test_a_retried_event_conflicts(case: Case) -> None:
    built = case("retried-event")
    played = {row["user_id"]: row["retained_seconds"] for row in built.tables["fct_opco_connections"]}
    assert played == {"u1": 4 * 3600, "u2": 20 * 60}
    reconciliation = built.reconciliation("learning_events")
    assert (
        reconciliation["delivered"],
        reconciliation["kept"],
        reconciliation["duplicate"],
        reconciliation["conflicting"],
    ) == (7, 5, 2, 2)


def test_the_terminal_tells_of_what_was_purged_by_day(project: Project, tmp_path: Path) -> None:
    build(project, *sorted((CASES / "log-purged-under-its-name").iterdir()), clocks=[CLOCK], kept_in=tmp_path)
    assert list(gone_lines(read_gone(tmp_path / BUILD_FILE))) == [
        "Gone      12 rows that no file holds any more; kept as last delivered",
        "         12  learning_events, load 2: 2026-09-07 (4), 2026-09-14 (4), 2026-09-21 (4)",
        "  Each is in the table gone_rows; opco why explains any row.",
    ]


def test_the_terminal_warns_of_what_conflicts(project: Project, tmp_path: Path) -> None:
    build(project, CASES / "retried-event", clocks=[CLOCK], kept_in=tmp_path)
    assert list(conflict_lines(read_conflicts(tmp_path / BUILD_FILE))) == [
        "  warning: learning_events: 2 rows with the key of another that says something else (conflicting); "
        "opco why shows both"
    ]


def test_the_terminal_says_what_an_inspector_would_ask(project: Project, tmp_path: Path) -> None:
    build(project, CASES / "forgotten-logout", clocks=[CLOCK], kept_in=tmp_path)
    with open_build_file(tmp_path / BUILD_FILE, read_only=True) as connection:
        connection.execute("set search_path = 'marts'")
        findings = read_findings(connection, "S1", ["u1", "u2"])
    result = AttestResult(
        home=tmp_path,
        session_id="S1",
        kind="attestation",
        month=None,
        changed=False,
        issue_number=1,
        folder="F",
        zip_path="Z",
        zip_sha256="",
        documents=2,
        states={},
        pages=4,
        bytes=1,
        warnings=[],
        findings=list(findings),
        files=(),
        cancelled=(),
        left_out=(),
        copy=None,
    )
    # 63 hours over a weekend, and 235690 hours since 2000.
    assert [line for line in result.lines() if "inspector" in line] == [
        "  an inspector would ask: outside the session's dates: 1 connection of 1 learner, 235690:00:00",
        "  an inspector would ask: not enrolled: 2 connections of 1 learner, 235690:45:00",
        "  an inspector would ask: long connection: 2 connections of 2 learners, 235753:00:00",
    ]


def test_progress_and_score_are_both_of_the_latest_enrolment(case: Case) -> None:
    rows = case("enrolled-again").tables["fct_learner_sessions"]
    found = {
        row["user_id"]: (row["progress_pct"], row["progress_source"], row["score_pct"], row["score_source"])
        for row in rows
    }
    # Of u1 the second enrolment says 0 % and no score, which the courses tell; u2's without a date is the earliest.
    assert found == {"u1": (0, "platform", 90, "courses"), "u2": (100, "platform", 90, "platform")}


def test_the_trainers_own_visits_are_told_from_a_learners(case: Case) -> None:
    built = case("the-trainers-own-visits")
    found = {
        row["user_id"]: (row["is_enrolled"], row["is_instructor"], row["retained_seconds"])
        for row in built.tables["fct_learner_sessions"]
    }
    assert found == {"u1": (True, False, 3600), "u9": (False, True, 3 * 3600)}
    flags = {row["user_id"]: list(row["flags"]) for row in built.tables["fct_opco_connections"]}
    assert flags == {"u1": [], "u9": ["instructor", "not_enrolled"]}


def asked(project: Project, folder: Path, row: str, *deliveries: Path | RawFolder) -> list[tuple[str, str, str | None]]:
    """What `opco why` answers of a row after these deliveries: file and line, outcome, detail."""
    with Bench(project, folder) as bench:
        for delivery in deliveries:
            bench.load(delivery)
            bench.build(CLOCK, incremental=bench.builds > 0)
    answers = explain(folder / BUILD_FILE, Question(row=row))
    return [(f"{one.file}:{one.line}", one.outcome, one.detail) for one in answers]


def test_why_shows_both_values_of_a_retried_event(project: Project, tmp_path: Path) -> None:
    assert asked(project, tmp_path, "x3", CASES / "retried-event") == [
        (
            "learning_events.csv:4",
            "conflicting",
            "the row that counts is learning_events.csv:5; occurred_at 2026-10-05 10:00:00, there 2026-10-05 13:00:00",
        ),
        ("learning_events.csv:5", "connection", None),
    ]


def test_why_shows_what_an_id_said_before(project: Project, tmp_path: Path) -> None:
    def delivery(user_id: str) -> RawFolder:
        cells = {"session_id": "s", "course_id": "c", "verb": "active", "occurred_at": "2026-09-01T08:00:00Z"}
        return {
            **LEAST,
            "users.csv": [{"user_id": "u"}, {"user_id": "v"}],
            "program_templates.csv": [{"program_template_id": "p", "name": "P"}],
            "program_sessions.csv": [{"session_id": "s", "program_template_id": "p", "name": "S"}],
            "courses.csv": [{"course_id": "c", "name": "C"}],
            "learning_events.csv": [{"event_id": "1", "user_id": user_id, **cells}],
        }

    assert sorted(asked(project, tmp_path, "1", delivery("u"), delivery("v"))) == [
        ("learning_events.csv:2", "connection", None),
        ("learning_events.csv:2", "lost", "the row that counts is learning_events.csv:2; user_id u, there v"),
    ]
