"""From the lines of exports to raw tables: the SQL files of `sql/`, in order, over tables in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.learning360.opca_logs import Exports
from connectors.learning360.settings import Learning360Settings
from connectors.mapping import TEXT, arrow_table, create_tables, mapping_database, require_orders, text_columns

SQL = Path(__file__).with_name("sql")
SNAPSHOT_TABLES = (
    *("users", "custom_fields", "user_custom_field_values", "user_labels"),
    *("program_templates", "program_sessions", "session_instructors", "courses"),
)
"""The raw tables that each pull delivers whole."""

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


def map_exports(
    exports: Exports, settings: Learning360Settings, remembered: Mapping[str, Path]
) -> duckdb.DuckDBPyConnection:
    """Return a database in memory with a table for each file of `sql/`, the raw tables among them.

    Args:
        exports: the lines as exported.
        settings: zone, order of day and month, names that belong together.
        remembered: Parquet files of earlier pulls by the names of `STATE`; what is missing is empty.

    Raises:
        UserError: nothing tells the order of day and month.
    """
    tables = {**exports.tables(), **_settings_tables(settings)}
    for name, schema in STATE.items():
        tables[name] = pq.read_table(remembered[name]) if name in remembered else schema.empty_table()
    db = mapping_database(tables, {"zone": settings.timezone, "day_first": settings.day_first})
    create_tables(db, SQL, "file_orders")
    require_orders(
        db,
        "file_orders",
        "file",
        "Write day_first = true or false beside the folder in opco.toml; an export of a whole month shows it too.",
    )
    create_tables(
        db,
        SQL,
        *("file_fields", "typed_lines", "judged_lines", "stays", "renamed_stays", "taken_stays"),
        *SNAPSHOT_TABLES,
        *("course_connections", "new_connections", "known_connections", "left_out_lines"),
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
