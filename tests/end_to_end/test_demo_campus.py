"""The demo campus on disk is what its generator makes, and its cast is there, read from the raw files themselves."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "demo"
RAW = DEMO / "raw"
MGMT = "S-2026-MGMT-09"
Cells = dict[str, str]


def content(path: Path) -> bytes:
    """Return a file's bytes, unpacked: another zlib may pack the same text otherwise."""
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def table(path: str, delimiter: str = ",") -> list[Cells]:
    text = content(RAW / path).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


@pytest.fixture(scope="module")
def connections() -> list[Cells]:
    paths = sorted((RAW / "course_connections").iterdir())
    return [row for path in paths for row in table(f"course_connections/{path.name}")]


@pytest.fixture(scope="module")
def event_lines() -> list[str]:
    paths = sorted((RAW / "learning_events").iterdir())
    return [line for path in paths for line in content(path).decode("utf-8").splitlines()]


@pytest.fixture(scope="module")
def events(event_lines: list[str]) -> list[dict[str, str | None]]:
    return [json.loads(line) for line in event_lines if line.endswith("}")]


def test_the_generator_gives_the_files_on_disk(tmp_path: Path) -> None:
    subprocess.run([sys.executable, DEMO / "generate.py", "--output", tmp_path / "raw"], check=True)
    made = {path.relative_to(tmp_path / "raw"): path for path in (tmp_path / "raw").rglob("*") if path.is_file()}
    kept = {path.relative_to(RAW): path for path in RAW.rglob("*") if path.is_file()}
    assert made.keys() == kept.keys()
    assert [str(name) for name in kept if content(made[name]) != content(kept[name])] == []


def test_packed_files_carry_no_name_and_no_time() -> None:
    packed = list(RAW.rglob("*.gz"))
    assert len(packed) == 3
    for path in packed:
        # RFC 1952: flags in byte 3, modification time in bytes 4 to 7.
        assert path.read_bytes()[3:8] == b"\0\0\0\0\0", path


