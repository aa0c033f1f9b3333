"""The demo campus, built: what its special cases show, worked out by hand from the raw files."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import duckdb
import pytest

from tests.commands import Opco, result_of
from warehouse.project import PROJECT_DIR

pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture(scope="module")
def warehouse(demo_home: Path) -> duckdb.DuckDBPyConnection:
    """The published demo, read-only."""
    return duckdb.connect(str((demo_home / "var/published/opco.duckdb").resolve()), read_only=True)


def connections_of(warehouse: duckdb.DuckDBPyConnection, user_id: str, day: str) -> list[tuple[object, ...]]:
    """Return a learner's day: session, course, from, to, end kind, seconds, overlap, minutes and flags of each line."""
    return warehouse.execute(
        """
        select session_id, course_id, strftime(connected_at, '%H:%M:%S'), strftime(disconnected_at, '%H:%M:%S'),
            end_kind, elapsed_seconds, overlap_seconds, time_spent_minutes, flags
        from fct_opco_connections
        where user_id = $user_id and connected_on = cast($day as date)
        order by connected_at
        """,
        {"user_id": user_id, "day": day},
    ).fetchall()


def test_a_stay_of_nine_hours_is_flagged_and_counted(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert (
        ("S-2026-MGMT-09", "C-MGT-1", "07:02:11", "16:14:47", "timeout", 33156, 0, 552, ["long_connection"])
    ) in connections_of(warehouse, "u-1003", "2026-09-29")


def test_two_devices_at_once_count_once(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert connections_of(warehouse, "u-1004", "2026-10-06") == [
        ("S-2026-MGMT-09", "C-MGT-1", "17:00:00", "17:45:00", "left", 2700, 0, 45, []),
        ("S-2026-MGMT-09", "C-MGT-2", "17:30:00", "18:10:20", "left", 2420, 900, 40, ["overlap"]),
    ]


def test_two_sessions_at_once_count_once(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert connections_of(warehouse, "u-1014", "2026-10-08") == [
        ("S-2026-CYB-09", "C-COM", "12:00:00", "12:50:00", "left", 3000, 0, 50, []),
        ("S-2026-MGMT-09", "C-COM", "12:30:00", "13:05:30", "left", 2130, 1200, 35, ["overlap"]),
    ]


def test_the_night_when_clocks_change(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert connections_of(warehouse, "u-1006", "2026-10-25") == [
        ("S-2026-MGMT-09", "C-MGT-2", "23:40:00", "00:20:00", "left", 2400, 0, 40, []),
        ("S-2026-MGMT-09", "C-COM", "00:31:00", "01:15:30", "left", 2670, 0, 44, []),
        ("S-2026-MGMT-09", "C-MGT-2", "01:20:00", "01:50:00", "left", 1800, 0, 30, []),
    ]


def test_marked_events(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert connections_of(warehouse, "u-1011", "2026-10-01") == [
        ("S-2026-MGMT-09", "C-COM", "18:00:00", "18:41:15", "left", 2475, 0, 41, []),
        # after the end, and before the next opening: a run
        ("S-2026-MGMT-09", "C-COM", "18:43:00", "18:43:00", "inactivity", 0, 0, 0, ["zero_seconds"]),
        ("S-2026-MGMT-09", "C-COM", "19:00:00", "19:12:30", "no_end_mark", 750, 0, 12, ["no_end_mark"]),
        ("S-2026-MGMT-09", "C-COM", "19:20:00", "19:31:05", "completed", 665, 0, 11, []),
        ("S-2026-MGMT-09", "C-COM", "19:40:00", "19:40:00", "no_end_mark", 0, 0, 0, ["no_end_mark", "zero_seconds"]),
    ]


def test_runs_of_unmarked_events(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = connections_of(warehouse, "u-1012", "2026-10-13")
    assert [line[2:6] for line in found] == [
        ("08:00:00", "08:25:00", "inactivity", 1500),
        ("08:40:01", "08:58:00", "moved_on", 1079),
        ("09:04:00", "09:09:30", "left", 330),
    ]


def test_an_open_connection_counts_no_time(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert (
        ("S-2026-MGMT-09", "C-COM", "12:00:00", None, "open", None, None, None, ["open"])
        in [(line[0], "C-COM", *line[2:]) for line in connections_of(warehouse, "u-1005", "2026-10-20")]
    )  # fmt: skip


def test_who_never_came_is_there_with_zeros(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = warehouse.execute(
        "select is_enrolled, has_played, connection_count, retained_seconds from fct_learner_sessions"
        " where user_id = 'u-1009' and session_id = 'S-2026-MGMT-09'"
    ).fetchall()
    assert found == [(True, False, 0, 0)]


def test_the_counts_reconcile(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = warehouse.execute(
        "select table_name, delivered, kept, duplicate, rejected, outside_session, superseded"
        " from load_reconciliation where table_name in ('course_connections', 'learning_events') order by table_name"
    ).fetchall()
    assert found == [
        ("course_connections", 593, 585, 2, 6, None, 1),
        ("learning_events", 2233, 2007, 1, 5, 220, 0),
    ]
    listed = warehouse.execute("select count(*), count(*) filter (where row_kept) from rejected_rows").fetchone()
    assert listed == (15, 3)


def test_fields_with_one_title_are_two_columns(demo_home: Path, tmp_path: Path, opco: Opco) -> None:
    output = tmp_path / "opco.csv"
    result_of(opco("export", "--dialect", "rfc4180", "--output", output, "--json", home=demo_home))
    with output.open(encoding="utf-8", newline="") as stream:
        header = next(csv.reader(stream))
    assert header[3:13] == [
        "Code analytique", "Date d'entrée", "Entreprise", 'Intitulé "officiel" du poste; service', "N° de dossier",
        "OPCO", "SIRET", "Site", "site", "Téléphone",
    ]  # fmt: skip


def test_the_lines_that_the_readme_shows_are_the_exports(demo_home: Path, tmp_path: Path, opco: Opco) -> None:
    output = tmp_path / "opco.csv"
    session = "S-2026-MGMT-09"
    result_of(
        opco("export", "--session", session, "--user", "u-1004", "--language", "fr", "--output", output, "--json",
             home=demo_home)
    )  # fmt: skip
    with output.open(encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.DictReader(stream, delimiter=";"))
    readme = (PROJECT_DIR / "README.md").read_text(encoding="utf-8")
    table = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in readme.split("<!-- export -->")[1].strip().splitlines()
    ]
    header, _, *shown = table
    assert len(shown) >= 4
    for row in shown:
        values = {title: value for title, value in zip(header, row, strict=True) if title != "…"}
        assert any(all(line[title] == value for title, value in values.items()) for line in lines), row


def test_every_file_that_the_docs_link_to_exists() -> None:
    for page in (PROJECT_DIR / "README.md", *PROJECT_DIR.glob("docs/**/*.md"), PROJECT_DIR / "models/README.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)|src=\"([^\":]+)\"", page.read_text(encoding="utf-8")):
            assert (page.parent / (target[0] or target[1])).exists(), (page.name, target)
