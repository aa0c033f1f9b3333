"""What statements of xAPI and cmi5 become: which of them show whom, when, and where; and what an LRS may do wrong."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import SecretStr, ValidationError
from starlette.responses import HTMLResponse, JSONResponse, Response

from connectors.delivery import Delivery, deliver
from connectors.mapping import create_tables
from connectors.xapi import files, lrs, mapping, statements
from connectors.xapi.files import read_file
from connectors.xapi.lrs import EMPTY_PAGES, Lrs
from connectors.xapi.settings import XapiSettings
from connectors.xapi.source import REASONS
from tests.commands import Opco
from tests.connectors.lrs import (
    CMI5,
    COURSE,
    SESSION,
    SESSION_ID,
    VIDEO_SESSION_ID,
    ZOE,
    ZOE_ID,
    StubLrs,
    cmi5,
    running,
    statement,
    voiding,
    write_statements,
)
from warehouse.errors import OpcoError, UserError
from warehouse.project import PROJECT_DIR

SCENARIOS = PROJECT_DIR / "tests" / "data" / "cmi5"
PACKED = gzip.compress(json.dumps(statement(at="2026-10-15T12:00:00Z")).encode() + b"\n")
START = datetime(2026, 11, 5, 4, tzinfo=UTC)


def pulled(
    home: Path, number: int = 1, *, is_full: bool = False, password: str = "secret", **settings: Any
) -> Delivery:
    """Pull a home's source; each time with the next number."""
    chosen = XapiSettings.model_validate({**settings, "password": SecretStr(password)})
    return deliver(
        home / "raw",
        {"xapi": chosen.source()},
        home=home,
        started_at=START + timedelta(hours=number),
        is_full=is_full,
    )


def rows(delivery: Delivery, table: str) -> list[dict[str, Any]]:
    """Return the rows of all files of a raw table."""
    parts = list(map(str, sorted((delivery.folder / table).glob("*.parquet"))))
    with duckdb.connect() as db:
        if not parts:
            return []
        found = db.execute("from read_parquet($parts) order by all", {"parts": parts})
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def taken(home: Path, *told: Any, **settings: Any) -> Delivery:
    """Pull a folder that has these statements."""
    write_statements(home / "imports/xapi/a.jsonl", *told)
    return pulled(home, **settings)


def verbs(delivery: Delivery) -> list[str]:
    return [row["verb"] for row in sorted(rows(delivery, "learning_events"), key=lambda row: str(row["occurred_at"]))]


def findings(delivery: Delivery) -> dict[str, str]:
    return {finding.code: finding.line() for finding in delivery.reports["xapi"].findings}


def counts(delivery: Delivery) -> dict[str, int]:
    return {table: count for table, count in delivery.reports["xapi"].rows.items() if count}


# A statement ---------------------------------------------------------------------------------------------------------


def test_a_statement_is_an_event_of_its_actor_in_its_object_and_session(tmp_path: Path) -> None:
    told = statement(at="2026-10-13T14:00:00.123456789+02:00", stored="2026-10-13T12:00:01Z")
    delivery = taken(tmp_path, told)
    assert rows(delivery, "learning_events") == [
        {
            "event_id": told["id"],
            "user_id": ZOE_ID,
            "session_id": SESSION["id"],
            "course_id": COURSE["id"],
            "verb": "active",
            "occurred_at": "2026-10-13T12:00:00.123456Z",
            "attempt_id": None,
        }
    ]
    assert rows(delivery, "users") == [{"user_id": ZOE_ID, "last_name": "Zoé Lambert", "email": None}]
    assert rows(delivery, "courses") == [{"course_id": COURSE["id"], "name": "Excel, 1er niveau"}]
    assert rows(delivery, "program_sessions") == [
        {"session_id": SESSION["id"], "program_template_id": SESSION["id"], "name": "Bureautique, octobre"}
    ]
    assert rows(delivery, "program_templates") == [
        {"program_template_id": SESSION["id"], "name": "Bureautique, octobre"}
    ]
    assert delivery.reports["xapi"].last_activity == datetime(2026, 10, 13, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("actor", "user_id", "email"),
    [
        (ZOE, ZOE_ID, None),
        (
            {"mbox": "mailto:Zoe.Lambert@exemple.fr"},
            "mail-" + sha256(b"zoe.lambert@exemple.fr").hexdigest()[:16],
            "zoe.lambert@exemple.fr",
        ),
        (
            {"mbox_sha1sum": "EBD31E95054C018B10727CCFFD2EF2EC3A016EE9"},
            "sha1-ebd31e95054c018b10727ccffd2ef2ec3a016ee9",
            None,
        ),
        ({"openid": "https://zoe.example.fr"}, "https://zoe.example.fr", None),
        # No id shows an address: ids are printed, and outlive `opco forget`.
        (
            {"account": {"homePage": "https://lms.example.fr", "name": "zoe@exemple.fr"}},
            "https://lms.example.fr|mail-" + sha256(b"zoe@exemple.fr").hexdigest()[:16],
            "zoe@exemple.fr",
        ),
    ],
)
def test_whom_an_actor_is(tmp_path: Path, actor: dict[str, Any], user_id: str, email: str | None) -> None:
    (user,) = rows(taken(tmp_path, statement(actor=actor)), "users")
    assert (user["user_id"], user["email"]) == (user_id, email)