def test_the_generator_spares_a_folder_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = subprocess.run(
        [sys.executable, DEMO / "generate.py", "--output", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_campus_is_small_and_complete() -> None:
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file() and "var" not in path.parts) < 400_000
    assert len(table("program_templates.csv")) == 3
    assert [(row["session_id"], row["starts_at"], row["ends_at"]) for row in table("program_sessions.csv")] == [
        ("S-2026-XLS-06", "2026-05-31T22:00:00Z", "2026-07-17T21:59:59Z"),
        (MGMT, "2026-09-13T22:00:00Z", "2026-10-30T22:59:59Z"),
        ("S-2026-CYB-09", "2026-09-27T22:00:00Z", "2026-11-13T22:59:59Z"),
        ("S-2026-XLS-10", "2026-10-04T22:00:00Z", "2026-11-27T22:59:59Z"),
        ("S-2026-MGMT-10", "2026-10-11T22:00:00Z", "2026-12-11T22:59:59Z"),
    ]
    assert len(table("users.csv", ";")) == 45
    assert (RAW / "users.csv").read_bytes().startswith(b"\xef\xbb\xbfuser_id;email;")
    parents = {row["group_id"]: row["parent_group_id"] for row in table("groups.csv")}
    assert (parents["g-111"], parents["g-11"], parents["g-1"]) == ("g-11", "g-1", "")


def test_organisation_defaults_name_images_that_are_there() -> None:
    organisation = tomllib.loads((DEMO / "opco.toml").read_text(encoding="utf-8"))["organisation"]
    assert (DEMO / "assets" / organisation["logo"]).read_text(encoding="utf-8").startswith("<svg ")
    assert (DEMO / "assets" / organisation["stamp"]).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("user_id", "session_id", "course_id", "connected_at", "disconnected_at", "end_reason", "evidence_level"),
    [
        ("u-1001", MGMT, "C-LIB", "2026-09-14T07:02:10Z", "2026-09-14T07:19:40Z", "completed", ""),
        ("u-1002", MGMT, "C-MGT-1", "2026-09-17T06:45:12Z", "2026-09-17T06:45:12Z", "abandoned", ""),
        ("u-1003", MGMT, "C-MGT-1", "2026-09-29T07:02:11Z", "2026-09-29T16:14:47Z", "timeout", ""),
        ("u-1004", MGMT, "C-MGT-1", "2026-10-06T17:00:00Z", "2026-10-06T17:45:00Z", "left", ""),
        ("u-1004", MGMT, "C-MGT-2", "2026-10-06T17:30:00Z", "2026-10-06T18:10:20Z", "left", ""),
        ("u-1005", MGMT, "C-MGT-2", "2026-10-20T12:00:00Z", "", "", ""),
        ("u-1006", MGMT, "C-MGT-2", "2026-10-24T23:40:00Z", "2026-10-25T00:20:00Z", "left", ""),
        ("u-1006", MGMT, "C-MGT-2", "2026-10-25T01:20:00Z", "2026-10-25T01:50:00Z", "left", ""),
        ("u-1007", MGMT, "C-MGT-1", "2026-10-15T21:30:20Z", "2026-10-15T22:25:05Z", "left", ""),
        ("u-1007", MGMT, "C-MGT-2", "2026-10-21T08:00:00Z", "", "", ""),
        ("u-1007", MGMT, "C-MGT-2", "2026-10-21T08:00:00Z", "2026-10-21T08:32:30Z", "left", ""),
        ("u-1008", MGMT, "C-MGT-1", "2026-09-12T09:00:00Z", "2026-09-12T09:20:00Z", "left", ""),
        ("u-1008", MGMT, "C-MGT-2", "2026-11-02T17:05:00Z", "2026-11-02T17:35:00Z", "left", ""),
        ("u-1013", MGMT, "C-MGT-1", "2026-09-22T13:00:00Z", "2026-09-22T14:35:00Z", "unknown", "attempt_span"),
        ("u-1014", "S-2026-CYB-09", "C-COM", "2026-10-08T12:00:00Z", "2026-10-08T12:50:00Z", "left", ""),
        ("u-1014", MGMT, "C-COM", "2026-10-08T12:30:00Z", "2026-10-08T13:05:30Z", "left", ""),
        ("u-1019", "S-2026-MGMT-10", "C-LIB", "2026-10-12T07:10:00Z", "2026-10-12T07:24:30Z", "tab_closed", ""),
        ("u-1028", "S-2026-XLS-10", "C-XLS-1", "2026-10-27T08:10:00Z", "2026-10-27T08:31:00Z", "left", ""),
    ],
)
def test_connection_of_the_cast(
    connections: list[Cells],
    user_id: str,
    session_id: str,
    course_id: str,
    connected_at: str,
    disconnected_at: str,
    end_reason: str,
    evidence_level: str,
) -> None:
    wanted = [user_id, session_id, course_id, connected_at, disconnected_at, end_reason, evidence_level]
    assert [list(row.values())[1:] for row in connections].count(wanted) == 1


def test_connection_closed_by_a_later_file_under_its_own_id(connections: list[Cells]) -> None:
    rows = [row for row in connections if row["user_id"] == "u-1021" and row["course_id"] == "C-LIB"]
    assert [(row["connected_at"], row["disconnected_at"]) for row in rows] == [
        ("2026-10-31T10:40:00Z", ""),
        ("2026-10-31T10:40:00Z", "2026-10-31T10:58:20Z"),
    ]
    assert rows[0]["connection_id"] == rows[1]["connection_id"]


