"""What the published file says is amiss: many rejects in a load, no new activity, proof of what the LMS lost."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb

from reports.warehouse import open_published

Kind = Literal["run", "tick", "check", "rejects", "stale", "gone", "home", "service"]
JUDGED_HERE: tuple[Kind, ...] = ("rejects", "stale", "gone")
EXAMPLES = 3


@dataclass(frozen=True)
class Cause:
    """One thing that is amiss.

    `key` begins with the kind and a `/`, and is the same as long as the cause is: what was told once under a key is
    not told again before it ended. Causes of one `group` are told together. `values` fill the wording of the kind,
    `lines` are the first lines of the cause, `commands` look further (after `opco`, without --home).
    """

    kind: Kind
    key: str
    group: str
    values: dict[str, str]
    lines: tuple[str, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Thresholds:
    """From where on something is amiss; None is never.

    Rejects: more rows, or a larger share in percent, of what one load brought for one table. `stale_days`: days
    without activity while a session is open.
    """

    rejected_rows: int | None
    rejected_pct: float | None
    stale_days: int | None


@dataclass(frozen=True)
class DeliveredFile:
    """Rows of one file that the archive holds; `loaded_at` is the start of the load that brought this content."""

    table_name: str
    loaded_at: datetime
    row_count: int


def judge(warehouse: Path, delivered: Iterable[DeliveredFile], thresholds: Thresholds, now: datetime) -> list[Cause]:
    """Return what is amiss in the published file at `warehouse`, at the instant `now` (aware).

    Of rejects, those of the load that the published build was made from. Errors as `open_published`.
    """
    with open_published(warehouse) as connection:
        return [
            *_rejects(connection, list(delivered), thresholds),
            *_stale(connection, thresholds.stale_days, now),
            *_gone(connection),
        ]


def _rejects(
    connection: duckdb.DuckDBPyConnection, delivered: Sequence[DeliveredFile], thresholds: Thresholds
) -> list[Cause]:
    rows = connection.execute(
        """
        with this_load as (select data_as_of, load_number from warehouse_build),

        files as (
            select unnest($tables) as table_name, unnest($loaded) as loaded_at, unnest($row_counts) as row_count
        ),

        delivered as (
            select files.table_name, sum(files.row_count) as delivered
            from files
            inner join this_load on files.loaded_at = this_load.data_as_of
            group by files.table_name
        ),

        -- one row a reason and column, with the first places
        by_reason as (
            select
                rejected_rows.table_name,
                rejected_rows.reason,
                coalesce(rejected_rows.column_name, '') as column_name,
                count(*) as rejected,
                min(rejected_rows.file || ':' || rejected_rows.line) as place
            from rejected_rows
            inner join this_load on rejected_rows.loaded_at = this_load.data_as_of
            where not rejected_rows.row_kept
            group by rejected_rows.table_name, rejected_rows.reason, coalesce(rejected_rows.column_name, '')
        ),

        by_table as (
            select table_name, sum(rejected) as rejected from by_reason group by table_name
        )

        select
            by_table.table_name,
            by_table.rejected,
            delivered.delivered,
            this_load.load_number,
            this_load.data_as_of,
            list(by_reason order by by_reason.rejected desc, by_reason.reason, by_reason.column_name) as reasons
        from by_table
        inner join by_reason on by_table.table_name = by_reason.table_name
        inner join delivered on by_table.table_name = delivered.table_name
        cross join this_load
        where
            by_table.rejected > $rejected_rows
            or by_table.rejected * 100 > $rejected_pct * delivered.delivered
        group by all
        order by by_table.table_name
        """,
        {
            "tables": [file.table_name for file in delivered],
            "loaded": [file.loaded_at.astimezone(UTC).replace(tzinfo=None) for file in delivered],
            "row_counts": [file.row_count for file in delivered],
            "rejected_rows": thresholds.rejected_rows,
            "rejected_pct": thresholds.rejected_pct,
        },
    ).fetchall()
    return [
        Cause(
            "rejects",
            f"rejects/{table}/{reasons[0]['reason']}",
            f"rejects/{table}",
            {
                "table": table,
                "rejected": str(rejected),
                "delivered": str(count),
                "load": str(load),
                "at": _utc(loaded_at),
            },
            tuple(
                f"{one['rejected']} × {one['reason']}{' (' + one['column_name'] + ')' if one['column_name'] else ''}: "
                f"{one['place']}"
                for one in reasons
            ),
            tuple(f"why --row {shlex.quote(one['place'])}" for one in reasons[:EXAMPLES]),
        )
        for table, rejected, count, load, loaded_at, reasons in rows
    ]


def _stale(connection: duckdb.DuckDBPyConnection, days: int | None, now: datetime) -> list[Cause]:
    rows = connection.execute(
        """
        with activity as (
            select max(greatest(connected_at, disconnected_at)) as last_at from fct_opco_connections
        ),

        -- a session without a beginning is not known to be open; one without an end stays so
        open_sessions as (
            select session_id, session_name, starts_at, ends_at
            from dim_program_sessions
            where not is_gone and starts_at <= $now and (ends_at is null or ends_at > $now)
        )

        select
            open_sessions.session_id,
            open_sessions.session_name,
            activity.last_at,
            warehouse_build.data_as_of
        from open_sessions
        cross join activity
        cross join warehouse_build
        -- time before the session opened is nobody's silence
        where $now - greatest(open_sessions.starts_at, activity.last_at) >= to_days($days)
        order by length(open_sessions.session_id), open_sessions.session_id
        """,
        {"now": now.astimezone(UTC).replace(tzinfo=None), "days": days},
    ).fetchall()
    if not rows:
        return []
    _, _, last_at, data_as_of = rows[0]
    return [
        Cause(
            "stale",
            "stale/",
            "stale/",
            {
                "last": _utc(last_at) if last_at else "",
                "as_of": _utc(data_as_of),
                "days": str(days),
                "sessions": str(len(rows)),
            },
            tuple(f"{session_id}: {name}" for session_id, name, _, _ in rows),
            ("build", *(f"why --session {shlex.quote(session_id)}" for session_id, _, _, _ in rows[:1])),
        )
    ]


def _gone(connection: duckdb.DuckDBPyConnection) -> list[Cause]:
    # Ids and sums only: what a message says of a learner is not more than the log of connections needs.
    rows = connection.execute(
        """
        with connections as (
            select user_id, session_id, course_id, program_template_id, retained_seconds from fct_opco_connections
        ),

        held as (
            select 'learner' as entity, learners.user_id as id, count(*) as proofs,
                sum(connections.retained_seconds) as retained_seconds
            from connections
            inner join dim_learners as learners on connections.user_id = learners.user_id
            where learners.is_gone
            group by learners.user_id
            union all
            select 'session', sessions.session_id, count(*), sum(connections.retained_seconds)
            from connections
            inner join dim_program_sessions as sessions on connections.session_id = sessions.session_id
            where sessions.is_gone
            group by sessions.session_id
            union all
            select 'program', sessions.program_template_id, count(*), sum(connections.retained_seconds)
            from connections
            inner join dim_program_sessions as sessions on connections.session_id = sessions.session_id
            where sessions.is_program_template_gone
            group by sessions.program_template_id
            union all
            select 'course', courses.course_id, count(*), sum(connections.retained_seconds)
            from connections
            inner join dim_courses as courses on connections.course_id = courses.course_id
            where courses.is_gone
            group by courses.course_id
            union all
            select 'assessment', assessments.assessment_id, count(*), null
            from fct_assessment_results as results
            inner join dim_assessments as assessments on results.assessment_id = assessments.assessment_id
            where assessments.is_gone
            group by assessments.assessment_id
        )

        select held.entity, held.id, held.proofs, held.retained_seconds, warehouse_build.data_as_of
        from held
        cross join warehouse_build
        order by held.entity, length(held.id), held.id
        """
    ).fetchall()
    look = {"learner": "why --user", "session": "issues", "course": "why --course"}
    return [
        Cause(
            "gone",
            f"gone/{entity}/{entity_id}",
            f"gone/{entity}",
            {"id": entity_id, "proofs": str(proofs), "time": _hours(seconds), "as_of": _utc(as_of)},
            (),
            (f"{look[entity]} {shlex.quote(entity_id)}",) if entity in look else (),
        )
        for entity, entity_id, proofs, seconds, as_of in rows
    ]


def _hours(seconds: int | None) -> str:
    return "" if seconds is None else f"{seconds // 3600} h {seconds % 3600 // 60:02}"


def _utc(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
