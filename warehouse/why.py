"""What became of each raw row, and why: the data engineer's question, answered from the build file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path

import duckdb

from warehouse.build_file import open_build_file
from warehouse.errors import UserError


@dataclass(frozen=True)
class Question:
    """Which raw rows are asked about; what is None does not narrow.

    `day` is a day where a person reads; `row` an event id, a connection id, or `FILE:LINE` of any raw table.
    """

    user_id: str | None = None
    session_id: str | None = None
    course_id: str | None = None
    day: date | None = None
    row: str | None = None


@dataclass(frozen=True)
class Answer:
    """One raw row and what became of it.

    `outcome` is connection, superseded, outside_session, withdrawn (the platform took it back), duplicate, conflicting
    (a duplicate that says something else than the row that counts), lost (of an earlier version of a file; its id says
    something else now), rejected, gone or kept. `detail` says why: the reason and the cell, the row that won and in
    what it differs, the row that withdrew it, or that the row is delivered no more. Of a row that went into a
    connection, or whose connection gave way to another, that connection follows. Instants are UTC.
    """

    table_name: str
    file: str
    line: int
    row_id: str | None
    user_id: str | None
    session_id: str | None
    course_id: str | None
    happened_at: datetime | None
    outcome: str
    detail: str | None
    connection_id: str | None
    connected_at: datetime | None
    disconnected_at: datetime | None
    end_kind: str | None
    evidence_level: str | None
    retained_seconds: int | None


CONDITIONS = {
    "user_id": "user_id = $user_id",
    "session_id": "session_id = $session_id",
    "course_id": "course_id = $course_id",
    "day": "cast(timezone($zone, timezone('UTC', happened_at)) as date) = $day",
    "row": "(row_id = $row or (file = $file and line = $line))",
}
"""What each part of a question asks of a row of `int_raw_rows__explained`."""


def explain(build_file: Path, question: Question) -> list[Answer]:
    """Return what became of the raw rows asked about, in the order of time, then of file and line.

    Raises UserError when nothing narrows the question, when it names a learner, a session or a course that no row has,
    or when nothing is built; OpcoError when the file is locked.
    """
    if question == Question():
        raise UserError("Ask about something: --user, --session, --course, --day or --row (an id, or FILE:LINE).")
    asked = {name: value for name, value in vars(question).items() if value is not None}
    parameters = dict(asked)
    if question.row is not None:
        file_line = re.fullmatch(r"(.+):(\d+)", question.row)
        parameters |= {"file": file_line[1], "line": int(file_line[2])} if file_line else {"file": None, "line": None}
    with whole_build(build_file) as db:
        # The table that a build makes last: without it there is no whole build.
        ((zone,),) = db.execute("select display_timezone from marts.warehouse_build").fetchall()
        if question.day is not None:
            parameters["zone"] = zone
        rows = db.execute(
            f"""
            select {", ".join(field.name for field in fields(Answer))}
            from intermediate.int_raw_rows__explained
            where {" and ".join(CONDITIONS[name] for name in asked)}
            order by happened_at nulls last, table_name, file, line
            """,
            parameters,
        ).fetchall()
        if not rows:
            _require_known(db, question)
    return [Answer(*row) for row in rows]


@contextmanager
def whole_build(build_file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield the build file, read-only, for queries of what a whole build of this release holds.

    Raises UserError where nothing is built, or where a query finds a table or column missing; OpcoError when the file
    is locked.
    """
    if not build_file.exists():
        raise UserError(f"{build_file}: nothing is built yet. Build first: opco build --raw FOLDER")
    with open_build_file(build_file, read_only=True) as db:
        try:
            yield db
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise UserError(
                f"{build_file} holds no complete build of this release: the last one stopped half-way, or an earlier "
                "release made it. Build again: opco build --raw FOLDER, or opco rebuild"
            ) from error


def _require_known(db: duckdb.DuckDBPyConnection, question: Question) -> None:
    """Raise UserError where the question names a learner, a session or a course that no delivery ever held."""
    for option, asked, table, column in (
        ("--user", question.user_id, "stg_users", "user_id"),
        ("--session", question.session_id, "stg_program_sessions", "session_id"),
        ("--course", question.course_id, "stg_courses", "course_id"),
    ):
        if asked is None:
            continue
        known = [name for (name,) in db.execute(f"select {column} from staging.{table} where is_kept").fetchall()]
        if asked not in known:
            raise unknown_id(f"{option} {asked}", asked, known)


def unknown_id(what: str, asked: str, known: Collection[str]) -> UserError:
    """Return the error that tells of `what` that no delivered row has the id `asked`, and which ids are like it."""
    near = difflib.get_close_matches(asked, known, n=3, cutoff=0)
    return UserError(f"{what}: no delivered row has this id. Ids are case-sensitive; nearest: {', '.join(near)}")