@pytest.mark.parametrize(
    ("user_id", "day", "expected"),
    [
        (
            "u-1006",
            "2026-10-25",
            "00:31:00 C-COM active, 00:42:00 C-COM active, 00:53:00 C-COM active, 01:04:00 C-COM active, "
            "01:15:30 C-COM disconnected",
        ),
        (
            "u-1011",
            "2026-10-01",
            "18:00:00 C-COM connected, 18:07:00 C-COM active, 18:29:00 C-COM active, 18:41:15 C-COM disconnected, "
            "18:43:00 C-COM active, 19:00:00 C-COM connected, 19:12:30 C-COM active, 19:20:00 C-COM connected, "
            "19:31:05 C-COM completed, 19:40:00 C-COM connected",
        ),
        (
            "u-1012",
            "2026-10-13",
            "08:00:00 C-COM active, 08:10:00 C-COM active, 08:25:00 C-COM active, 08:40:01 C-COM active, "
            "08:50:01 C-COM active, 08:58:00 C-SITE active, 09:04:00 C-COM active, 09:09:30 C-COM disconnected",
        ),
        (
            "u-1012",
            "2026-10-16",
            "12:05:00 C-COM active, 12:13:00 C-COM active, 12:20:30 C-CYB-2 active, 12:31:00 C-CYB-2 active, "
            "12:40:00 C-CYB-2 disconnected",
        ),
    ],
)
def test_events_of_the_cast(events: list[dict[str, str | None]], user_id: str, day: str, expected: str) -> None:
    found = [event for event in events if event["user_id"] == user_id and (event["occurred_at"] or "").startswith(day)]
    assert all((event["occurred_at"] or "").endswith(".000Z") for event in found)
    assert ", ".join(f"{(e['occurred_at'] or '')[11:19]} {e['course_id']} {e['verb']}" for e in found) == expected
    assert all((event["session_id"] is None) == (event["course_id"] == "C-SITE") for event in found)


def test_nothing_lies_near_the_days_of_the_cast(connections: list[Cells], events: list[dict[str, str | None]]) -> None:
    def touches(user_id: str, day: str) -> int:
        return sum(row["user_id"] == user_id and row["connected_at"].startswith(day) for row in connections) + sum(
            event["user_id"] == user_id and (event["occurred_at"] or "").startswith(day) for event in events
        )

    assert [touches("u-1004", f"2026-10-{day:02d}") for day in (5, 6, 7)] == [0, 2, 0]
    assert [touches("u-1006", f"2026-10-{day:02d}") for day in (23, 24, 25, 26)] == [0, 1, 6, 0]
    assert [touches("u-1011", day) for day in ("2026-09-30", "2026-10-01", "2026-10-02")] == [0, 10, 0]
    assert [touches("u-1012", f"2026-10-{day:02d}") for day in range(12, 18)] == [0, 8, 0, 0, 5, 0]


def test_who_came_and_who_did_not(connections: list[Cells], events: list[dict[str, str | None]]) -> None:
    enrolled = {row["user_id"] for row in table("enrollments.csv", "\t") if row["session_id"] == MGMT}
    came = {row["user_id"] for row in connections if row["session_id"] == MGMT and row["user_id"] != "u-9001"}
    assert len(enrolled) == 14
    assert enrolled - came == {"u-1009"}
    assert not any(event["user_id"] == "u-1009" for event in events)
    counts = [sum(row["user_id"] == user_id and row["session_id"] == MGMT for row in connections) for user_id in came]
    assert min(counts) >= 9
    assert max(counts) <= 60
    cyber = {row["user_id"] for row in table("enrollments.csv", "\t") if row["session_id"] == "S-2026-CYB-09"}
    assert "u-1040" not in cyber
    assert any(row["user_id"] == "u-1040" and row["session_id"] == "S-2026-CYB-09" for row in connections)


def test_enrolments_of_the_cast() -> None:
    rows = [row for row in table("enrollments.csv", "\t") if row["session_id"] == MGMT]
    assert [list(row.values())[3:] for row in rows if row["user_id"] == "u-1013"] == [
        ["2026-09-01 09:13:00+02:00", "2026-09-10 16:00:00+02:00", "withdrawn", "0", "", ""],
        ["2026-09-14 08:30:00+02:00", "", "enrolled", "100", "75.50", "2026-10-30T15:00:00Z"],
    ]
    left = [row for row in table("enrollments.csv", "\t") if row["user_id"] == "u-1028"]
    assert left[1]["unenrolled_at"] == "2026-10-23 18:00:00+02:00"
    delivered = [row["user_id"] for row in rows if row["score_pct"]]
    assert delivered == ["u-1001", "u-1013"]


