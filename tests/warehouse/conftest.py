"""Raw folders of a few rows, and what the readers make of one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from warehouse.contract import raw_tables
from warehouse.readers import FileReading, read_file

Rows = list[dict[str, Any]]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[FileReading, Rows]]:
    """Write bytes under a name, read them as a table, and return the reading and the archive's rows by line."""

    def read_bytes(table: str, name: str, content: bytes) -> tuple[FileReading, Rows]:
        source, target = tmp_path / name, tmp_path / "archived.parquet"
        source.write_bytes(content)
        reading = read_file(source, raw_tables()[table], name, target)
        relation = duckdb.sql(f"from read_parquet('{target}') order by line")
        return reading, [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]

    return read_bytes


@pytest.fixture
def raw_folder(tmp_path: Path) -> Path:
    """The smallest delivery that a load takes: every required table with one row, and one event."""
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "users.csv").write_text("user_id,last_name\nu,Martin\n", encoding="utf-8")
    (folder / "program_templates.csv").write_text("program_template_id,name\np,Programme\n", encoding="utf-8")
    (folder / "program_sessions.csv").write_text("session_id,program_template_id,name\ns,p,Session\n", encoding="utf-8")
    (folder / "courses.csv").write_text("course_id,name\nc,Cours\n", encoding="utf-8")
    events = folder / "learning_events"
    events.mkdir()
    (events / "2026-09-01.jsonl").write_text(
        '{"event_id": "1", "user_id": "u", "session_id": "s", "course_id": "c", '
        '"verb": "active", "occurred_at": "2026-09-01T08:00:00Z"}\n',
        encoding="utf-8",
    )
    return folder
