"""Custom fields titled with the names that our models make, and DuckDB's reserved words: each keeps its column."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import duckdb
import pytest

from portal.prepared import prepare
from tests.commands import Opco, result_of
from warehouse.project import PROJECT_DIR
from warehouse.published import open_published

# What makes the columns of custom fields, or reads the table that has them. What the export makes is tested beside it.
SQL_OF_OURS = (
    "models/marts/dim_learners.sql",
    "models/marts/fct_opco_connections.sql",
    "models/marts/bridge_learner_custom_fields.sql",
    "models/intermediate/int_custom_fields__named.sql",
    "macros/custom_field_*.sql",
    "macros/fixed_*.sql",
    "reports/attestation/queries.py",
    "reports/export/checks.py",
    "portal/prepared.py",
)
FURTHER = (
    "rowid",
    "ROWID",
    "row_id",
    "connected_at_local",
    "filename",
    "*",
    "\0",
    "\0x",
    "a\0b",
    "_",
    '"',
    "'",
    "1",
    "%s",
)


def titles() -> list[str]:
    """Every name in SQL of ours that may meet a title, and every reserved word of DuckDB's."""
    words = {
        word
        for pattern in SQL_OF_OURS
        for path in PROJECT_DIR.glob(pattern)
        for sql in (
            re.findall(r'"""(.*?)"""', path.read_text(encoding="utf-8"), re.DOTALL)
            if path.suffix == ".py"
            else [path.read_text(encoding="utf-8")]
        )
        for word in re.findall(r"[A-Za-z_]\w*", sql)
    }
    reserved = duckdb.sql("select keyword_name from duckdb_keywords() where keyword_category = 'reserved'").fetchall()
    return sorted({name.lower(): name for name in words | {word for (word,) in reserved}}.values()) + list(FURTHER)


def write(path: Path, rows: list[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, opco: Opco) -> Path:
    home = tmp_path_factory.mktemp("titles")
    raw = tmp_path_factory.mktemp("raw")
    write(raw / "users.csv", [("user_id", "last_name"), ("u", "Martin"), ("v", "Petit")])
    write(raw / "program_templates.csv", [("program_template_id", "name"), ("p", "Programme")])
    write(raw / "program_sessions.csv", [("session_id", "program_template_id", "name"), ("s", "p", "Session")])
    write(raw / "courses.csv", [("course_id", "name"), ("c", "Cours")])
    fields = [(f"f{number}", title) for number, title in enumerate(titles())]
    write(raw / "custom_fields.csv", [("custom_field_id", "title"), *fields])
    values = [(user_id, field_id, f"{user_id} {field_id}") for user_id in "uv" for field_id, _ in fields]
    write(raw / "user_custom_field_values.csv", [("user_id", "custom_field_id", "value"), *values])
    columns = ("user_id", "session_id", "course_id", "connected_at", "disconnected_at")
    days = [
        (user_id, "s", "c", f"2026-10-0{day} 09:00Z", f"2026-10-0{day} 10:00Z") for user_id in "uv" for day in (1, 2)
    ]
    write(raw / "course_connections.csv", [columns, *days])
    finished = opco("build", "--raw", raw, "--as-of", "2026-11-10T18:00:00Z", home=home)
    assert finished.returncode == 0, finished.stderr
    return home


def test_every_title_has_its_column(home: Path) -> None:
    wanted = titles()
    assert len(wanted) > 150
    with open_published(home / "var/published/opco.duckdb") as published:
        fields = published.execute(
            "select custom_field_id, title, column_name from dim_custom_fields order by length(custom_field_id), 1"
        ).fetchall()
        assert [title for _, title, _ in fields] == wanted
        names = ", ".join('"' + column.replace('"', '""') + '"' for _, _, column in fields)
        rows = published.execute(f"select user_id, {names} from fct_opco_connections order by all").fetchall()
        assert rows == [
            (user_id, *(f"{user_id} {field_id}" for field_id, _, _ in fields)) for user_id in "uv" for _ in range(2)
        ]
        assert published.execute(f"select user_id, {names} from dim_learners order by all").fetchall() == rows[::2]
        # DuckDB's own name for the rows stays free, and no column begins with a blank, as the export's inner names do.
        assert published.execute("select count(distinct rowid) from fct_opco_connections").fetchall() == [(4,)]
        columns = {title: column for _, title, column in fields}
        assert (columns["connected_at_local"], columns["row_id"]) == ("connected_at_local", "row_id")
        assert not any(column.startswith(" ") for column in columns.values())
        # What the pages read is made of the same file.
        prepare(published)
        assert published.execute("select count(*) from prepared.days").fetchall() == [(2,)]


def test_such_a_home_is_exported_and_attested(home: Path, opco: Opco) -> None:
    exported = result_of(opco("export", "--format", "parquet", "--json", home=home))
    assert exported["rows"] == 4
    (home / "opco.toml").write_text("[attestations]\noffered = true\n", encoding="utf-8")
    result_of(opco("attest", "s", "--user", "u", "--json", home=home))