@pytest.mark.parametrize(
    ("left_out", "reason"),
    [
        ({"actor": None}, "no_actor"),
        ({"actor": {**ZOE, "objectType": "Group"}}, "group"),
        ({"actor": {"member": [ZOE]}}, "group"),
        ({"actor": {"name": "Zoé"}}, "actor_without_id"),
        ({"verb": {"display": {"fr": "lu"}}}, "no_verb"),
        ({"verb": {"id": "http://adlnet.gov/expapi/verbs/launched"}}, "not_the_learner"),
        ({"verb": {"id": "https://w3id.org/xapi/adl/verbs/satisfied"}}, "not_the_learner"),
        ({"verb": {"id": "https://w3id.org/xapi/adl/verbs/abandoned"}}, "not_the_learner"),
        ({"verb": {"id": "https://w3id.org/xapi/adl/verbs/waived"}}, "not_the_learner"),
        ({"object": None}, "not_an_activity"),
        ({"object": {"objectType": "StatementRef", "id": "x"}}, "not_an_activity"),
        ({"object": {"objectType": "Agent", "mbox": "mailto:p@exemple.fr"}}, "not_an_activity"),
        ({"timestamp": None}, "no_timestamp"),
        ({"timestamp": "2026-10-13"}, "no_timestamp"),
        ({"stored": "2026-11-05T05:05:01Z"}, "stored_in_future"),
    ],
)
def test_what_shows_no_learner_is_listed_and_left_out(tmp_path: Path, left_out: dict[str, Any], reason: str) -> None:
    delivery = taken(tmp_path, statement(), {**statement(at="2026-10-13T12:01:00Z"), **left_out})
    assert counts(delivery)["learning_events"] == 1
    assert findings(delivery)[reason].startswith(f"Left out: {REASONS[reason]} (1): a.jsonl:2")


def test_five_minutes_after_now_is_not_in_the_future(tmp_path: Path) -> None:
    assert findings(taken(tmp_path, statement(stored="2026-11-05T05:05:00Z"))) == {}


def test_a_time_after_it_was_stored_is_listed_and_kept(tmp_path: Path) -> None:
    delivery = taken(tmp_path, statement(at="2026-10-13T12:00:00Z", stored="2026-10-13T11:00:00Z"))
    assert findings(delivery)["after_stored"].startswith("Warning: statements of a time after they were stored")
    assert counts(delivery)["learning_events"] == 1


def test_an_offline_device_tells_long_after(tmp_path: Path) -> None:
    delivery = taken(tmp_path, statement(at="2026-10-13T12:00:00Z", stored="2026-10-20T11:00:00Z"))
    assert findings(delivery) == {}
    assert rows(delivery, "learning_events")[0]["occurred_at"] == "2026-10-13T12:00:00.000000Z"


# Openings and ends ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "verb"),
    [
        ({"contextActivities": {"category": [{"id": CMI5}]}}, "connected"),
        # Before xAPI 1.0.1 a list of one was the activity itself.
        ({"contextActivities": {"category": {"id": CMI5}}}, "connected"),
        ({"extensions": {SESSION_ID: "one"}}, "connected"),
        ({"contextActivities": {"category": [{"id": "https://w3id.org/xapi/video"}]}}, "active"),
        ({"extensions": {VIDEO_SESSION_ID: "one"}}, "active"),
        ({"registration": "4f1a"}, "active"),
        (None, "active"),
    ],
)
def test_only_initialized_of_a_cmi5_session_opens_a_connection(tmp_path: Path, context: Any, verb: str) -> None:
    assert verbs(taken(tmp_path, statement("initialized", context=context))) == [verb]


def test_terminated_ends_it_and_nothing_else_does(tmp_path: Path) -> None:
    told = [
        cmi5(verb, f"2026-10-13T12:0{minute}:00Z")
        for minute, verb in enumerate(("initialized", "completed", "passed", "failed", "abandoned", "terminated"))
    ]
    assert verbs(taken(tmp_path, *told)) == ["connected", "active", "active", "active", "disconnected"]


@pytest.mark.parametrize(
    ("context", "attempt"),
    [
        ({"registration": "R", "extensions": {SESSION_ID: "S", VIDEO_SESSION_ID: "V"}}, "S"),
        ({"registration": "R", "extensions": {VIDEO_SESSION_ID: "V"}}, "V"),
        ({"registration": "R"}, "r"),
    ],
)
def test_which_attempt_it_is(tmp_path: Path, context: dict[str, Any], attempt: str) -> None:
    (event,) = rows(taken(tmp_path, statement(context=context)), "learning_events")
    assert event["attempt_id"] == attempt


