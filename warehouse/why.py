"""What became of each raw row, and why: the data engineer's question, answered from the build file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
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

    `outcome` is connection, superseded, unattached, outside_session, duplicate, rejected, gone or kept.
    `detail` says why: the reason and the cell, the row that won, or where the time went. Of a row that went into
    a connection, or whose connection gave way to another, that connection follows. Instants are UTC.
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


# What a row of the tables of connections and events must fulfil; {happened_at} and {row_id} are columns.
ASKED = """
        fate <> 'past'
        and ($user_id is null or user_id = $user_id)
        and ($session_id is null or session_id = $session_id)
        and ($course_id is null or course_id = $course_id)
        and ($day is null or cast(timezone($zone, timezone('UTC', {happened_at})) as date) = $day)
        and ($row_id is null or {row_id} = $row_id or (file = $file and line = $line))
"""

# Each connection is known by learner, session, course and beginning: T4 leaves one of each.
ANSWERS = f"""
with asked_connections as (
    select * from staging.stg_course_connections
    where {ASKED.format(happened_at="connected_at", row_id="connection_id")}
),

asked_events as (
    select * from staging.stg_learning_events
    where {ASKED.format(happened_at="occurred_at", row_id="event_id")}
),

marked as (
    select
        event_id,
        is_unattached,
        min(occurred_at) over opening as connected_at,
        max(occurred_at) over opening as marked_until
    from intermediate.int_learning_events__marked
    where user_id in (select user_id from asked_events)
    window opening as (
        partition by user_id, session_id, course_id, attempt_id, opening_number, is_unattached
    )
),

events_in_connections as (
    select event_id, connected_at, marked_until from marked where not is_unattached

    union all

    -- of a run are the learner's events in its session and course from its first to its last
    select
        events.event_id,
        runs.connected_at,
        cast(null as timestamp) as marked_until
    from asked_events as events
    anti join marked on events.event_id = marked.event_id
    inner join intermediate.int_connections__runs as runs
        on
            events.user_id = runs.user_id
            and events.session_id = runs.session_id
            and events.course_id = runs.course_id
            and events.occurred_at between runs.connected_at and runs.last_event_at
    where
        events.fate = 'kept'
        and (events.occurred_at, length(events.event_id), events.event_id)
        between (runs.connected_at, length(runs.first_event_id), runs.first_event_id)
        and (runs.last_event_at, length(runs.last_event_id), runs.last_event_id)
),

unattached as (
    select event_id from marked where is_unattached
),

connection_rows as (
    select
        'course_connections' as table_name,
        file,
        line,
        connection_id as row_id,
        user_id,
        session_id,
        course_id,
        connected_at as happened_at,
        connected_at,
        fate,
        fault,
        emptied_cells,
        case
            when fate = 'kept' and exists (
                select 1 from intermediate.int_connections__measured as measured
                where
                    measured.user_id = rows.user_id
                    and measured.session_id = rows.session_id
                    and measured.course_id = rows.course_id
                    and measured.connected_at = rows.connected_at
                    and measured.evidence_level = rows.evidence_level
                    and measured.disconnected_at is not distinct from rows.disconnected_at
                    and (rows.connection_id is null or measured.connection_id = rows.connection_id)
            ) then 'connection'
            when fate = 'kept' then 'superseded'
            else fate
        end as outcome
    from asked_connections as rows
),

event_rows as (
    select
        'learning_events' as table_name,
        rows.file,
        rows.line,
        rows.event_id as row_id,
        rows.user_id,
        rows.session_id,
        rows.course_id,
        rows.occurred_at as happened_at,
        events_in_connections.connected_at,
        rows.fate,
        rows.fault,
        rows.emptied_cells,
        case
            when rows.fate <> 'kept' then rows.fate
            when unattached.event_id is not null then 'unattached'
            -- of marked events the connection that stayed ends where theirs did; of a run it is one made of a run
            when
                (measured.evidence_level = 'event_pair' or measured.end_kind = 'no_end_mark')
                and measured.disconnected_at = events_in_connections.marked_until
                then 'connection'
            when
                measured.evidence_level = 'event_run'
                and measured.end_kind <> 'no_end_mark'
                and events_in_connections.marked_until is null
                then 'connection'
            else 'superseded'
        end as outcome
    from asked_events as rows
    left join events_in_connections on rows.event_id = events_in_connections.event_id and rows.fate = 'kept'
    left join unattached on rows.event_id = unattached.event_id and rows.fate = 'kept'
    left join intermediate.int_connections__measured as measured
        on
            rows.user_id = measured.user_id
            and rows.session_id = measured.session_id
            and rows.course_id = measured.course_id
            and events_in_connections.connected_at = measured.connected_at
),

