"""One question has one answer: metrics, views, export, documents and portal agree on the demo campus, to the second."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from orchestration.home.paths import Home
from portal import queries
from portal.prepared import prepare
from reports.attestation.queries import read_build, read_learner_records, read_session_learners
from reports.documents.queries import read_followed
from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, write_export
from warehouse.metrics import metrics
from warehouse.views import views

pytestmark = pytest.mark.xdist_group("demo")

GRAINS = ("user_id", "session_id", "course_id", "month", "day", "evidence_level", "proof_level")
MONTH, DAY = "strftime(connected_on, '%Y-%m')", "connected_on"


class Question(NamedTuple):
    """A metric, and of what: an empty grain is not asked by."""

    metric: str
    user_id: str | None = None
    session_id: str | None = None
    course_id: str | None = None
    month: str | None = None
    day: date | None = None
    evidence_level: str | None = None
    proof_level: str | None = None


Answers = Iterator[tuple[Question, int]]


@pytest.fixture(scope="module")
def db(demo_home: Path) -> duckdb.DuckDBPyConnection:
    """The published demo, with what the portal makes of it."""
    db = duckdb.connect(str(Home(demo_home).warehouse.resolve()), read_only=True)
    db.execute("set TimeZone = 'UTC'")
    prepare(db)
    return db


def asked(db: duckdb.DuckDBPyConnection, table: str, figures: dict[str, str], *grains: dict[str, str]) -> Answers:
    """Yield what a query says of each figure (SQL by metric), by each of the grains (SQL by name)."""
    for grain in grains:
        selected = ", ".join([*grain.values(), *figures.values()])
        for row in db.execute(f"select {selected} from {table} group by {', '.join(grain.values())}").fetchall():
            of = dict(zip(grain, row, strict=False))
            for metric, value in zip(figures, row[len(grain) :], strict=True):
                yield Question(metric, **of), int(value)


def columns(*names: str, **more: str) -> dict[str, str]:
    return {name: name for name in names} | more


def of_metrics(db: duckdb.DuckDBPyConnection) -> Answers:
    for table, grains in (
        (
            "fct_opco_connections",
            (
                columns("session_id"),
                columns("user_id", "session_id"),
                columns("session_id", "course_id"),
                columns("user_id", "session_id", "course_id"),
                columns("user_id", "session_id", month=MONTH),
                columns("user_id", "session_id", day=DAY),
                columns("session_id", day=DAY),
                columns("user_id", "session_id", "proof_level"),
                columns("session_id", "evidence_level", "proof_level"),
                columns("evidence_level", month=MONTH),
            ),
        ),
        ("fct_learner_sessions", (columns("session_id"), columns("user_id", "session_id"))),
        ("fct_learner_days", (columns("session_id"), columns("user_id", "session_id"))),
        ("fct_program_session_indicators", (columns("session_id"),)),
    ):
        figures = {
            metric.name: metric.expression
            for metric in metrics().values()
            if metric.table == table and metric.name.endswith(("_seconds", "_count")) and "planned" not in metric.name
        }
        yield from asked(db, table, figures, *grains)


def of_views(db: duckdb.DuckDBPyConnection) -> Answers:
    total = "sum({})".format
    yield from asked(
        db,
        "mrt_learner_months",
        {"retained_seconds": total("retained_seconds"), "connection_count": total("connection_count")},
        columns("user_id", "session_id", "month"),
        columns("user_id", "session_id"),
        columns("session_id"),
    )
    yield from asked(
        db,
        "mrt_evidence_hours",
        {"retained_seconds": total("retained_seconds"), "connection_count": total("connection_count")},
        columns("session_id", "evidence_level", "proof_level"),
        columns("session_id"),
    )
    by_learner = columns("user_id", "session_id")
    billed = {name: total(name) for name in ("realised_seconds", "credited_seconds")}
    yield from asked(db, "mrt_billing", billed, by_learner, columns("session_id"))
    yield from asked(db, "mrt_planned_hours", {"realised_seconds": total("realised_seconds")}, columns("session_id"))
    nights = {name: total(name) for name in ("day_seconds", "night_seconds", "weekend_seconds", "holiday_seconds")}
    yield from asked(db, "mrt_off_hours", nights, columns("session_id"))
    # What is spent by day, and what is realised, is what is retained.
    retained = {"day_seconds": total("retained_seconds"), "realised_seconds": total("retained_seconds")}
    yield from asked(db, "mrt_learner_months", retained, by_learner)


def of_export(db: duckdb.DuckDBPyConnection, home: Home, folder: Path) -> Answers:
    file = folder / "export.parquet"
    write_export(home.warehouse, file, ExportFilters(), ExportOptions("parquet"))
    zone = read_build(db).display_timezone
    local = f"timezone('{zone}', timezone('UTC', cast(connected_at as timestamp)))"
    yield from asked(
        db,
        f"'{file}'",
        {
            "retained_seconds": "coalesce(sum(retained_seconds), 0)",
            "connected_seconds": "coalesce(sum(elapsed_seconds), 0)",
            "connection_count": "count(*)",
        },
        columns("session_id"),
        columns("user_id", "session_id"),
        columns("session_id", "course_id"),
        columns("user_id", "session_id", "course_id"),
        columns("user_id", "session_id", month=f"strftime({local}, '%Y-%m')"),
        columns("user_id", "session_id", day=f"cast({local} as date)"),
        columns("evidence_level", month=f"strftime({local}, '%Y-%m')"),
    )


def of_documents(db: duckdb.DuckDBPyConnection) -> Answers:
    build = read_build(db)
    sessions = db.execute("select session_id from dim_program_sessions").fetchall()
    months = db.execute(f"select distinct session_id, {MONTH} from fct_opco_connections").fetchall()
    for (session_id,) in sessions:
        played = [one.user_id for one in read_session_learners(db, session_id) if one.has_played]
        for record in read_learner_records(db, session_id, played, build):
            learner = {"user_id": record.user_id, "session_id": session_id}
            yield Question("retained_seconds", **learner), record.totals.retained_seconds
            yield Question("day_seconds", **learner), record.totals.retained_seconds
            yield Question("connected_seconds", **learner), record.totals.elapsed_seconds
            yield Question("connection_count", **learner), record.totals.connection_count
            for day in record.days:
                yield Question("retained_seconds", **learner, day=day.on), day.retained_seconds
            for step in record.steps:
                if step.step_type == "course" and step.connection_count:
                    course = {**learner, "course_id": step.resource_id}
                    yield Question("retained_seconds", **course), step.retained_seconds
                    yield Question("connection_count", **course), step.connection_count
        for followed in read_followed(db, session_id, build.display_timezone, None, played):
            learner = {"user_id": followed.user_id, "session_id": session_id}
            yield Question("credited_seconds", **learner), followed.credited_seconds
            yield Question("realised_seconds", **learner), followed.retained_seconds
            for level in ("work", "tutored", "consultation"):
                if seconds := getattr(followed, f"{level}_seconds"):
                    yield Question("retained_seconds", **learner, proof_level=level), seconds
    for session_id, month in months:
        connected = db.execute(
            f"select distinct user_id from fct_opco_connections where session_id = $1 and {MONTH} = $2",
            [session_id, month],
        ).fetchall()
        users = [user_id for (user_id,) in connected]
        for record in read_learner_records(db, session_id, users, build, month=month):
            learner = {"user_id": record.user_id, "session_id": session_id, "month": month}
            yield Question("retained_seconds", **learner), record.totals.retained_seconds
            yield Question("connected_seconds", **learner), record.totals.elapsed_seconds
            yield Question("connection_count", **learner), record.totals.connection_count


def of_portal(db: duckdb.DuckDBPyConnection) -> Answers:
    courses = dict(db.execute("select course_name, course_id from dim_courses").fetchall())
    for (session_id,) in db.execute("select session_id from dim_program_sessions").fetchall():
        figures = queries.read_session_figures(db, session_id)
        assert figures is not None
        for metric in ("retained_seconds", "connection_count", "learner_count"):
            yield Question(metric, session_id=session_id), figures[metric]
        for day, seconds in queries.read_days(db, session_id):
            yield Question("retained_seconds", session_id=session_id, day=day), seconds
        for course in queries.list_courses(db, session_id):
            if course["connection_count"]:
                of = {"session_id": session_id, "course_id": courses[course["course_name"]]}
                yield Question("retained_seconds", **of), course["retained_seconds"]
                yield Question("connection_count", **of), course["connection_count"]
        for learner in queries.list_learners(db, session_id, 1).rows:
            if learner["connection_count"]:
                question = Question("retained_seconds", user_id=learner["user_id"], session_id=session_id)
                yield question, learner["retained_seconds"]


def test_one_question_has_one_answer(db: duckdb.DuckDBPyConnection, demo_home: Path, tmp_path: Path) -> None:
    answers: dict[Question, dict[str, int]] = {}
    for source, given in {
        "metrics": of_metrics(db),
        "views": of_views(db),
        "export": of_export(db, Home(demo_home), tmp_path),
        "documents": of_documents(db),
        "portal": of_portal(db),
    }.items():
        for question, value in given:
            answers.setdefault(question, {}).setdefault(source, value)
            assert answers[question][source] == value, (source, question)
    compared = {question: said for question, said in answers.items() if len(said) > 1}
    assert len(compared) >= 1000
    assert {question: said for question, said in compared.items() if len(set(said.values())) > 1} == {}
    # Nothing is answered beside the metrics.
    assert [question for question, said in answers.items() if "metrics" not in said] == []
    for source in ("views", "export", "documents", "portal"):
        assert sum(source in said for said in compared.values()) >= 40, source


def test_every_view_and_its_columns_say_what_they_are(db: duckdb.DuckDBPyConnection) -> None:
    found = db.execute("select view_name, comment from duckdb_views() where not internal and schema_name = 'main'")
    comments = dict(found.fetchall())
    assert set(comments) == {view.name for view in views()}
    assert len(comments) >= 12
    assert all(comment.startswith("One row per ") for comment in comments.values())
    for view in views():
        held = db.execute("select column_name, comment from duckdb_columns() where table_name = $1", [view.name])
        described = dict(held.fetchall())
        assert all(described.values()), view.name
        assert set(view.columns) <= set(described), view.name
