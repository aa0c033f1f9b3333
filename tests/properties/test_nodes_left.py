"""What a build leaves as it is, because nothing changed that it rests on, is what the build would make again."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.properties.built import CLOCK, MEMORY, Bench, Cells, Project, RawFolder

pytestmark = pytest.mark.xdist_group("properties")

USERS: Sequence[Cells] = [
    {"user_id": "u", "email": "u@example.org", "last_name": "Petit"},
    {"user_id": "v", "email": "v@example.org", "last_name": "Durand"},
    {"user_id": "w", "email": "w@example.org", "last_name": "Blanc"},
]


def event(event_id: str, user_id: str, at: str) -> Cells:
    return {
        "event_id": event_id,
        "user_id": user_id,
        "session_id": "s",
        "course_id": "c",
        "verb": "active",
        "occurred_at": at,
    }


EVENTS = [event(f"{user}{minute}", user, f"2026-11-10T08:{minute}:00Z") for user in "uv" for minute in (10, 15, 20)]
FUTURE = event("later", "w", "2026-11-20T12:00:00Z")
BASE: RawFolder = {
    "users.csv": USERS,
    "user_labels.csv": [{"user_id": user, "label": "first"} for user in "uvw"],
    "groups.csv": [{"group_id": "g", "name": "Group"}],
    "group_members.csv": [{"group_id": "g", "user_id": user} for user in "uvw"],
    "program_templates.csv": [{"program_template_id": "p", "name": "Programme"}],
    "program_sessions.csv": [
        {"session_id": "s", "program_template_id": "p", "name": "Session", "starts_at": "2026-11-01"},
        {"session_id": "r", "program_template_id": "p", "name": "Another"},
    ],
    "session_instructors.csv": [{"session_id": session, "user_id": "w"} for session in "sr"],
    "enrollments.csv": [{"enrollment_id": user, "session_id": "s", "user_id": user} for user in "uv"],
    "courses.csv": [{"course_id": "c", "name": "Course", "planned_duration_seconds": "600"}],
    "program_steps.csv": [
        {"program_template_id": "p", "position": "1", "step_type": "course", "resource_id": "c"},
        {"program_template_id": "p", "position": "2", "step_type": "assessment", "resource_id": "a"},
    ],
    "assessments.csv": [{"assessment_id": "a", "name": "Quiz"}],
    "course_attempts.csv": [
        {"attempt_id": "1", "user_id": "u", "course_id": "c", "session_id": "s", "completed_at": "2026-11-11T08:00:00Z"}
    ],
    "assessment_results.csv": [
        {"result_id": "1", "user_id": "v", "session_id": "s", "assessment_id": "a", "submitted_at": "2026-11-12"}
    ],
    "tutor_interactions.csv": [
        {"interaction_id": "1", "session_id": "s", "user_id": "u", "kind": "phone", "asked_at": "2026-11-12T08:00:00Z"},
        {"interaction_id": "2", "session_id": "s", "user_id": "v", "kind": "phone", "asked_at": "2026-11-20T12:00:00Z"},
    ],
    "learning_events/1.jsonl": EVENTS,
    "learning_events/2.jsonl": [event("w1", "w", "2026-11-12T08:00:00Z"), FUTURE],
    "course_connections.csv": [
        {
            "connection_id": "1",
            "user_id": "u",
            "session_id": "s",
            "course_id": "c",
            "connected_at": "2026-11-13T08:00:00Z",
            "disconnected_at": "2026-11-13T09:00:00Z",
        }
    ],
}
WITHDRAWN = [{"event_id": "u10", "withdrawn_at": "2026-11-14T08:00:00Z"}]
WITHOUT_W = {**BASE, "users.csv": USERS[:2], "user_labels.csv": [{"user_id": user, "label": "first"} for user in "uv"]}
HOURS = timedelta(hours=1)


def with_(folder: RawFolder = BASE, **tables: Sequence[Cells]) -> RawFolder:
    return {**folder, **{f"{name}.csv": rows for name, rows in tables.items()}}


def without(name: str) -> RawFolder:
    return {path: rows for path, rows in BASE.items() if path != name}


# Of each night, what it is about: its raw folder, and the hours since the first build.
NIGHTS: dict[str, Sequence[tuple[RawFolder, int]]] = {
    "nothing new": [(BASE, 0), (BASE, 1)],
    "a day later": [(BASE, 30), (BASE, 30)],
    "another year": [(BASE, 24 * 60)],
    "a late event": [({**BASE, "learning_events/3.jsonl": [event("x", "u", "2026-11-09T08:00:00Z")]}, 1), (BASE, 2)],
    "what was in the future": [(BASE, 1), (BASE, 6), (BASE, 7)],
    "a file taken away": [(without("learning_events/2.jsonl"), 1), (without("learning_events/2.jsonl"), 2)],
    "a file with another content": [({**BASE, "learning_events/1.jsonl": EVENTS[1:]}, 1), (BASE, 2), (BASE, 3)],
    "rows of a file that change, again and again": [
        ({**BASE, "learning_events/1.jsonl": [{**one, "verb": verb} for one in EVENTS]}, hours)
        for hours, verb in enumerate(("connected", "connected", "active", "active"))
    ],
    "one snapshot table": [(with_(courses=[{"course_id": "c", "name": "Renamed"}]), 1), (BASE, 2), (BASE, 3)],
    "a table that comes and goes": [
        (without("assessment_results.csv"), 1),
        (without("assessment_results.csv"), 2),
        (BASE, 3),
        ({**BASE, "withdrawn_events.csv": WITHDRAWN}, 4),
        ({**BASE, "withdrawn_events.csv": WITHDRAWN}, 5),
        (BASE, 6),
    ],
    "somebody goes after quiet nights in which his labels changed": [
        (with_(user_labels=[{"user_id": user, "label": "second"} for user in "uvw"]), 1),
        (with_(user_labels=[{"user_id": user, "label": "second"} for user in "uvw"]), 2),
        (WITHOUT_W, 3),
        (WITHOUT_W, 4),
        (BASE, 5),
    ],
    "a session goes after quiet nights": [
        (with_(session_instructors=[{"session_id": session, "user_id": "v"} for session in "sr"]), 1),
        (BASE, 2),
        (with_(program_sessions=[BASE["program_sessions.csv"][0]], session_instructors=[]), 3),
        (with_(program_sessions=[BASE["program_sessions.csv"][0]], session_instructors=[]), 4),
    ],
    "an account of somebody else": [
        (with_(users=[*USERS[:2], {**USERS[2], "email": "u@example.org"}]), 1),
        (with_(users=[*USERS[:2], {**USERS[2], "email": "u@example.org"}]), 2),
        (with_(users=[*USERS[:2], {**USERS[2], "email": "u@example.org"}]), 3),
    ],
}


def rows(bench: Bench, *, of: Sequence[str] = ("staging", "intermediate", "marts")) -> dict[str, list[str]]:
    """Return all tables, without the instants that tell a build from another."""
    found = {}
    for schema, table in bench.connection.execute("select schema_name, table_name from duckdb_tables()").fetchall():
        if schema in of and table not in ("stg_this_build", "warehouse_build"):
            query = bench.connection.execute(f"from {schema}.{table}")
            columns = [one[0] for one in query.description]
            found[table] = sorted(
                repr([value for column, value in zip(columns, row, strict=True) if column != "written_at"])
                for row in query.fetchall()
            )
    return found


@pytest.mark.parametrize("what", NIGHTS)
def test_what_is_left_is_what_would_be_made_again(what: str, strict_project: Project) -> None:
    with ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)) for _ in range(3)]
        leaving, running, anew = (stack.enter_context(Bench(strict_project, Path(folder))) for folder in folders)
        for bench in (leaving, running):
            bench.load(BASE)
            bench.build(CLOCK, incremental=False)
        anew.load(BASE)
        for folder, hours in NIGHTS[what]:
            clock: datetime = CLOCK + hours * HOURS
            for bench in (leaving, running, anew):
                bench.load(folder)
            leaving.build(clock, incremental=True)
            running.build(clock, incremental=True, leaves=False)
            assert rows(leaving) == rows(running)
        anew.builds = leaving.builds - 1
        anew.build(clock, incremental=False)
        assert rows(leaving, of=["marts"]) == rows(anew, of=["marts"])
        assert leaving.built().failed_checks == anew.built().failed_checks == ()


def names(bench: Bench) -> set[str]:
    assert bench.ran is not None
    return {unique_id.split(".")[2] for unique_id in bench.ran}


def test_what_nothing_changed_for_is_left(project: Project, tmp_path: Path) -> None:
    with Bench(project, tmp_path) as bench:
        bench.load(BASE)
        bench.build(CLOCK, incremental=False)
        bench.load(BASE)
        bench.build(CLOCK + HOURS, incremental=True)
        every_time = {
            *("stg_this_build", "stg_raw_files", "stg_raw_deliveries", "stg_raw_tables", "stg_issued_documents"),
            *("int_learners__affected", "gone_rows", "load_reconciliation", "data_problems", "warehouse_build"),
            *("fct_enrollments", "fct_issued_documents", "fct_learner_follow_up", "fct_program_session_indicators"),
        }
        models = {model.unique_id.split(".")[2] for model in project.models}
        assert names(bench) & models == every_time
        assert {"load_reconciliation_expectations", "follow_up_adds_up", "no_problem_data_problems_gone"} < names(bench)
        assert "stg_users_expectations" not in names(bench)
        # New events move nothing that rests on snapshot tables alone.
        bench.load({**BASE, "learning_events/3.jsonl": [event("x", "u", "2026-11-09T08:00:00Z")]})
        bench.build(CLOCK + 2 * HOURS, incremental=True)
        assert {
            "stg_learning_events",
            "fct_opco_connections",
            "fct_learner_days",
            "retained_seconds_stay_within_the_union",
        } <= (names(bench))
        assert not {"stg_users", "dim_learners", "dim_dates", "stg_course_attempts", "int_groups__nested"} & names(
            bench
        )


def test_whoever_reads_the_clock_says_when_it_changes_something(project: Project) -> None:
    nodes = [node for node in project.manifest["nodes"].values() if node["resource_type"] == "model"]
    clocked = [
        node["name"]
        for node in nodes
        if node["config"]["materialized"] == "incremental"
        and any(word in node["raw_code"] for word in ("clock_at", "data_as_of", "now()", "current_"))
        and "changes_where" not in node["config"]["meta"]
    ]
    assert clocked == []
    growing = [node for node in nodes if node["config"].get("incremental_strategy") == "changed_rows"]
    assert len(growing) == 7
    assert all("superseded_version" in node["config"]["meta"]["changes_where"] for node in growing)