def test_a_duration_that_contradicts_the_time_since_the_beginning_is_listed_and_never_used(tmp_path: Path) -> None:
    delivery = taken(
        tmp_path,
        cmi5("initialized", "2026-10-13T12:00:00Z"),
        cmi5("terminated", "2026-10-13T12:10:00Z", result={"duration": "PT1H"}),
        cmi5("initialized", "2026-10-14T12:00:00Z", "two"),
        cmi5("terminated", "2026-10-14T12:10:00Z", "two", result={"duration": "PT10M5S"}),
    )
    assert " (1): " in findings(delivery)["contradicted_duration"]
    assert "says 3600.0 s, 600.0 s passed" in findings(delivery)["contradicted_duration"]
    assert rows(delivery, "learning_events")[1]["occurred_at"].endswith("Z")


# Sessions, courses, results ------------------------------------------------------------------------------------------

GROUPING = {"id": "https://lms.example.fr/program/1", "definition": {"name": {"fr": "Bureautique"}}}
BOTH = {"parent": [SESSION], "grouping": [GROUPING]}
SITE = {"id": "https://lms.example.fr", "definition": {"type": "http://id.tincanapi.com/activitytype/lms"}}
TYPED = {
    "id": "https://lms.example.fr/course/9",
    "definition": {"type": "http://adlnet.gov/expapi/activities/course", "name": {"fr": "Cours"}},
}


@pytest.mark.parametrize(
    ("setting", "context", "session"),
    [
        (
            "parent",
            {"contextActivities": {"parent": [SESSION], "grouping": [GROUPING]}},
            (SESSION["id"], GROUPING["id"]),
        ),
        ("parent", {"contextActivities": {"grouping": [GROUPING]}}, None),
        (
            "grouping",
            {"contextActivities": {"parent": [SESSION], "grouping": [GROUPING]}},
            (GROUPING["id"], GROUPING["id"]),
        ),
        # Of several activities that which is a course.
        ("grouping", {"contextActivities": {"grouping": [SITE, TYPED]}}, (TYPED["id"], TYPED["id"])),
        ("registration", {"registration": "AB", "contextActivities": {"grouping": [SITE, TYPED]}}, ("ab", TYPED["id"])),
        ("registration", {"registration": "AB"}, ("ab", COURSE["id"])),
        ("https://lms.example.fr/session", {"extensions": {"https://lms.example.fr/session": "S-3"}}, ("S-3", "S-3")),
        ("https://lms.example.fr/session", {"extensions": {"https://lms.example.fr/other": "S-3"}}, None),
    ],
)
def test_where_the_session_stands(
    tmp_path: Path, setting: str, context: dict[str, Any], session: tuple[str, str] | None
) -> None:
    delivery = taken(tmp_path, statement(context=context), session=setting)
    found = [(row["session_id"], row["program_template_id"]) for row in rows(delivery, "program_sessions")]
    assert found == ([session] if session else [])
    assert ("no_session" in findings(delivery)) is (session is None)
    assert [row["session_id"] for row in rows(delivery, "learning_events")] == [session and session[0]]


def test_a_cmi5_course_has_the_publishers_id_and_so_have_statements_about_its_parts(tmp_path: Path) -> None:
    unit = {"id": "https://publisher.example.fr/unit", "definition": {"name": {"fr": "Unité"}}}
    context = {
        "registration": "R",
        "contextActivities": {"category": [{"id": CMI5}], "grouping": [unit]},
        "extensions": {SESSION_ID: "S"},
    }
    part = {"id": "https://lms.example.fr/au/x/page/3", "definition": {"name": {"fr": "Page 3"}}}
    delivery = taken(
        tmp_path,
        statement("initialized", context=context),
        statement("interacted", object=part, context=context),
        session="registration",
    )
    assert rows(delivery, "courses") == [{"course_id": unit["id"], "name": "Unité"}]


@pytest.mark.parametrize(
    ("verb", "result", "expected"),
    [
        ("passed", {"score": {"scaled": 0.825}}, (82.5, True)),
        ("failed", {"score": {"raw": 8, "max": 20}}, (40.0, False)),
        ("completed", {"score": {"scaled": 1}, "success": False}, (100.0, False)),
        ("scored", {"score": {"raw": 8}}, (None, None)),
        ("scored", {"score": {"scaled": -0.5}}, (None, None)),
        ("passed", {"success": True}, None),
        ("interacted", {"score": {"scaled": 1}}, None),
    ],
)
def test_a_score_is_a_result(tmp_path: Path, verb: str, result: dict[str, Any], expected: Any) -> None:
    told = statement(verb, result=result)
    delivery = taken(tmp_path, told)
    found = rows(delivery, "assessment_results")
    assert [(row["score_pct"], row["is_passed"]) for row in found] == ([expected] if expected else [])
    assert [row["assessment_id"] for row in rows(delivery, "assessments")] == ([COURSE["id"]] if expected else [])
    assert all(row["result_id"] == told["id"] and row["user_id"] == ZOE_ID for row in found)


