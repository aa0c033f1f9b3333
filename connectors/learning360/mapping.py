"""From the lines of exports to raw tables: the SQL files of `sql/`, in order, over tables in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.learning360.endpoints import LISTS
from connectors.learning360.opca_logs import Exports
from connectors.learning360.settings import Learning360Settings
from connectors.mapping import (
    SHARED_SQL,
    TEXT,
    arrow_table,
    create_tables,
    mapping_database,
    require_orders,
    text_columns,
)
from warehouse.sql import quoted_identifier, quoted_literal

SQL = Path(__file__).with_name("sql")
API_SQL = SQL / "api"
SNAPSHOT_TABLES = (
    *("users", "custom_fields", "user_custom_field_values", "user_labels"),
    *("program_templates", "program_sessions", "session_instructors", "courses"),
)
"""The raw tables that each pull delivers whole, where there are exports alone."""
PLATFORM_TABLES = (
    *("users", "custom_fields", "user_custom_field_values", "groups", "group_members"),
    *("assessments", "program_templates", "program_steps", "program_sessions", "session_instructors", "enrollments"),
    "courses",
)
"""The raw tables that each pull delivers whole of what the API tells; labels it tells none, but exports do."""

_LOCAL = pa.timestamp("us")
STATE = {
    "remembered_stays": pa.schema(
        {
            "connection_id": TEXT,
            "occurrence": pa.int64(),
            **text_columns("address", "last_name", "first_name", "email"),
            **dict.fromkeys(("field_ids", "field_titles", "field_cells"), pa.list_(TEXT)),
            **text_columns(
                *("additional_information", "labels", "session_name", "session_id", "program_template_name"),
                *("program_template_id", "course_name"),
            ),
            **dict.fromkeys(("connected_local", "disconnected_local", "connected_at", "disconnected_at"), _LOCAL),
            "is_ambiguous": pa.bool_(),
            "told_at": _LOCAL,
            "file": TEXT,
            "line": pa.int64(),
            "told_in": pa.list_(TEXT),
            "first_told_at": _LOCAL,
        }
    ),
    "delivered_connections": pa.schema(
        text_columns("connection_id", "user_id", "session_id", "course_id", "connected_at", "disconnected_at")
    ),
}
"""What a pull remembers: each stay as it was last told, and each connection as it was last delivered."""
PLATFORM_STATE = {
    "remembered_names": pa.schema(text_columns("kind", "id", "name")),
    "remembered_results": pa.schema(
        {
            **text_columns("result_id", "user_id", "session_id", "assessment_id", "name", "submitted_at"),
            "score_pct": pa.float64(),
            "is_passed": pa.bool_(),
        }
    ),
    "delivered_attempts": pa.schema(text_columns("attempt_id", "digest")),
    "remembered_attempts": pa.schema(
        {
            "attempt_id": TEXT,
            "revision": pa.int64(),
            **text_columns("user_id", "session_id", "course_id", "connected_at", "disconnected_at"),
            "is_withdrawn": pa.bool_(),
        }
    ),
}
"""What it remembers of the API: what was called how, results of assessments, which come as messages alone, each attempt
as delivered last, and each that was a connection."""
MESSAGES = pa.schema(
    {
        **text_columns("id", "received_at", "type"),
        "data": pa.struct(
            {
                **text_columns("userId", "sessionId", "assessmentId", "name", "correctedAt", "attemptId"),
                "success": pa.bool_(),
                "score": pa.float64(),
            }.items()
        ),
    }
)
"""What came as messages, as `webhooks.messages` returns it."""


def map_exports(
    exports: Exports,
    settings: Learning360Settings,
    remembered: Mapping[str, Path],
    platform: Mapping[str, Path] | None = None,
    *,
    pulled_at: datetime | None = None,
    is_full: bool = False,
    former_users: Path | None = None,
    messages: Sequence[Mapping[str, Any]] = (),
) -> duckdb.DuckDBPyConnection:
    """Return a database in memory with a table for each file of `sql/`, the raw tables among them.

    Args:
        exports: the lines as exported.
        settings: zone, order of day and month, names that belong together.
        remembered: Parquet files of earlier pulls by the names of `STATE` and `PLATFORM_STATE`; empty where missing.
        platform: the API's lists as Parquet files, by their names; None where exports are all there is.
        pulled_at: the start of the pull (aware); with a platform alone.
        is_full: whether what was delivered is delivered again; with a platform alone.
        messages: what the platform sent by itself, as `webhooks.messages` returns it; with a platform alone.
        former_users: the users as last delivered, with `id_prefix` before their ids; with a platform alone.

    Raises:
        UserError: nothing tells the order of day and month.
    """
    tables = {**exports.tables(), **_settings_tables(settings)}
    for name, schema in (STATE | PLATFORM_STATE if platform else STATE).items():
        tables[name] = pq.ParquetFile(remembered[name]).read() if name in remembered else schema.empty_table()
    variables = {
        "zone": settings.timezone,
        "day_first": settings.day_first,
        "has_platform": platform is not None,
        "is_full": is_full,
        "pulled_at": pulled_at.replace(tzinfo=None) if pulled_at else None,
    }
    db = mapping_database(tables, variables)
    if platform:
        db.execute("create schema api")
        # What moves to another page while the pages are read is told twice.
        once = {
            one.name: "qualify row_number() over (partition by _id order by file_row_number desc) = 1" for one in LISTS
        }
        for name, path in platform.items():
            db.execute(
                f"create view api.{quoted_identifier(name)} as select * exclude (file_row_number) "
                f"from read_parquet({quoted_literal(path)}, file_row_number = true) {once.get(name, '')}"
            )
        if former_users:
            cut = len(settings.id_prefix) + 1
            db.execute(
                f"insert into remembered_names select 'user', substr(user_id, {cut}), lower(trim(email)) "
                f"from read_parquet({quoted_literal(former_users)}) where email is not null"
            )
        db.register("arrow", pa.Table.from_pylist([dict(one) for one in messages], MESSAGES))
        db.execute("create table api.messages as from arrow")
        db.unregister("arrow")
        create_tables(db, API_SQL, "session_roots", "results", *PLATFORM_TABLES, "course_attempts", "known_names")
    create_tables(db, SQL, "time_cells")
    create_tables(db, SHARED_SQL, "file_orders")
    require_orders(
        db,
        "file_orders",
        "file",
        "Write day_first = true or false beside the folder in opco.toml; an export of a whole month shows it too.",
    )
    create_tables(
        db,
        SQL,
        *("file_fields", "typed_lines"),
    )
    create_tables(db, API_SQL if platform else SQL, "targets")
    create_tables(
        db,
        SQL,
        *("judged_lines", "stays", "renamed_stays", "taken_stays"),
        *(("user_labels",) if platform else SNAPSHOT_TABLES),
        *("course_connections", "new_connections", "known_connections", "left_out_lines"),
    )
    if platform:
        create_tables(
            db,
            API_SQL,
            *("attempt_digests", "new_attempts", "known_exports", "judged_attempts", "attempt_connections"),
            *("withdrawn_connections", "new_attempt_connections", "new_results"),
        )
    return db


def _settings_tables(settings: Learning360Settings) -> dict[str, pa.Table]:
    return {
        "known_users": arrow_table(
            text_columns("name", "email"),
            [(name, email.strip().lower()) for name, email in settings.users.items()],
        ),
        "instructors": arrow_table(text_columns("email"), [(email.strip().lower(),) for email in settings.instructors]),
        "course_settings": arrow_table(text_columns("course_name", "course_id"), list(settings.courses.items())),
    }
