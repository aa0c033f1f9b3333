"""Alerts from the published data: the problems that its build found, and silence while sessions are open."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Any

import duckdb

from orchestration.defs.alerts.alert import Alert, Kind, utc
from orchestration.home.paths import Home
from orchestration.home.settings import Settings
from warehouse.published import open_published
from warehouse.sql import rows_of

DATA_KINDS: tuple[Kind, ...] = ("rejects", "stale", "gone", "purged", "reused", "doubtful")
PROBLEMS = "data_problems"
EXAMPLES = 3
# What says more about one that is gone.
COMMANDS = {"learner": "why --user", "session": "issues", "course": "why --course"}


def data_alerts(home: Home, settings: Settings, now: datetime) -> list[Alert]:
    """Return the alerts from the published file at the instant `now` (aware); none before the first build.

    Errors as `open_published`.
    """
    if not home.warehouse.exists():
        return []
    with open_published(home.warehouse) as db:
        return [*_problems(db), *_stale(db, settings.alerts.stale_days, now)]


def _problems(db: duckdb.DuckDBPyConnection) -> list[Alert]:
    if not db.execute("select 1 from duckdb_tables() where table_name = ?", [PROBLEMS]).fetchall():
        return []  # published by an earlier version
    rows = rows_of(
        db,
        """
        select data_problems.*, warehouse_build.data_as_of
        from data_problems
        cross join warehouse_build
        order by problem, subject, length(subject_id), subject_id, data_problems.load_number
        """,
    )
    return list(map(_alert, rows))


def _alert(row: dict[str, Any]) -> Alert:
    """Return the alert about one row of `data_problems`, with the instant that its data are as of."""
    problem, subject, load, details = row["problem"], row["subject"], str(row["load_number"]), row["details"]
    if problem == "gone":
        # Ids and sums only: what a message says of a learner is not more than the log of connections needs.
        seconds = row["retained_seconds"]
        values = {
            "id": row["subject_id"],
            "proofs": str(row["row_count"]),
            "time": "" if seconds is None else f"{seconds // 3600} h {seconds % 3600 // 60:02}",
            "as_of": utc(row["data_as_of"]),
        }
        commands = [f"{COMMANDS[subject]} {shlex.quote(row['subject_id'])}"] if subject in COMMANDS else []
        return Alert(problem, f"gone/{subject}/{row['subject_id']}", f"gone/{subject}", values, (), tuple(commands))
    if problem == "doubtful":
        lines = [_doubt(row["subject_id"], one) for one in details]
        return Alert(
            problem,
            f"doubtful/{subject}/{row['subject_id']}",
            f"doubtful/{subject}",
            {"as_of": utc(row["data_as_of"])},
            tuple(lines),
            () if subject == "not_delivered" else (f"why --user {shlex.quote(row['subject_id'])}",),
        )
    if problem == "rejects":
        values = {
            "table": subject,
            "rejected": str(row["row_count"]),
            "delivered": str(row["delivered_count"]),
            "load": load,
            "at": utc(row["data_as_of"]),
        }
        lines = [
            f"{one['row_count']} × {one['reason']}{' (' + one['column_name'] + ')' if one['column_name'] else ''}: "
            f"{one['place']}"
            for one in details
        ]
        examples, key = [one["place"] for one in details[:EXAMPLES]], details[0]["reason"]
    else:
        values = {"table": subject, "rows": str(row["row_count"]), "load": load}
        lines = [f"{one['happened_on'] or '-'}: {one['row_count']}" for one in details]
        # One alert of the last load that did it, and a new one with the next such load.
        examples, key = [min(one["place"] for one in details)], load
    commands = [f"why --row {shlex.quote(place)}" for place in examples]
    return Alert(problem, f"{problem}/{subject}/{key}", f"{problem}/{subject}", values, tuple(lines), tuple(commands))


def _doubt(user_id: str, detail: dict[str, Any]) -> str:
    accounts = " / ".join(one for one in (user_id, detail["place"]) if one)
    on = detail["happened_on"]
    return f"{accounts}: {detail['row_count']} × {on}" if on else accounts


def _stale(db: duckdb.DuckDBPyConnection, days: int | None, now: datetime) -> list[Alert]:
    # No data test: where no data come, nothing is built.
    rows = db.execute(
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
    session_id, _, last_at, data_as_of = rows[0]
    return [
        Alert(
            "stale",
            "stale/",
            "stale/",
            {
                "last": utc(last_at) if last_at else "",
                "as_of": utc(data_as_of),
                "days": str(days),
                "sessions": str(len(rows)),
            },
            tuple(f"{one}: {name}" for one, name, _, _ in rows),
            ("build", f"why --session {shlex.quote(session_id)}"),
        )
    ]