def test_names_are_those_told_last_in_the_language_of_the_setting(tmp_path: Path) -> None:
    later = {"id": COURSE["id"], "definition": {"name": {"en-US": "Spreadsheets", "de": "Tabellen"}}}
    told = (statement(), statement(at="2026-10-14T12:00:00Z", object=later, actor={**ZOE, "name": "Zoé Petit"}))
    delivery = taken(tmp_path, *told)
    assert rows(delivery, "courses")[0]["name"] == "Spreadsheets"
    assert rows(delivery, "users")[0]["last_name"] == "Zoé Petit"
    assert rows(pulled(tmp_path, 2, language="de"), "courses")[0]["name"] == "Tabellen"


# Voiding -------------------------------------------------------------------------------------------------------------


def test_what_is_voided_is_left_out_and_withdrawn(tmp_path: Path) -> None:
    wrong, right = statement(), statement(at="2026-10-13T12:05:00Z")
    # In whichever order, and in whichever case the id stands.
    told_otherwise = {**right, "id": right["id"].upper()}
    delivery = taken(tmp_path, voiding({"id": wrong["id"].upper()}), wrong, told_otherwise, right)
    assert [row["event_id"] for row in rows(delivery, "learning_events")] == [right["id"]]
    assert rows(delivery, "withdrawn_events") == [
        {
            "event_id": wrong["id"],
            "withdrawn_at": "2026-10-20T12:00:00.000000Z",
            "reason": "Voided by a later statement",
        }
    ]
    assert {"voided", "voiding"} <= findings(delivery).keys()


def test_what_is_voided_later_is_withdrawn_later_and_once(tmp_path: Path) -> None:
    told = statement("passed", result={"score": {"scaled": 1}})
    first = taken(tmp_path, told)
    assert rows(first, "withdrawn_events") == []
    write_statements(tmp_path / "imports/xapi/b.jsonl", voiding(told))
    second = pulled(tmp_path, 2)
    assert [row["event_id"] for row in rows(second, "withdrawn_events")] == [told["id"]]
    assert counts(second)["withdrawn_events"] == 1
    # What it said of a score goes as well.
    (result,) = (row for row in rows(second, "assessment_results") if row["submitted_at"] is None)
    assert (result["result_id"], result["score_pct"], result["is_passed"]) == (told["id"], None, None)
    assert not {"withdrawn_events", "learning_events", "assessment_results"} & counts(pulled(tmp_path, 3)).keys()


# Files ---------------------------------------------------------------------------------------------------------------


def test_lines_packed_lines_and_lists_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "imports/xapi"
    told = [statement(at=f"2026-10-13T12:0{minute}:00Z") for minute in range(6)]
    write_statements(folder / "a.jsonl", told[0])
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + json.dumps(told[1]).encode() + b"\n\n"))
    (folder / "c.json").write_text(json.dumps([told[2]], indent=1), encoding="utf-8-sig")
    (folder / "d.json").write_text(json.dumps({"statements": [told[3]], "more": ""}), encoding="utf-8")
    (folder / "e.json").write_text(json.dumps(told[4], indent=1) + json.dumps(told[5]), encoding="utf-8")
    assert counts(pulled(tmp_path))["learning_events"] == 6


def test_a_list_is_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK_CHARACTERS", 7)
    told = [statement(), statement(at="2026-10-14T12:00:00Z")]
    (tmp_path / "a.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    assert [json.loads(one.text) for one in read_file(tmp_path / "a.json")] == told
    # What somebody has put together of several lists is not lost.
    (tmp_path / "a.json").write_text(json.dumps(told[:1]) + json.dumps(told[1:]), encoding="utf-8")
    assert [json.loads(one.text) for one in read_file(tmp_path / "a.json")] == told


def test_a_statement_without_an_id_has_the_same_one_whatever_its_form_and_its_lrs(tmp_path: Path) -> None:
    told = statement(id=None)
    again = {**dict(reversed(told.items())), "stored": "2026-10-15T12:00:00Z", "authority": {"name": "other"}}
    write_statements(tmp_path / "imports/xapi/b.jsonl", again)
    delivery = taken(tmp_path, told, told, statement(at="2026-10-14T12:00:00Z", id=None))
    assert len({row["event_id"] for row in rows(delivery, "learning_events")}) == 2
    assert counts(delivery)["learning_events"] == 2
    assert " (2)" in findings(delivery)["told_twice"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cut.json", b'[{"id": "a"}, {"id"', "it is no JSON, or cut"),
        ("open.json", b'[{"id": "a"},', "it ends inside its list: it is cut"),
        ("latin.json", '[{"id": "é"}]'.encode("latin-1"), "it is not UTF-8"),
        (
            "cut.jsonl.gz",
            gzip.compress(json.dumps(statement(at="2026-10-15T12:00:00Z")).encode() * 50)[:-9],
            "it is no whole gzip",
        ),
        ("none.jsonl.gz", b"no gzip", "it is no whole gzip file"),
        ("export.xlsx", b"PK", "it is no .jsonl"),
    ],
    ids=["list", "open-list", "encoding", "cut-gzip", "no-gzip", "workbook"],
)
def test_a_file_that_is_cut_is_not_read_at_all_and_said(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / "imports/xapi").mkdir(parents=True)
    (tmp_path / "imports/xapi" / name).write_bytes(content)
    delivery = taken(tmp_path, statement())
    assert counts(delivery)["learning_events"] == 1
    assert f"{name} is not read: {words}" in findings(delivery)["file_left_out"]