def test_people_of_the_cast() -> None:
    users = {row["user_id"]: row for row in table("users.csv", ";")}
    assert (users["u-1006"]["first_name"], users["u-1006"]["last_name"]) == ("ياسمين", "بن عمر")
    assert (users["u-1003"]["first_name"], users["u-1003"]["last_name"]) == ("Thị Minh Châu", "Nguyễn")
    assert users["u-1003"]["additional_information"] == (
        'Aménagement : travail de nuit, pauses longues.\nA écrit le 30/09 : "la session est restée ouverte".'
    )
    assert (users["u-1010"]["last_name"], users["u-1010"]["deleted_at"]) == ("Perrin", "2026-11-03T09:15:00Z")
    assert users["u-1025"]["status"] == "deleted"
    assert users["u-1025"]["first_name"] + users["u-1025"]["last_name"] + users["u-1025"]["email"] == ""
    assert users["u-1041"]["status"] == "invited"
    fields = {row["custom_field_id"]: row["title"] for row in table("custom_fields.csv")}
    assert (fields["cf-06"], fields["cf-07"], fields["cf-08"]) == (
        'Intitulé "officiel" du poste; service',
        "Site",
        "site",
    )


def test_assessments_are_passed_failed_and_taken_again() -> None:
    lines = (RAW / "assessment_results.jsonl").read_text(encoding="utf-8").splitlines()
    results = [json.loads(line) for line in lines]
    rows = [(r["user_id"], r["assessment_id"], r["is_passed"]) for r in results if r["session_id"] == MGMT]
    assert [row[1:] for row in rows if row[0] == "u-1007"] == [
        ("A-MGT-1", False),
        ("A-MGT-1", True),
        ("A-MGT-2", False),
        ("A-MGT-2", True),
    ]
    assert [row[2] for row in rows if row[:2] == ("u-1011", "A-MGT-2")] == [False, False]


def test_wrong_rows_are_there(connections: list[Cells], event_lines: list[str]) -> None:
    assert sum(row["user_id"] == "u-9001" for row in connections) == 1
    assert [row["user_id"] for row in connections if row["connected_at"] == "13/10/2026 14:05"] == ["u-1016"]
    assert [row["user_id"] for row in connections if row["connected_at"].startswith("1970")] == ["u-1021"]
    assert [row["user_id"] for row in connections if row["course_id"] == " "] == ["u-1017"]
    backwards = [row["user_id"] for row in connections if "T" in (row["disconnected_at"] or "") < row["connected_at"]]
    assert backwards == ["u-1018"]
    assert [row["user_id"] for row in connections if row["disconnected_at"] is None] == ["u-1015"]
    assert len(connections) - len({tuple(row.values()) for row in connections}) == 1

    cut = [line for line in event_lines if not line.endswith("}")]
    assert len(cut) == 1
    whole = [json.loads(line) for line in event_lines if line.endswith("}")]
    assert len(whole) - len({event["event_id"] for event in whole}) == 1
    assert [event["user_id"] for event in whole if event["course_id"] == "C-XLS-0"] == ["u-1034"]
    assert [event["user_id"] for event in whole if event["session_id"] == "S-TEST"] == ["u-1034"]
    assert [event["user_id"] for event in whole if event["verb"] == "paused"] == ["u-1032"]
    assert [event["user_id"] for event in whole if event["occurred_at"].startswith("2062")] == ["u-1035"]

    values = table("user_custom_field_values.csv")
    assert [row["user_id"] for row in values if row["custom_field_id"] == "cf-99"] == ["u-1009"]
    assert [row["user_id"] for row in values if row["value"] == "courant septembre"] == ["u-1020"]
    assert [row["user_id"] for row in table("enrollments.csv", "\t") if row["progress_pct"] == "17/20"] == ["u-1036"]