other_rows as (
    select
        table_name,
        file,
        line,
        cast(null as varchar) as row_id,
        cast(null as varchar) as user_id,
        cast(null as varchar) as session_id,
        cast(null as varchar) as course_id,
        cast(null as timestamp) as happened_at,
        cast(null as timestamp) as connected_at,
        fate,
        fault,
        emptied_cells,
        fate as outcome
    from intermediate.int_raw_rows__sorted_out
    where
        table_name not in ('course_connections', 'learning_events')
        and coalesce($user_id, $session_id, $course_id, cast($day as varchar)) is null
        and file = $file
        and line = $line
),

asked as (
    from connection_rows
    union all
    from event_rows
    union all
    from other_rows
)

select
    asked.table_name,
    asked.file,
    asked.line,
    asked.row_id,
    asked.user_id,
    asked.session_id,
    asked.course_id,
    asked.happened_at,
    asked.outcome,
    case
        when asked.outcome = 'rejected'
            then concat(asked.fault.reason, coalesce(' in ' || asked.fault.column_name, ''),
                coalesce(': ' || asked.fault.value, ''))
        when asked.outcome = 'duplicate' then coalesce('the row that counts is ' || winner.file || ':' || winner.line,
            'a later row has its key')
        when len(asked.emptied_cells) > 0
            then 'emptied: ' || list_aggregate(list_transform(asked.emptied_cells,
                lambda cell: concat(cell.reason, ' in ', cell.column_name, ': ', cell.value)), 'string_agg', '; ')
    end as detail,
    connection.connection_id,
    connection.connected_at,
    connection.disconnected_at,
    connection.end_kind,
    connection.evidence_level,
    connection.retained_seconds
from asked
left join intermediate.int_connections__measured as connection
    on
        asked.outcome in ('connection', 'superseded')
        and asked.user_id = connection.user_id
        and asked.session_id = connection.session_id
        and asked.course_id = connection.course_id
        and asked.connected_at = connection.connected_at
left join (
    select 'learning_events' as table_name, event_id as row_id, file, line
    from staging.stg_learning_events
    where is_kept
    union all
    select 'course_connections' as table_name, connection_id as row_id, file, line
    from staging.stg_course_connections
    where is_kept
) as winner
    on asked.outcome = 'duplicate' and asked.table_name = winner.table_name and asked.row_id = winner.row_id
order by asked.happened_at nulls last, asked.table_name, asked.file, asked.line
"""


def explain(build_file: Path, question: Question) -> list[Answer]:
    """Return what became of the raw rows asked about, in the order of time, then of file and line.

    Raises UserError when nothing narrows the question, when it names a learner, a session or a course that no row has,
    or when nothing is built; OpcoError when the file is locked.
    """
    if question == Question():
        raise UserError("Ask about something: --user, --session, --course, --day or --row (an id, or FILE:LINE).")
    if not build_file.exists():
        raise UserError(f"{build_file}: nothing is built yet. Build first: opco build --raw FOLDER")
    place = re.fullmatch(r"(.+):(\d+)", question.row or "")
    with open_build_file(build_file, read_only=True) as connection:
        try:
            zone = connection.execute("select display_timezone from marts.warehouse_build").fetchall()[0][0]
            rows = connection.execute(
                ANSWERS,
                {
                    "user_id": question.user_id,
                    "session_id": question.session_id,
                    "course_id": question.course_id,
                    "day": question.day,
                    "zone": zone,
                    "row_id": question.row,
                    "file": place[1] if place else None,
                    "line": int(place[2]) if place else None,
                },
            ).fetchall()
        except duckdb.CatalogException as error:
            raise UserError(
                f"{build_file} holds no whole build: the last one stopped half-way. "
                "Run it again: opco build --raw FOLDER"
            ) from error
        if not rows:
            _require_known(connection, question)
    return [Answer(*row) for row in rows]


def _require_known(connection: duckdb.DuckDBPyConnection, question: Question) -> None:
    """Raise UserError where the question names a learner, a session or a course that no delivery ever held."""
    for option, asked, table, column in (
        ("--user", question.user_id, "stg_users", "user_id"),
        ("--session", question.session_id, "stg_program_sessions", "session_id"),
        ("--course", question.course_id, "stg_courses", "course_id"),
    ):
        if asked is None:
            continue
        known = [
            name for (name,) in connection.execute(f"select {column} from staging.{table} where is_kept").fetchall()
        ]
        if asked not in known:
            raise unknown_id(f"{option} {asked}", asked, known)


def unknown_id(what: str, asked: str, known: Collection[str]) -> UserError:
    """Return the error that tells of `what` that no delivered row has the id `asked`, and which ids are like it."""
    near = difflib.get_close_matches(asked, known, n=3, cutoff=0)
    return UserError(f"{what}: no delivered row has this id. Ids are case-sensitive; nearest: {', '.join(near)}")