def test_of_a_file_that_turns_out_to_be_cut_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "STATEMENTS_A_PART", 1)
    (tmp_path / "imports/xapi").mkdir(parents=True)
    whole = json.dumps([statement(at="2026-10-15T12:00:00Z"), statement(at="2026-10-16T12:00:00Z")])
    (tmp_path / "imports/xapi/cut.json").write_text(whole[:-9], encoding="utf-8")
    delivery = taken(tmp_path, statement())
    assert [row["occurred_at"] for row in rows(delivery, "learning_events")] == ["2026-10-13T12:00:00.000000Z"]
    assert delivery.reports["xapi"].facts["Read"] == "1 statement"
    # Once it is whole, it is read.
    (tmp_path / "imports/xapi/cut.json").write_text(whole, encoding="utf-8")
    assert counts(pulled(tmp_path, 2))["learning_events"] == 2


@pytest.mark.parametrize(
    "line", [b"{", b"[1]", b"null", b'{"id": "\xe9"}', b'{"id": "\\ud800"}', b'{"id": "a"} {"id": "b"}']
)
def test_a_line_that_is_no_statement_is_listed_alone(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "imports/xapi/a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(line + b"\n" + json.dumps(statement()).encode())
    delivery = pulled(tmp_path)
    assert counts(delivery)["learning_events"] == 1
    assert findings(delivery)["malformed"] == "Left out: lines that are no statement (1): a.jsonl:1"


def test_files_are_read_once_and_overlaps_are_delivered_once(tmp_path: Path) -> None:
    told = [statement(at=f"2026-10-13T12:0{minute}:00Z") for minute in range(3)]
    taken(tmp_path, *told[:2])
    again = pulled(tmp_path, 2)
    assert again.reports["xapi"].facts["Files"] == "1, 1 unchanged"
    assert "learning_events" not in counts(again)
    assert again.reports["xapi"].last_activity == datetime(2026, 10, 13, 12, 1, tzinfo=UTC)
    write_statements(tmp_path / "imports/xapi/b.jsonl", *told[1:])
    third = pulled(tmp_path, 3)
    assert counts(third)["learning_events"] == 1
    # Everybody and everything stays, whatever of it is read again.
    assert (counts(third)["users"], counts(third)["program_sessions"]) == (1, 1)
    assert counts(pulled(tmp_path, 4, session="grouping"))["learning_events"] == 3
    assert counts(pulled(tmp_path, 5, session="grouping", is_full=True))["learning_events"] == 3


def test_what_cannot_be_mapped_in_little_memory_gets_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []

    def create(db: duckdb.DuckDBPyConnection, folder: Path, name: str) -> None:
        limits.append(db.execute("select current_setting('memory_limit')").fetchone())
        if name == "known_sessions" and limits[-1] == limits[0]:
            raise duckdb.OutOfMemoryException
        create_tables(db, folder, name)

    monkeypatch.setattr(mapping, "create_tables", create)
    assert counts(taken(tmp_path, statement()))["program_sessions"] == 1
    assert limits[0] != limits[-1]


def test_a_file_that_nobody_touched_is_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SETTLED_NANOSECONDS", -1)
    first = taken(tmp_path, statement(at="2026-10-13T12:00:00Z"))
    path = tmp_path / "imports/xapi/a.jsonl"
    before = path.stat()
    with monkeypatch.context() as patch:
        patch.setattr("connectors.xapi.source.checksum", lambda _path: pytest.fail("it was read"))
        again = pulled(tmp_path, 2)
    assert again.reports["xapi"].facts["Files"] == "1, 1 unchanged"
    # What was remembered is the same file on the disk, until something new is read.
    name = "_xapi-delivered_ids.parquet"
    assert (again.folder / name).samefile(first.folder / name)
    # Another content of the same length, under the same date.
    time.sleep(0.05)
    write_statements(path, statement(at="2026-10-13T12:00:07Z"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    third = pulled(tmp_path, 3)
    assert counts(third)["learning_events"] == 1
    assert not (third.folder / name).samefile(first.folder / name)


def test_a_file_that_changed_just_now_is_told_by_its_content_alone(tmp_path: Path) -> None:
    write_statements(tmp_path / "a.jsonl", statement())
    assert files.stamp_of(tmp_path / "a.jsonl") is None


def test_a_folder_without_statements_says_what_lies_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no folder .*imports/xapi"):
        pulled(tmp_path)
    (tmp_path / "imports/xapi").mkdir(parents=True)
    (tmp_path / "imports/xapi/export.csv").write_text("id")
    with pytest.raises(UserError, match=r"There is no file of statements in .*\n  export.csv: it is no .jsonl"):
        pulled(tmp_path)


def test_a_check_says_what_a_pull_would_take_and_writes_nothing(tmp_path: Path) -> None:
    write_statements(tmp_path / "imports/xapi/a.jsonl", statement(), statement("viewed", actor=None))
    before = sorted(tmp_path.rglob("*"))
    report = XapiSettings().source().check(tmp_path)
    assert (report.rows["learning_events"], [one.code for one in report.findings]) == (1, ["no_actor"])
    assert report.facts['session = "parent"'] == f"1 session, such as {SESSION['id']}"
    assert sorted(tmp_path.rglob("*")) == before


# An LRS --------------------------------------------------------------------------------------------------------------

MINUTES = [f"2026-10-13T12:{minute:02}:00.000000Z" for minute in range(0, 50, 10)]


@pytest.fixture
def stub() -> Iterator[StubLrs]:
    with running(StubLrs([statement(at=at) for at in MINUTES])) as found:
        yield found


def asked(stub: StubLrs, waits: list[float] | None = None, **options: Any) -> Lrs:
    """Return the client of the LRS, which waits for nothing."""
    return Lrs(stub.url, "opco", "secret", "xapi", sleep=(waits if waits is not None else []).append, **options)


def read(stub: StubLrs, waits: list[float] | None = None) -> int:
    with asked(stub, waits) as client:
        client.consistent_through()
        return len(list(client.statements()))


def test_every_page_is_read_with_the_version_and_nothing_twice(tmp_path: Path, stub: StubLrs) -> None:
    delivery = pulled(tmp_path, endpoint=stub.url, username="opco")
    assert counts(delivery)["learning_events"] == 5
    assert "told_twice" not in findings(delivery)
    assert len(stub.asked) == 1 + 3
    assert {one["version"] for one in stub.asked} == {"1.0.3"}
    assert stub.asked[1]["ascending"] == "true"


def test_the_next_pull_begins_five_minutes_before_the_last_stored_and_delivers_nothing_again(
    tmp_path: Path, stub: StubLrs
) -> None:
    lrs_settings: dict[str, Any] = {"endpoint": stub.url, "username": "opco"}
    pulled(tmp_path, **lrs_settings)
    # Stored late, within the overlap; and told long before it was stored.
    stub.statements.append(statement(at="2026-10-13T12:38:00.000000Z"))
    stub.statements.append(statement(at="2026-10-01T08:00:00.000000Z", stored="2026-10-13T12:41:00.000000Z"))
    second = pulled(tmp_path, 2, **lrs_settings)
    assert stub.asked[-1]["since"] == MINUTES[-1].replace("40:00", "35:00")
    assert counts(second)["learning_events"] == 2
    assert "learning_events" not in counts(pulled(tmp_path, 3, **lrs_settings))
    assert counts(pulled(tmp_path, 4, is_full=True, **lrs_settings))["learning_events"] == 7
    # The learner is delivered still, whatever was read.
    assert counts(pulled(tmp_path, 5, **lrs_settings))["users"] == 1


def test_a_statement_stored_in_the_future_moves_no_cursor_and_comes_in_when_its_time_has_come(
    tmp_path: Path, stub: StubLrs
) -> None:
    stub.statements.append(statement(at="2026-10-13T13:00:00Z", stored="2026-11-05T06:30:00.000000Z"))
    lrs_settings: dict[str, Any] = {"endpoint": stub.url, "username": "opco"}
    assert "stored_in_future" in findings(pulled(tmp_path, 1, **lrs_settings))
    second = pulled(tmp_path, 2, **lrs_settings)
    assert stub.asked[-1]["since"] == "2026-10-13T12:35:00.000000Z"
    assert "learning_events" not in counts(second)
    assert counts(pulled(tmp_path, 3, **lrs_settings))["learning_events"] == 1


def test_what_the_lrs_is_not_sure_of_is_left_for_the_next_pull(tmp_path: Path, stub: StubLrs) -> None:
    stub.consistent_through = MINUTES[2]
    lrs_settings: dict[str, Any] = {"endpoint": stub.url, "username": "opco"}
    assert counts(pulled(tmp_path, **lrs_settings))["learning_events"] == 3
    assert stub.asked[1]["until"] == MINUTES[2]
    stub.consistent_through = MINUTES[4]
    assert counts(pulled(tmp_path, 2, **lrs_settings))["learning_events"] == 2


def test_a_statement_that_the_lrs_voided_later_is_withdrawn(tmp_path: Path, stub: StubLrs) -> None:
    lrs_settings: dict[str, Any] = {"endpoint": stub.url, "username": "opco"}
    pulled(tmp_path, **lrs_settings)
    # An LRS gives the voided statement no longer, and the voiding one.
    wrong = stub.statements.pop(0)
    stub.statements.append(voiding(wrong))
    assert [row["event_id"] for row in rows(pulled(tmp_path, 2, **lrs_settings), "withdrawn_events")] == [wrong["id"]]


def test_a_wrong_password_is_said_at_once_without_it(tmp_path: Path, stub: StubLrs) -> None:
    with pytest.raises(UserError, match=r"refuses the user opco \(401\).*OPCO_SOURCES__XAPI__PASSWORD") as told:
        pulled(tmp_path, endpoint=stub.url, username="opco", password="not the secret")
    assert "not the secret" not in str(told.value)
    assert len(stub.asked) == 1
    assert not (tmp_path / "raw/current").exists()


def test_no_password_is_said_before_anything_is_asked(stub: StubLrs) -> None:
    settings = XapiSettings(endpoint=stub.url, username="opco")
    with pytest.raises(UserError, match="set OPCO_SOURCES__XAPI__PASSWORD"):
        settings.source().check(Path())
    assert stub.asked == []


def test_a_host_that_nobody_knows_or_that_refuses_is_asked_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for endpoint in (f"http://127.0.0.1:{port}", "http://lrs.invalid"):
        with pytest.raises(UserError, match=r"cannot be reached: .*Check the setting sources\.xapi\.endpoint"):
            pulled(tmp_path, endpoint=endpoint, username="opco")


@pytest.mark.parametrize(
    "fault",
    [
        Response(status_code=500),
        Response(status_code=429, headers={"Retry-After": "7"}),
        HTMLResponse("<html>Maintenance</html>"),
        Response('{"statements": [{"id"', media_type="application/json"),
        JSONResponse({"error": "no list"}),
    ],
)
def test_what_may_pass_is_asked_again(stub: StubLrs, fault: Response) -> None:
    waits: list[float] = []
    stub.faults.extend([None, None, fault, fault])
    assert read(stub, waits) == 5
    assert waits == ([7, 7] if fault.status_code == 429 else [1, 2])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Response(status_code=503), "it answers 503"),
        (HTMLResponse("<html>"), "a page of HTML"),
        (Response("{"), "JSON that is cut, or none"),
        (JSONResponse([]), "JSON without a list of statements"),
    ],
)
def test_what_does_not_pass_stops_the_pull_with_nothing_delivered(
    tmp_path: Path, stub: StubLrs, monkeypatch: pytest.MonkeyPatch, fault: Response, words: str
) -> None:
    pulled(tmp_path, endpoint=stub.url, username="opco")
    before = sorted(tmp_path.rglob("*"))
    stub.statements.append(statement(at="2026-10-14T12:00:00.000000Z"))
    stub.faults.extend([None, *[fault] * 6])
    waits: list[float] = []
    monkeypatch.setattr(lrs, "sleep", waits.append)
    with pytest.raises(OpcoError, match=rf"{words} \(6 tries\)\. Nothing was delivered"):
        pulled(tmp_path, 2, endpoint=stub.url, username="opco")
    assert waits == [1, 2, 4, 8, 16]
    assert sorted(tmp_path.rglob("*")) == before
    # The next one loses nothing.
    assert counts(pulled(tmp_path, 3, endpoint=stub.url, username="opco"))["learning_events"] == 1


