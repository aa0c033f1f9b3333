"""The main job on the real campus: two deliveries, their figures, the export and the attestations of a session."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import shutil
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.commands import CAMPUS, Opco, result_of
from warehouse.what_if import what_if

pytestmark = pytest.mark.xdist_group("campus")


@pytest.fixture(scope="module")
def warehouse(campus_home: Path) -> duckdb.DuckDBPyConnection:
    """The published campus, read-only."""
    return duckdb.connect(str((campus_home / "var/published/opco.duckdb").resolve()), read_only=True)


def delivered_events() -> list[dict[str, Any]]:
    """Every delivered event, `occurred_at` as a naive UTC datetime."""
    events = []
    for path in sorted(CAMPUS.glob("*/learning_events/*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            for line in stream:
                event = json.loads(line)
                event["occurred_at"] = datetime.fromisoformat(event["occurred_at"]).replace(tzinfo=None)
                events.append(event)
    return events


def runs_of(events: list[dict[str, Any]], timeout: timedelta) -> set[tuple[Any, ...]]:
    """T3 read aloud, for a platform whose events are all `active`: (user, session, course, from, to, end kind)."""
    runs = set()
    for _, of_learner in groupby(
        sorted(events, key=lambda event: event["user_id"]), key=lambda event: event["user_id"]
    ):
        learner = list(of_learner)
        at_course = {event["occurred_at"] for event in learner if event["session_id"]}
        ordered = sorted(
            (event for event in learner if event["session_id"] or event["occurred_at"] not in at_course),
            key=lambda event: (event["occurred_at"], len(event["event_id"]), event["event_id"]),
        )
        start = 0
        for place, event in enumerate(ordered):
            following = ordered[place + 1] if place + 1 < len(ordered) else None
            where = (event["session_id"], event["course_id"])
            until, end_kind = event["occurred_at"], "inactivity"
            if following is not None and following["occurred_at"] - event["occurred_at"] <= timeout:
                if where == (following["session_id"], following["course_id"]):
                    continue
                until, end_kind = following["occurred_at"], "moved_on"
            if event["session_id"]:
                runs.add((event["user_id"], *where, ordered[start]["occurred_at"], until, end_kind))
            start = place + 1
    return runs


def test_every_connection_is_a_run_of_the_delivered_events(warehouse: duckdb.DuckDBPyConnection) -> None:
    expected = runs_of(delivered_events(), timedelta(minutes=15))
    found = warehouse.execute(
        "select user_id, session_id, course_id, connected_at, disconnected_at, end_kind from fct_opco_connections"
    ).fetchall()
    assert len(found) == 626
    assert set(found) == expected
    seconds = warehouse.execute(
        "select sum(elapsed_seconds), sum(retained_seconds) from fct_opco_connections"
    ).fetchone()
    # 84.66 hours: a site whose events mark no ends never has a learner in two runs at once
    assert seconds == (304782, 304782)


def test_a_night_when_clocks_change(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = warehouse.execute(
        """
        select course_id, strftime(connected_at, '%H:%M:%S'), end_kind, retained_seconds, time_spent_minutes
        from fct_opco_connections
        where user_id = '42' and connected_on = date '2026-10-25'
        order by connected_at
        """
    ).fetchall()
    assert found == [
        ("6", "00:20:05", "inactivity", 673, 11),
        ("6", "02:59:06", "moved_on", 925, 15),
        ("2", "03:14:31", "inactivity", 27, 0),
        ("2", "03:37:34", "inactivity", 85, 1),
        ("2", "04:03:33", "moved_on", 58, 1),
        ("6", "04:04:31", "inactivity", 91, 2),
        ("6", "04:22:22", "inactivity", 0, 0),
        ("6", "04:43:31", "inactivity", 0, 0),
    ]


def test_the_second_delivery_stands(warehouse: duckdb.DuckDBPyConnection) -> None:
    learners = dict(warehouse.execute("select user_id, (last_name, email, status) from dim_learners").fetchall())
    assert learners["7"] == ("Épouse-N’Diaye", "nouveau.mail@entreprise0.example", "active")
    assert learners["8"][2] == "invited"
    courses = dict(warehouse.execute("select course_id, course_name from dim_courses").fetchall())
    assert courses["5"] == "Risque incendie, évacuation (2027)"
    counts = warehouse.execute(
        "select table_name, delivered, kept, duplicate, rejected, outside_session from load_reconciliation"
        " where duplicate > 0 or outside_session > 0 order by table_name"
    ).fetchall()
    assert counts == [("course_attempts", 232, 116, 116, 0, None), ("learning_events", 6252, 5348, 0, 0, 904)]


def test_a_full_build_gives_what_the_build_that_went_on_gave(campus_home: Path, tmp_path: Path, opco: Opco) -> None:
    def marts(home: Path) -> dict[str, list[str]]:
        with duckdb.connect(str((home / "var/published/opco.duckdb").resolve()), read_only=True) as connection:
            tables = [name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()]
            return {
                name: sorted(
                    map(repr, connection.execute(f"select columns(* exclude (loaded_at)) from {name}").fetchall())
                )
                if name == "rejected_rows"
                else sorted(map(repr, connection.execute(f"from {name}").fetchall()))
                for name in tables
                if name != "warehouse_build"
            }

    state = json.loads((campus_home / "var/build/tested.json").read_text(encoding="utf-8"))
    assert state["full_refresh_reason"] is None
    home = tmp_path / "campus"
    shutil.copytree(campus_home, home, symlinks=True)
    again = ["build", "--raw", CAMPUS / "2026-11-20", "--as-of", "2026-11-20T22:00:00Z", "--json"]
    (home / "opco.toml").write_text("[rules]\ninactivity_timeout_minutes = 5\n", encoding="utf-8")
    changed = result_of(opco(*again, home=home))
    assert changed["full_refresh_reason"] == "the settings of the rules changed: inactivity_timeout_minutes"
    assert marts(home)["fct_opco_connections"] != marts(campus_home)["fct_opco_connections"]
    # What that timeout would retain was known before.
    for timeout, told in ((5, campus_home), (15, home)):
        whose = home if told is campus_home else campus_home
        found = what_if(told / "var/build/opco.duckdb", "S-BUR-2026-10", [timeout])
        with duckdb.connect(str((whose / "var/published/opco.duckdb").resolve()), read_only=True) as connection:
            held = connection.execute(
                "select user_id, retained_seconds from fct_learner_sessions where session_id = 'S-BUR-2026-10'"
            ).fetchall()
        assert {
            row.user_id: one.retained_seconds
            for row in found.learners
            for one in row.at_timeouts
            if one.inactivity_timeout_minutes == timeout
        } == dict(held)
    (home / "opco.toml").unlink()
    asked = result_of(opco(*again, "--full-refresh", home=home))
    assert asked["full_refresh_reason"] == "it was asked for"
    assert marts(home) == marts(campus_home)


def test_the_export_of_a_session(
    campus_home: Path, tmp_path: Path, opco: Opco, warehouse: duckdb.DuckDBPyConnection
) -> None:
    output = tmp_path / "opco.csv"
    result_of(
        opco("export", "--session", "S-BUR-2026-10", "--language", "fr", "--output", output, "--json", home=campus_home)
    )
    content = output.read_bytes()
    assert content.startswith(b"\xef\xbb\xbfNom;Pr\xc3\xa9nom;E-mail;")
    with output.open(encoding="utf-8-sig", newline="") as stream:
        header, *lines = csv.reader(stream, delimiter=";")
    assert header == [
        "Nom", "Prénom", "E-mail", "À distance", "Coût horaire (€)", "Date d'entrée", "Entreprise",
        "OPCO de rattachement", "SIRET", "Informations complémentaires", "Étiquettes", "Session", "ID de session",
        "Modèle de programme", "ID du modèle de programme", "Cours", "Connecté le", "Déconnecté le", "Temps passé",
    ]  # fmt: skip
    counted = warehouse.execute(
        "select count(*) from fct_opco_connections where session_id = 'S-BUR-2026-10'"
    ).fetchone()
    assert counted == (len(lines),)
    # the night when clocks change: 00:20 UTC is 02:20 in summer time, 02:59 UTC is 03:59 in winter time
    night = [
        line[-3:] for line in lines if line[-3].startswith("25/10/2026 0") and line[2] == "appr0040@entreprise0.example"
    ]
    assert night[:2] == [
        ["25/10/2026 02:20", "25/10/2026 02:31", "00:00:11"],
        ["25/10/2026 03:59", "25/10/2026 04:14", "00:00:15"],
    ]
    beside = json.loads(output.with_name("opco.csv.json").read_text(encoding="utf-8"))
    assert beside["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_attestations_of_a_session(
    campus_home: Path, tmp_path: Path, opco: Opco, warehouse: duckdb.DuckDBPyConnection
) -> None:
    line = result_of(
        opco(
            "attest",
            "S-MGMT-2026-09",
            "--issued-on",
            "2026-11-21",
            "--output",
            tmp_path / "copy",
            "--json",
            home=campus_home,
        )
    )
    issue = campus_home / "var/attestations/S-MGMT-2026-09/issue-1"
    manifest = json.loads((issue / "manifest.json").read_text(encoding="utf-8"))
    totals = dict(
        warehouse.execute(
            "select user_id, retained_seconds from fct_learner_sessions"
            " where session_id = 'S-MGMT-2026-09' and has_played"
        ).fetchall()
    )
    assert len(totals) == 20
    assert {document["user_id"]: document["total_seconds"] for document in manifest["documents"]} == totals
    assert sum(totals.values()) == 81042
    for document in manifest["documents"]:
        assert hashlib.sha256((issue / document["file"]).read_bytes()).hexdigest() == document["sha256"]
    assert line["documents"] == 20
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {path.name for path in issue.iterdir()}
