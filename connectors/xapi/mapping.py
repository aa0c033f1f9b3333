"""From flat rows of statements to raw tables: the SQL files of `sql/`, in order, over Parquet files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from connectors.mapping import create_tables, create_views, mapping_database, text_columns
from connectors.xapi.settings import XapiSettings
from connectors.xapi.statements import SQL, Landing
from warehouse.sql import quoted_literal

SNAPSHOT_TABLES = ("users", "program_templates", "program_sessions", "courses", "assessments")
"""The raw tables that each pull delivers whole."""
GROWING_TABLES = {
    "learning_events": "select * exclude (stored_at) from new_events",
    "assessment_results": "from assessment_results",
    "withdrawn_events": "from withdrawn_events",
}
"""The raw tables of which each pull delivers what is new, and the query for it."""

MEMORY_LIMIT = "80MB"
"""What DuckDB takes of the memory; the rest goes to a file beside its database."""
LARGER_MEMORY_LIMIT = "1GB"
"""What it takes from the first table on that cannot be made with less."""
_INSTANT = pa.timestamp("us")
STATE = {
    "remembered_users": ("known_users", {**text_columns("user_id", "last_name", "email"), "told_at": _INSTANT}),
    "remembered_activities": ("known_activities", {**text_columns("kind", "activity_id", "name"), "told_at": _INSTANT}),
    "remembered_sessions": (
        "known_sessions",
        {
            **text_columns("session_id", "name", "template_id", "template_name"),
            "template_rank": pa.int32(),
            "first_told_at": _INSTANT,
            "told_at": _INSTANT,
            "is_seen": pa.bool_(),
        },
    ),
    "remembered_results": (
        "known_results",
        {
            **text_columns("result_id", "user_id", "session_id", "assessment_id", "submitted_at"),
            "score_pct": pa.float64(),
            "is_passed": pa.bool_(),
        },
    ),
    "remembered_voided": ("voided_statements", text_columns("event_id", "withdrawn_at")),
    "delivered_ids": ("known_ids", {**text_columns("event_id"), "stored_at": _INSTANT}),
}
"""What a pull remembers: the table that it is made of, and the columns."""


def open_mapping(
    settings: XapiSettings, remembered: Mapping[str, Path], latest_stored: datetime, folder: Path
) -> duckdb.DuckDBPyConnection:
    """Return a database for `map_statements`, with what earlier pulls remembered by the names of `STATE`.

    A statement stored after `latest_stored` (without a zone, UTC) is left out. Its files lie in `folder`.
    """
    variables = {"session": settings.session, "language": settings.language.lower(), "latest_stored": latest_stored}
    empty = {name: pa.schema(columns).empty_table() for name, (_, columns) in STATE.items() if name not in remembered}
    db = mapping_database(empty, variables, folder / "mapping.duckdb")
    # Each thread would take as much again.
    db.execute(f"set memory_limit = '{MEMORY_LIMIT}'; set threads = 1; set preserve_insertion_order = false")
    for name, path in remembered.items():
        db.execute(f"create view {name} as from read_parquet({quoted_literal(path)})")
    db.execute((SQL / "macros.sql").read_text(encoding="utf-8"))
    return db


def map_statements(landing: Landing, kept_since: datetime | None) -> None:
    """Make a table of each file of `sql/`, the raw tables among them.

    Ids of statements that were stored before `kept_since` (without a zone, UTC) are not remembered; None keeps all.
    """
    db = landing.db
    db.execute("set variable kept_since = $kept_since::timestamp", {"kept_since": kept_since})
    db.execute(f"create view told_statements as from {landing.rows}")
    _create_tables(db, "repeated_tellings", "voided_statements")
    create_views(db, SQL, "judged_statements", "shown_statements", "learning_events")
    _create_tables(
        db,
        *("withdrawn_events", "new_events", "all_results", "assessment_results"),
        *("known_users", "users", "known_activities", "courses", "assessments"),
        *("known_sessions", "program_sessions", "program_templates"),
        *("left_out_statements", "contradicted_durations"),
    )
    create_views(db, SQL, "known_ids", "known_results")


def _create_tables(db: duckdb.DuckDBPyConnection, *names: str) -> None:
    for name in names:
        try:
            create_tables(db, SQL, name)
        except duckdb.OutOfMemoryException:
            # Texts that aggregates keep, of half a million sessions, find no place in the file.
            db.execute(f"set memory_limit = '{LARGER_MEMORY_LIMIT}'")
            create_tables(db, SQL, name)