@pytest.mark.parametrize(("status", "words"), [(404, "answers 404"), (302, "answers 302 to https://else.example")])
def test_another_address_is_no_lrs(stub: StubLrs, status: int, words: str) -> None:
    stub.faults.append(
        Response(status_code=status, headers={"Location": "https://else.example"} if status == 302 else {})
    )
    with pytest.raises(UserError, match=rf"{words}.* the statements are at ENDPOINT/statements"):
        read(stub)
    assert len(stub.asked) == 1


@pytest.mark.parametrize(
    "more", ["https://else.example/xapi/statements?start=2", "//else.example/more", "ftp://127.0.0.1/more"]
)
def test_more_on_another_host_is_never_asked(tmp_path: Path, stub: StubLrs, more: str) -> None:
    stub.faults.extend([None, JSONResponse({"statements": [statement()], "more": more})])
    with pytest.raises(UserError, match="its next page is on another host"):
        pulled(tmp_path, endpoint=stub.url, username="opco")
    assert not (tmp_path / "raw/current").exists()


def test_more_of_the_host_itself_may_be_whole_or_relative(stub: StubLrs) -> None:
    for more in ("/xapi/statements?start=4", "xapi/statements?start=4", stub.url + "/statements?start=4"):
        stub.faults.extend([None, JSONResponse({"statements": [statement("first")], "more": more})])
        assert read(stub) == 2


def test_more_that_leads_back_stops(stub: StubLrs) -> None:
    for page in range(3):
        stub.faults.append(JSONResponse({"statements": [statement(f"v{page}")], "more": "/xapi/statements?start=0"}))
    with pytest.raises(OpcoError, match="leads back to a page it gave before"):
        read(stub)


def test_pages_that_are_the_same_under_ever_other_addresses_stop(stub: StubLrs) -> None:
    stub.faults.append(None)
    for page in range(3):
        stub.faults.append(JSONResponse({"statements": [statement()], "more": f"/xapi/statements?token={page}"}))
    with pytest.raises(OpcoError, match="gives the same page again and again"):
        read(stub)


def test_an_empty_page_with_more_is_not_the_end_but_they_are_not_followed_for_ever(stub: StubLrs) -> None:
    stub.faults.extend([None, JSONResponse({"statements": [], "more": "/xapi/statements?start=0"})])
    assert read(stub) == 5
    stub.faults.append(None)
    for page in range(EMPTY_PAGES + 1):
        stub.faults.append(JSONResponse({"statements": [], "more": f"/xapi/statements?token={page}"}))
    with pytest.raises(OpcoError, match="gives empty pages without end"):
        read(stub)


def test_a_check_reads_the_newest_pages_alone(tmp_path: Path, stub: StubLrs) -> None:
    settings = XapiSettings(endpoint=stub.url, username="opco", password=SecretStr("secret"))
    report = settings.source().check(tmp_path)
    assert report.rows["learning_events"] == 5
    assert "ascending" not in stub.asked[1]
    assert [one.code for one in report.findings] == ["no_tls"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"endpoint": "lrs.example.fr"}, "write the LRS's address"),
        ({"endpoint": "https://opco:secret@lrs.example.fr"}, "username stands apart"),
        ({"endpoint": "https://lrs.example.fr", "folder": "imports"}, "an endpoint or a folder"),
        ({"username": "opco"}, "a username is for an endpoint"),
        ({"session": "course"}, "parent, grouping, registration, or the IRI of an extension"),
    ],
)
def test_settings_that_fit_nothing_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        XapiSettings.model_validate(settings)


# cmi5's own scenarios ------------------------------------------------------------------------------------------------


def test_the_scenarios_of_cmi5_to_connections(tmp_path: Path, opco: Opco) -> None:
    folder = tmp_path / "imports/xapi"
    folder.mkdir(parents=True)
    for path in SCENARIOS.rglob("*.json"):
        shutil.copy(path, folder / f"{path.parent.name[:2]}-{path.name}")
    (tmp_path / "opco.toml").write_text('[sources.xapi]\nsession = "registration"\n', encoding="utf-8")
    assert opco("pull", "xapi", home=tmp_path).returncode == 0
    built = opco("build", "--as-of", "2026-11-05T22:00:00Z", home=tmp_path)
    assert built.returncode == 0, built.stderr
    with duckdb.connect(str((tmp_path / "var/published/opco.duckdb").resolve()), read_only=True) as warehouse:
        found = warehouse.execute(
            "select strftime(connected_at, '%Y-%m-%d %H:%M:%S'), evidence_level, end_kind, elapsed_seconds "
            "from fct_opco_connections order by connected_at"
        ).fetchall()
        assert warehouse.execute("select count(*) from rejected_rows").fetchall() == [(0,)]
    assert found == [
        # 17: a session that broke off. It begins when the course says so (15:21:02), not when the LMS launched it
        # (15:21:00). `abandoned` is the LMS's word, seconds or weeks later: nothing shows the learner after the
        # beginning, so the stay is there and has no length.
        ("2016-06-09 15:21:02", "event_run", "no_end_mark", 0),
        # 14, first session: from `initialized` to `terminated`; `passed` in between is a trace, not an end.
        ("2016-06-09 19:55:18", "event_pair", "left", 9),
        # 14, second session, half a minute later, of the same registration: a stay of its own. `completed` comes before
        # `terminated` and does not end it; `satisfied` is the LMS's.
        ("2016-06-09 19:56:01", "event_pair", "left", 9),
        # 01: one session, without a score: from `initialized` to `terminated`.
        ("2016-08-19 12:21:46", "event_pair", "left", 15),
    ]
