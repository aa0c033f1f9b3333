"""What 360Learning's API gives: which calls are made, what becomes of each answer, and of each fault."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx2
import pytest
from pydantic import SecretStr
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from connectors.delivery import Delivery, current_delivery, deliver
from connectors.forgetting import forget_in_deliveries
from connectors.learning360.client import HOSTS, Client
from connectors.learning360.platform import NIGHTS
from connectors.learning360.settings import Learning360Settings
from connectors.learning360.source import Learning360Source
from connectors.learning360.webhooks import Inbox, inbox_folder
from orchestration.home.sources import read_sources, secret_variables
from tests.connectors.learning360_stub import (
    HOST,
    SECRET,
    Stub,
    attempt,
    campus,
    course,
    enrollment,
    error_object,
    error_text,
    oid,
    path,
    session,
    user,
)
from tests.connectors.opca_exports import KARIM, stay, write_export
from warehouse.contract import raw_tables
from warehouse.errors import OpcoError, UserError
from warehouse.forgotten import Identifiers

FIRST_NIGHT = datetime(2026, 11, 5, 4, tzinfo=UTC)
LISTS = 8
ZOE, KARIM_ID, PAUL = oid("user", 1), oid("user", 2), oid("user", 9)
EXCEL = ("Excel, octobre", oid("session", 1))


def source(stub: Stub, **settings: Any) -> Learning360Source:
    made = Learning360Settings.model_validate({"client_id": "id-of-the-stub", **settings})
    secret = None if settings.get("client_id", "") is None else SecretStr(SECRET)
    return Learning360Source(
        made.model_copy(update={"client_secret": secret}), transport=stub.transport(), sleep=stub.slept.append
    )


def pulled(
    home: Path, stub: Stub, night: int = 0, *, minutes: int = 0, is_full: bool = False, **settings: Any
) -> Delivery:
    """Pull a platform, and the exports in the home, in a night."""
    stub.requests.clear()
    return deliver(
        home / "raw",
        {"360learning": source(stub, **settings)},
        home=home,
        started_at=FIRST_NIGHT + timedelta(days=night, minutes=minutes),
        is_full=is_full,
    )


def rows(delivery: Delivery, table: str) -> list[dict[str, Any]]:
    """Return the rows of all files of a raw table."""
    parts = list(map(str, sorted((delivery.folder / table).glob("*.parquet"))))
    if not parts:
        return []
    with duckdb.connect() as db:
        found = db.execute(
            "select * exclude (filename) from read_parquet($parts, filename = true, union_by_name = true) "
            "order by filename, 1, 2",
            {"parts": parts},
        )
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def findings(delivery: Delivery) -> Mapping[str, str]:
    return {one.code: one.line() for one in delivery.reports["360learning"].findings}


def connections(delivery: Delivery) -> list[tuple[str, str, str | None]]:
    return [
        (row["connection_id"], row["connected_at"], row["disconnected_at"])
        for row in rows(delivery, "course_connections")
    ]


def client(stub: Stub) -> Client:
    return Client(
        region="eu",
        client_id="id-of-the-stub",
        client_secret=SECRET,
        secret_variable="OPCO_SOURCES__360LEARNING__CLIENT_SECRET",
        transport=stub.transport(),
        sleep=stub.slept.append,
    )


def users_of(stub: Stub) -> list[str]:
    with client(stub) as api:
        return [row["_id"] for page in api.pages("/api/v2/users", "users:read") for row in page]


def nothing_was_delivered(home: Path, stub: Stub, error: type[OpcoError], match: str) -> None:
    """Pull once well, then with the faults; the delivery of before must be what it was."""
    faults, stub.faults = stub.faults, {}
    before = pulled(home, stub).folder
    stub.faults = faults
    with pytest.raises(error, match=match):
        pulled(home, stub, 1)
    assert current_delivery(home / "raw") == before
    assert [
        one.name for one in (home / "raw").iterdir() if one.is_dir() and one != before and not one.is_symlink()
    ] == []


# Which calls, in which order -----------------------------------------------------------------------------------------


def test_each_list_is_read_once_and_one_token_is_enough(tmp_path: Path) -> None:
    stub = campus()
    pulled(tmp_path, stub)
    assert [one.partition("?")[0] for one in stub.requests] == [
        "/api/v2/oauth2/token",
        "/api/v2/custom-fields",
        "/api/v2/groups",
        "/api/v2/users",
        "/api/v2/paths",
        "/api/v2/paths/sessions",
        "/api/v2/courses",
        "/api/v2/paths/stats",
        "/api/v2/courses/stats",
        f"/api/v2/users/{ZOE}/custom-fields/values",
    ]


def test_calls_are_the_pages_and_one_token_and_the_report_counts_them(tmp_path: Path) -> None:
    stub = campus()
    stub.page_size = 1
    delivery = pulled(tmp_path, stub)
    pages = sum(
        len([row for row in content if kind != "custom-fields" or row["targetType"] == "users"])
        for kind, content in stub.lists.items()
    ) + len(stub.values[ZOE])
    assert len(stub.requests) == pages + 1
    assert len(set(stub.requests)) == len(stub.requests)
    assert delivery.reports["360learning"].facts["Calls"] == f"{pages + 1}: {pages} pages, 1 for a token, 0 repeated"
    assert {row["user_id"] for row in rows(delivery, "users")} == {one["_id"] for one in stub.lists["users"]}


@pytest.mark.parametrize("link", ["{url}", "{path}?{query}", "?{query}", "api/v2/users?{query}"])
def test_the_next_page_is_named_in_whole_or_from_the_root_or_the_folder(link: str) -> None:
    stub = campus()
    stub.page_size, stub.link = 2, link
    assert users_of(stub) == [one["_id"] for one in stub.lists["users"]]


def test_a_page_without_objects_is_not_the_end_while_it_names_a_next_one() -> None:
    stub = campus()
    stub.page_size = 2
    stub.faults = {"/users": [lambda _: JSONResponse([], headers={"Link": f"<{HOST}/api/v2/users?after=0>; rel=next"})]}
    assert len(users_of(stub)) == 5


def test_who_is_asked_for_custom_fields_takes_turns(tmp_path: Path) -> None:
    stub = campus()
    learners = range(10, 10 + 3 * NIGHTS - 1)
    stub.lists["users"] += [user(one, f"Prénom{one}", f"Nom{one}", f"u{one}@exemple.fr") for one in learners]
    stub.lists["path-stats"] += [enrollment(one, one) for one in learners]
    stub.values |= {
        oid("user", one): [{"customFieldId": oid("field", 1), "type": "string", "value": f"F{one}"}] for one in learners
    }
    asked: list[str] = []
    for night in range(NIGHTS):
        delivery = pulled(tmp_path, stub, night)
        tonight = [one.split("/")[4] for one in stub.asked("/custom-fields/values")]
        # 22 learners who are in a session: four a night.
        assert len(tonight) == 4
        asked += tonight
        assert len(rows(delivery, "user_custom_field_values")) == len(set(asked))
    everybody = {ZOE, KARIM_ID, *(oid("user", one) for one in learners)}
    assert set(asked) == everybody
    assert "users_to_ask" not in findings(delivery)
    # Who is new is asked at once, then who was asked longest ago; what changed comes with the turn.
    stub.lists["users"].append(user(90, "Nina", "Costa", "nina@exemple.fr"))
    stub.lists["path-stats"].append(enrollment(90, 90))
    stub.values[asked[0]] = []
    stub.values[asked[1]][0]["value"] = "Atlas"
    delivery = pulled(tmp_path, stub, NIGHTS)
    tonight = [one.split("/")[4] for one in stub.asked("/custom-fields/values")]
    assert tonight[0] == oid("user", 90)
    known = {row["user_id"]: row["value"] for row in rows(delivery, "user_custom_field_values")}
    late = [one for one in asked[:2] if one in tonight]
    assert len(known) == len(everybody) - (asked[0] in late)
    assert asked[1] not in late or known[asked[1]] == "Atlas"


def test_a_full_pull_asks_everybody_and_nobody_outside_a_session_is_asked(tmp_path: Path) -> None:
    stub = campus()
    pulled(tmp_path, stub)
    delivery = pulled(tmp_path, stub, 1, is_full=True)
    assert [one.split("/")[4] for one in stub.asked("/custom-fields/values")] == [ZOE, KARIM_ID]
    assert [row["value"] for row in rows(delivery, "user_custom_field_values")] == ["AKTO", "2025-01-27"]


def test_values_keep_their_ids_behind_a_prefix(tmp_path: Path) -> None:
    stub = campus()
    for night in range(3):
        delivery = pulled(tmp_path, stub, night, id_prefix="x-")
    assert sorted((row["user_id"], row["custom_field_id"]) for row in rows(delivery, "user_custom_field_values")) == [
        (f"x-{ZOE}", f"x-{oid('field', 1)}"),
        (f"x-{KARIM_ID}", f"x-{oid('field', 2)}"),
    ]


def test_a_learner_who_is_gone_meanwhile_has_no_values(tmp_path: Path) -> None:
    stub = campus()
    stub.faults = {f"/users/{ZOE}/custom-fields/values": [lambda _: error_object(404, "not_found", "No such user.")]}
    assert rows(pulled(tmp_path, stub), "user_custom_field_values") == []


def test_later_pulls_ask_for_changes_where_a_list_has_the_filter(tmp_path: Path) -> None:
    stub = campus()
    pulled(tmp_path, stub)
    assert stub.asked("modifiedAt") == []
    stub.lists["courses"][0] |= {"name": "Formules 2026", "modifiedAt": "2026-11-05T15:00:00.000Z"}
    stub.lists["courses"].append(course(3, "Macros", modifiedAt="2026-11-05T16:00:00.000Z"))
    stub.lists["paths"][0] |= {"modifiedAt": "2026-11-04T05:00:00.000Z", "name": "Excel, niveau 1"}
    delivery = pulled(tmp_path, stub, 1)
    assert [one.partition("?")[0] for one in stub.asked("modifiedAt")] == [
        "/api/v2/paths",
        "/api/v2/paths/sessions",
        "/api/v2/courses",
    ]
    # From a day before the last pull on.
    assert all("2026-11-04T04%3A00%3A00.000Z" in one for one in stub.asked("modifiedAt"))
    assert {row["name"] for row in rows(delivery, "courses")} == {"Formules 2026", "Tableaux", "Macros"}
    assert {row["name"] for row in rows(delivery, "program_templates")} == {"Excel, niveau 1", "Tableaux"}
    assert len(rows(delivery, "program_sessions")) == 1


def test_what_was_deleted_is_noticed_once_a_week(tmp_path: Path) -> None:
    stub = campus()
    pulled(tmp_path, stub)
    stub.lists["courses"].pop()
    assert len(rows(pulled(tmp_path, stub, 6), "courses")) == 2
    assert len(rows(pulled(tmp_path, stub, 7), "courses")) == 1
    assert stub.asked("modifiedAt") == []
    pulled(tmp_path, stub, 8)
    assert len(stub.asked("modifiedAt")) == 3
    pulled(tmp_path, stub, 9, is_full=True)
    assert stub.asked("modifiedAt") == []


def test_who_is_in_a_group_is_asked_where_it_is_wanted(tmp_path: Path) -> None:
    stub = campus()
    stub.roles = {oid("group", 2): [{"userId": ZOE, "role": "learner"}, {"userId": ZOE, "role": "coach"}]}
    assert rows(pulled(tmp_path, stub), "group_members") == []
    assert stub.asked("/roles") == []
    assert rows(pulled(tmp_path, stub, 1, group_members=True), "group_members") == [
        {"group_id": oid("group", 2), "user_id": ZOE, "role": "coach"}
    ]
    assert len(stub.asked("/roles")) == 2


# What becomes of what it tells ---------------------------------------------------------------------------------------


def test_the_raw_tables_are_what_the_platform_tells(tmp_path: Path) -> None:
    delivery = pulled(tmp_path, campus())
    zoe = rows(delivery, "users")[0]
    assert zoe == {
        "user_id": ZOE,
        "email": "Zoe.Lambert@exemple.fr",
        "username": None,
        "first_name": "Zoé",
        "last_name": "Lambert",
        "additional_information": "Salariée",
        "status": "active",
        "deleted_at": None,
        "language": "fr",
        "employer": "Atelier Lambert",
    }
    assert [(row["title"], row["value_type"]) for row in rows(delivery, "custom_fields")] == [
        ("Financeur", "string"),
        ("Entrée le", "date"),
    ]
    assert [(row["name"], row["planned_duration_seconds"]) for row in rows(delivery, "program_templates")] == [
        ("Excel", 5400),
        ("Tableaux", None),
    ]
    assert [tuple(row.values())[1:4] for row in rows(delivery, "program_steps")] == [
        (1, "course", oid("course", 1)),
        (2, "assessment", None),
        (3, "path", oid("path", 2)),
        (1, "course", oid("course", 2)),
    ]
    assert [(row["name"], row["planned_duration_seconds"]) for row in rows(delivery, "courses")] == [
        ("Formules", 2700),
        ("Tableaux", None),
    ]
    known = raw_tables()
    for folder in (one for one in delivery.folder.iterdir() if one.is_dir()):
        told = {column for row in rows(delivery, folder.name) for column in row}
        assert told <= {column.name for column in known[folder.name].columns}, folder.name


@pytest.mark.parametrize(
    ("unit", "seconds"), [("minute", 90), ("hour", 5400), ("day", 129600), ("week", 907200), ("month", None)]
)
def test_a_planned_duration_is_its_value_times_its_unit_and_a_month_is_none(
    tmp_path: Path, unit: str, seconds: int | None
) -> None:
    stub = campus()
    stub.lists["paths"] = [path(1, "Excel", estimatedDuration={"unit": unit, "value": 1.5})]
    assert [row["planned_duration_seconds"] for row in rows(pulled(tmp_path, stub), "program_templates")] == [seconds]


def test_a_day_of_deletion_counts_while_the_user_is_deleted(tmp_path: Path) -> None:
    stub = campus()
    days = ["2026-08-01T10:00:00.000Z", "2026-09-01T10:00:00.000Z", "2026-07-01T10:00:00.000Z"]
    stub.lists["users"][0]["deletedAt"] = days
    stub.lists["users"][2]["deletedAt"] = days
    told = {row["user_id"]: row["deleted_at"] for row in rows(pulled(tmp_path, stub), "users")}
    assert (told[ZOE], told[oid("user", 3)]) == (None, "2026-09-01T10:00:00.000Z")


def test_a_session_within_a_session_counts_in_its_root(tmp_path: Path) -> None:
    stub = campus()
    stub.lists["course-stats"] = [
        attempt(1, "2026-10-13T07:05", "2026-10-13T07:35", 30, in_session=2, of_course=2),
        attempt(2, "2026-10-13T07:05", "2026-10-13T07:35", 30, in_session=None),
    ]
    stub.lists["path-stats"].append(enrollment(4, 9, 2, score=55))
    delivery = pulled(tmp_path, stub)
    root = oid("session", 1)
    assert [row["session_id"] for row in rows(delivery, "program_sessions")] == [root]
    assert [row["session_id"] for row in rows(delivery, "course_attempts")] == [root, None]
    assert [row["session_id"] for row in rows(delivery, "course_connections")] == [root]
    # Zoé is in the session herself; Paul is in its part alone, whose progress is not that of the session.
    assert [(row["user_id"], row["session_id"], row["progress_pct"]) for row in rows(delivery, "enrollments")] == [
        (ZOE, root, 40.0),
        (KARIM_ID, root, 40.0),
        (PAUL, root, None),
    ]
    assert [(row["user_id"], row["is_main"]) for row in rows(delivery, "session_instructors")] == [
        (oid("user", 8), False),
        (PAUL, True),
    ]
    assert "(1)" in findings(delivery)["outside_sessions"]


def test_enrolments_come_with_their_progress_and_their_end(tmp_path: Path) -> None:
    told = rows(pulled(tmp_path, campus()), "enrollments")
    assert [(row["status"], row["score_pct"], row["completed_at"], row["unenrolled_at"]) for row in told] == [
        ("onTime", 80.0, "2026-10-20T09:00:00.000Z", None),
        ("onTime", None, None, "2026-10-15T08:00:00.000Z"),
    ]


def test_time_spent_is_milliseconds_of_which_whole_seconds_count(tmp_path: Path) -> None:
    stub = campus()
    stub.lists["course-stats"][0]["timeSpent"] = 1_999.75
    assert [row["time_spent_seconds"] for row in rows(pulled(tmp_path, stub), "course_attempts")] == [1, 5400]


def test_attempts_come_again_only_where_they_changed(tmp_path: Path) -> None:
    stub = campus()
    assert pulled(tmp_path, stub).reports["360learning"].rows["course_attempts"] == 2
    again = pulled(tmp_path, stub, 1).reports["360learning"].rows
    assert (again["course_attempts"], again["course_connections"], again["withdrawn_connections"]) == (0, 0, 0)
    stub.lists["course-stats"][1]["progress"] = 90
    assert pulled(tmp_path, stub, 2).reports["360learning"].rows["course_attempts"] == 1
    assert pulled(tmp_path, stub, 3, is_full=True).reports["360learning"].rows["course_attempts"] == 2


# What is one stay ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "minutes", "more", "expected"),
    [
        # As long as the time spent, and a quarter of an hour more.
        ("2026-10-13T07:00", "2026-10-13T07:30", 30, {}, ("07:30", "unknown")),
        ("2026-10-13T07:00", "2026-10-13T07:45", 30, {}, ("07:45", "unknown")),
        ("2026-10-13T07:00", "2026-10-13T07:46", 30, {}, None),
        ("2026-10-13T07:00", "2026-11-03T07:00", 600, {}, None),
        # A completion within ends it, one outside does not.
        (
            "2026-10-13T07:00",
            "2026-10-13T07:30",
            30,
            {"completedAt": "2026-10-13T07:20:00.000Z"},
            ("07:20", "completed"),
        ),
        ("2026-10-13T07:00", "2026-10-13T07:30", 30, {"completedAt": "2026-10-13T07:40:00.000Z"}, ("07:30", "unknown")),
        ("2026-10-13T07:00", "2026-10-13T07:30", 30, {"completedAt": "2026-10-13T06:00:00.000Z"}, ("07:30", "unknown")),
        (None, "2026-10-13T07:30", 30, {}, None),
        ("2026-10-13T07:00", None, 30, {}, None),
        ("2026-10-13T07:30", "2026-10-13T07:00", 30, {}, None),
        # Perhaps still at work: no completion, and activity within a day.
        ("2026-11-04T22:00", "2026-11-04T22:20", 20, {}, None),
        (
            "2026-11-04T22:00",
            "2026-11-04T22:20",
            20,
            {"completedAt": "2026-11-04T22:20:00.000Z"},
            ("22:20", "completed"),
        ),
    ],
)
def test_an_attempt_is_a_connection_where_it_was_one_stay(
    tmp_path: Path,
    first: str | None,
    last: str | None,
    minutes: float,
    more: dict[str, Any],
    expected: tuple[str, str] | None,
) -> None:
    stub = campus()
    stub.lists["course-stats"] = [attempt(1, first, last, minutes, **more)]
    told = rows(pulled(tmp_path, stub), "course_connections")
    assert [(row["disconnected_at"][11:16], row["end_reason"]) for row in told] == ([expected] if expected else [])
    assert {row["evidence_level"] for row in told} <= {"attempt_span"}
    assert [row["attempt_id"] for row in told] == ([oid("attempt", 1)] if expected else [])


def test_the_report_counts_attempts_with_pauses_and_names_what_proves_them(tmp_path: Path) -> None:
    told = findings(pulled(tmp_path, campus()))
    assert told["attempts_with_pauses"].startswith("Warning: attempts have pauses")
    assert "The export of connections (OPCA logs) is what proves them" in told["attempts_with_pauses"]
    assert "(1)" in told["attempts_with_pauses"]
    assert "there is no export of connections" in told["no_export"]


def test_a_stay_that_turns_out_to_have_pauses_is_withdrawn(tmp_path: Path) -> None:
    stub = campus()
    one = stub.lists["course-stats"][0]
    number = f"attempt-{one['_id']}"
    assert connections(pulled(tmp_path, stub)) == [(number, "2026-10-13T07:05:00.000Z", "2026-10-13T07:35:00.000Z")]
    one |= {"lastActivityAt": "2026-11-05T15:00:00.000Z", "timeSpent": 40 * 60_000}
    delivery = pulled(tmp_path, stub, 1)
    assert [(row["connection_id"], row["reason"]) for row in rows(delivery, "withdrawn_connections")] == [
        (number, "The attempt has pauses since")
    ]
    # A withdrawal cannot be undone: the next one has a new id, also where everything is read again.
    one |= {"lastActivityAt": "2026-10-13T07:36:00.000Z"}
    again = [(f"{number}-1", "2026-10-13T07:05:00.000Z", "2026-10-13T07:36:00.000Z")]
    assert connections(pulled(tmp_path, stub, 2))[1:] == again
    assert connections(pulled(tmp_path, stub, 3, is_full=True))[2:] == again
    assert connections(pulled(tmp_path, stub, 4))[3:] == []


def test_a_longer_stay_is_told_anew_and_one_that_is_gone_stays(tmp_path: Path) -> None:
    stub = campus()
    one = stub.lists["course-stats"][0]
    pulled(tmp_path, stub)
    one |= {"lastActivityAt": "2026-10-13T07:45:00.000Z", "timeSpent": 40 * 60_000}
    delivery = pulled(tmp_path, stub, 1)
    assert connections(delivery)[1:] == [
        (f"attempt-{one['_id']}-1", "2026-10-13T07:05:00.000Z", "2026-10-13T07:45:00.000Z")
    ]
    assert [row["connection_id"] for row in rows(delivery, "withdrawn_connections")] == [f"attempt-{one['_id']}"]
    # Perhaps open again, then gone: nothing is taken back meanwhile.
    one |= {"lastActivityAt": "2026-11-07T03:00:00.000Z", "timeSpent": 26 * 24 * 60 * 60_000}
    assert pulled(tmp_path, stub, 2).reports["360learning"].rows["withdrawn_connections"] == 0
    stub.lists["course-stats"] = []
    assert pulled(tmp_path, stub, 3).reports["360learning"].rows["withdrawn_connections"] == 0


# Faults --------------------------------------------------------------------------------------------------------------


def test_a_token_that_ends_mid_way_is_renewed_once(tmp_path: Path) -> None:
    stub = campus()
    stub.token_uses = 3
    delivery = pulled(tmp_path, stub)
    assert len(stub.asked("oauth2/token")) == 3
    assert delivery.reports["360learning"].facts["Calls"] == "14: 9 pages, 3 for a token, 2 repeated"
    assert len(rows(delivery, "users")) == 5


def test_a_new_token_that_is_refused_stops_the_pull(tmp_path: Path) -> None:
    stub = campus()
    stub.faults = {"/courses": [lambda _: error_text(401, "invalid_token")] * 2}
    nothing_was_delivered(tmp_path, stub, UserError, r"/api/v2/courses refuses a new token: invalid_token")
    assert stub.slept == []


def test_a_secret_that_is_refused_stops_at_once_and_names_the_variable(tmp_path: Path) -> None:
    stub = campus()
    stub.faults = {"/token": [lambda _: error_text(401, "invalid_client")]}
    nothing_was_delivered(
        tmp_path,
        stub,
        UserError,
        r"refuses client_id and secret: invalid_client.*OPCO_SOURCES__360LEARNING__CLIENT_SECRET",
    )
    assert (len(stub.requests), stub.slept) == (1, [])


def test_without_the_secret_nothing_is_asked(tmp_path: Path) -> None:
    made = Learning360Settings(client_id="id-of-the-stub").source()
    with pytest.raises(UserError, match="OPCO_SOURCES__360LEARNING__CLIENT_SECRET"):
        deliver(tmp_path / "raw", {"360learning": made}, home=tmp_path, started_at=FIRST_NIGHT)


@pytest.mark.parametrize(
    ("end", "scope"),
    [
        ("/custom-fields", "customFields:read"),
        ("/groups", "groups:read"),
        ("/users", "users:read"),
        ("/paths/sessions", "paths:read"),
        ("/courses", "courses:read"),
        ("/paths/stats", "pathStats:read"),
        ("/courses/stats", "courseStats:read"),
    ],
)
def test_a_missing_scope_is_named(tmp_path: Path, end: str, scope: str) -> None:
    stub = campus()
    stub.faults = {end: [lambda _: error_object(403, "invalid_scope", "Insufficient scope.")]}
    nothing_was_delivered(
        tmp_path, stub, UserError, rf"needs the scope {scope}: invalid_scope, Insufficient scope\.\. Give it"
    )
    assert stub.slept == []


def in_shape(shape: str, status: int) -> Response:
    return error_text(status, "tooManyRequests") if shape == "text" else error_object(status, "busy", "Try later.")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("shape", ["text", "object"])
def test_a_busy_server_is_asked_again_and_each_time_later(tmp_path: Path, status: int, shape: str) -> None:
    stub = campus()
    stub.faults = {"/courses/stats": [lambda _: in_shape(shape, status)] * 5}
    delivery = pulled(tmp_path, stub)
    assert stub.slept == [1, 2, 4, 8, 16]
    assert len(rows(delivery, "course_attempts")) == 2


@pytest.mark.parametrize(("shape", "told"), [("text", "500: tooManyRequests"), ("object", r"500: busy, Try later\.")])
def test_after_six_tries_nothing_is_delivered(tmp_path: Path, shape: str, told: str) -> None:
    stub = campus()
    stub.faults = {"/paths/stats": [lambda _: in_shape(shape, 500)] * 6}
    nothing_was_delivered(tmp_path, stub, OpcoError, rf"/api/v2/paths/stats gives {told} after 6 tries")
    assert len(stub.asked("/paths/stats")) == 6


def test_the_wait_that_the_server_asks_for_is_kept(tmp_path: Path) -> None:
    stub = campus()
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    stub.faults = {
        "/users": [
            lambda _: error_text(429, "tooManyRequests", **{"Retry-After": "7"}),
            lambda _: error_text(429, "tooManyRequests", **{"Retry-After": later}),
            lambda _: error_text(429, "tooManyRequests", **{"Retry-After": "soon"}),
        ]
    }
    pulled(tmp_path, stub)
    assert stub.slept[0] == 7
    assert 90 < stub.slept[1] <= 100
    assert stub.slept[2] == 4


def test_a_wait_beyond_ten_minutes_stops_the_pull(tmp_path: Path) -> None:
    stub = campus()
    stub.faults = {"/users": [lambda _: error_text(429, "tooManyRequests", **{"Retry-After": "3600"})]}
    nothing_was_delivered(tmp_path, stub, OpcoError, r"asks to wait 3,600 seconds")
    assert stub.slept == []


UNUSABLE: dict[str, Any] = {
    "a page of HTML": lambda _: HTMLResponse("<html>Maintenance</html>"),
    "JSON that is cut": lambda _: Response('[{"_id": "1"', media_type="application/json"),
    "no list": lambda _: JSONResponse({"data": []}),
    "an empty object": lambda _: JSONResponse({}),
    "null": lambda _: JSONResponse(None),
    "a list of no objects": lambda _: JSONResponse(["1"]),
    "nothing": lambda _: PlainTextResponse(""),
    "a body that is cut": httpx2.RemoteProtocolError("peer closed connection without sending complete message body"),
    "a network that is gone": httpx2.ReadTimeout("timed out"),
    "no way to the host any more": httpx2.ConnectError("Name or service not known"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_an_answer_that_is_none_is_asked_for_again_and_six_of_them_stop_the_pull(tmp_path: Path, what: str) -> None:
    stub = campus()
    stub.faults = {"/users": [UNUSABLE[what]]}
    assert len(rows(pulled(tmp_path / "once", stub), "users")) == 5
    assert stub.slept == [1]
    stub.slept.clear()
    stub.faults = {"/users": [UNUSABLE[what]] * 6}
    nothing_was_delivered(
        tmp_path / "always", stub, OpcoError, r"/api/v2/users gives (an answer|no answer) .*after 6 tries"
    )
    assert stub.slept == [1, 2, 4, 8, 16]


def test_a_token_without_a_token_is_asked_for_again(tmp_path: Path) -> None:
    stub = campus()
    stub.faults = {"/token": [lambda _: JSONResponse({"ok": True}), lambda _: HTMLResponse("<html>")]}
    pulled(tmp_path, stub)
    assert stub.slept == [1, 2]


def test_a_host_that_is_not_there_stops_at_the_first_try(tmp_path: Path) -> None:
    stub = campus()
    stub.faults = {"/token": [httpx2.ConnectError("Name or service not known")]}
    nothing_was_delivered(
        tmp_path, stub, UserError, r"https://app\.360learning\.com cannot be reached: Name or service"
    )
    assert (len(stub.requests), stub.slept) == (1, [])


def test_a_next_page_on_another_host_is_not_asked_for(tmp_path: Path) -> None:
    for other in ("https://app.360learning.com.example.org", "http://app.360learning.com", "//example.org"):
        stub = campus()
        stub.page_size, stub.link = 2, other + "/api/v2/users?{query}"
        with pytest.raises(OpcoError, match="names a next page on another host"):
            users_of(stub)
        assert len(stub.requests) == 2


def test_pages_that_never_end_stop_the_pull(tmp_path: Path) -> None:
    stub = campus()
    stub.page_size, stub.link = 2, "{path}"
    with pytest.raises(OpcoError, match="never end"):
        users_of(stub)
    assert len(stub.requests) == 2
    # Nor do those with a new address each and nothing new on them.
    counter = iter(range(1_000))
    for content in ([], [user(1, "Zoé", "Lambert", None)]):
        stub = campus()
        fault = lambda _, rows=content: JSONResponse(rows, headers={"Link": f"<?p={next(counter)}>; rel=next"})  # noqa: E731
        stub.faults = {"/users": [fault] * 100}
        with pytest.raises(OpcoError, match="never end"):
            users_of(stub)
        assert len(stub.requests) <= 13


def test_an_answer_elsewhere_is_not_followed(tmp_path: Path) -> None:
    stub = campus()
    stub.faults = {"/users": [lambda _: Response(status_code=302, headers={"Location": "https://example.org/"})]}
    nothing_was_delivered(tmp_path, stub, OpcoError, r"/api/v2/users answers 302")


@pytest.mark.parametrize("change", [{"timeSpent": "much"}, {"_id": None}, {"userId": 12}])
def test_what_is_not_as_described_stops_the_pull(tmp_path: Path, change: dict[str, Any]) -> None:
    stub = campus()
    broken = [{**stub.lists["course-stats"][0], **change}]
    stub.faults = {"/courses/stats": [lambda _: JSONResponse(broken)]}
    nothing_was_delivered(tmp_path, stub, OpcoError, r"(what it does not describe|without its).*Nothing was delivered")


def test_what_moves_to_another_page_meanwhile_is_there_once(tmp_path: Path) -> None:
    stub = campus()
    for content in stub.lists.values():
        content.append(content[0])
    delivery = pulled(tmp_path, stub)
    for table, key in (
        ("users", "user_id"),
        ("program_sessions", "session_id"),
        ("enrollments", "enrollment_id"),
        ("course_attempts", "attempt_id"),
        ("course_connections", "connection_id"),
    ):
        ids = [row[key] for row in rows(delivery, table)]
        assert len(ids) == len(set(ids)) > 0, table


def test_who_was_forgotten_stays_forgotten(tmp_path: Path) -> None:
    stub = campus()
    export(tmp_path, line("14/10/2026 09:05"))
    pulled(tmp_path, stub)
    (tmp_path / "imports/360learning/export.csv").unlink()
    root = tmp_path / "raw"
    forget_in_deliveries(root, ZOE, Identifiers(("zoe.lambert@exemple.fr", "AKTO"), (("Zoé", "Lambert"),)))

    def told() -> str:
        with duckdb.connect() as db:
            return str([db.execute("from read_parquet($1)", [str(one)]).fetchall() for one in root.rglob("*.parquet")])

    assert ZOE in told()
    assert "Lambert" not in told()
    again = deliver(
        root,
        {"360learning": source(stub)},
        home=tmp_path,
        started_at=FIRST_NIGHT + timedelta(days=8),
        forgotten=[ZOE],
        keep=1,
    )
    assert "native_log" in {row["evidence_level"] for row in rows(again, "course_connections")}
    for word in ("Lambert", "exemple.fr", "AKTO"):
        assert word not in told().replace("karim@exemple.fr", "").replace("anne@exemple.fr", "").replace(
            "paul@exemple.fr", ""
        ), word


def test_any_letter_comes_through(tmp_path: Path) -> None:
    stub = campus()
    stub.lists["users"][0]["custom"] = "𝄞 L'« été »; \\N\n=1"
    half = [{"_id": ZOE, "status": "active", "lang": "fr", "firstName": "\ud83d!"}]
    assert rows(pulled(tmp_path, stub), "users")[0]["additional_information"] == "𝄞 L'« été »; \\N\n=1"
    stub.faults = {"/users": [lambda _: Response(json.dumps(half), media_type="application/json")]}
    assert rows(pulled(tmp_path, stub, 1), "users")[0]["first_name"] in ("�!", "���!")


def test_a_platform_without_users_marks_nobody_gone(tmp_path: Path) -> None:
    stub = campus()
    pulled(tmp_path, stub)
    stub.lists["users"] = []
    with pytest.raises(UserError, match="has no user, and had 5"):
        pulled(tmp_path, stub, 1)


def test_no_secret_and_no_token_is_written_or_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    stub = campus()
    pulled(tmp_path, stub)
    said = []
    for fault in (
        lambda request: error_text(400, f"bad {SECRET} {request.headers['authorization']}"),
        lambda request: error_object(403, "invalid_scope", f"{SECRET} {request.headers['authorization']}"),
        lambda request: error_text(401, f"{SECRET} {request.headers['authorization']}"),
    ):
        stub.faults = {"/users": [fault] * 2}
        with pytest.raises(OpcoError) as raised:
            pulled(tmp_path, stub, 1)
        said.append(str(raised.value))
    stub.faults = {"/token": [lambda _: error_text(401, SECRET)]}
    with pytest.raises(UserError) as refused:
        pulled(tmp_path, stub, 1)
    said += [str(refused.value), repr(source(stub)), caplog.text, *capsys.readouterr()]
    content = b"".join(one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())
    for secret in (SECRET, "stub-token"):
        assert secret.encode() not in content
        assert all(secret not in one for one in said)
    made = read_sources(Path("opco.toml"), {"360learning": {"client_id": "x"}})
    assert secret_variables(made) == {
        "OPCO_SOURCES__360LEARNING__CLIENT_SECRET",
        "OPCO_SOURCES__360LEARNING__WEBHOOK_SECRET",
    }
    assert made["360learning"].wanted_secrets() == ("client_secret",)
    with pytest.raises(UserError, match="does not belong in a file") as in_file:
        read_sources(Path("opco.toml"), {"360learning": {"client_id": "x", "client_secret": SECRET}})
    assert SECRET not in str(in_file.value)


def test_each_region_has_its_host() -> None:
    assert HOSTS == {"eu": HOST, "us": "https://app.us.360learning.com"}


# Look without writing ------------------------------------------------------------------------------------------------


def test_a_check_asks_for_one_page_of_each_list_and_names_every_missing_scope(tmp_path: Path) -> None:
    stub = campus()
    stub.page_size = 1
    stub.faults = {
        "/users": [lambda _: error_object(403, "invalid_scope", "No.")],
        "/courses/stats": [lambda _: error_object(403, "invalid_scope", "No.")],
    }
    report = source(stub).check(tmp_path)
    assert len(stub.requests) == LISTS + 1
    assert not report.is_sound
    errors = [one.text for one in report.findings if one.level == "error"]
    assert [next(word for word in one.split() if ":read" in word) for one in errors] == [
        "users:read:",
        "courseStats:read:",
    ]
    assert report.facts["Groups"] == "1 on the first page"
    assert list(tmp_path.iterdir()) == []


# The API and exports together ----------------------------------------------------------------------------------------


def line(*arguments: Any, **more: Any) -> tuple[str, ...]:
    return stay(*arguments, **{"session": EXCEL, "template": ("Excel", oid("path", 1)), **more})


def export(home: Path, *lines: tuple[str, ...], name: str = "export.csv") -> None:
    write_export(home / "imports/360learning", *lines, name=name)


def test_a_line_is_a_stay_of_the_user_with_the_address_in_the_course_of_the_name(tmp_path: Path) -> None:
    stub = campus()
    stub.lists["course-stats"] = []
    export(tmp_path, line("14/10/2026 09:05", "14/10/2026 09:35", "00:00:30", labels="Été", fields=()))
    delivery = pulled(tmp_path, stub)
    (told,) = rows(delivery, "course_connections")
    assert (told["user_id"], told["session_id"], told["course_id"]) == (ZOE, oid("session", 1), oid("course", 1))
    assert (told["connected_at"], told["evidence_level"]) == ("2026-10-14T07:05:00Z", "native_log")
    assert rows(delivery, "user_labels") == [{"user_id": ZOE, "label": "Été"}]
    assert len(rows(delivery, "users")) == 5
    assert "no_export" not in findings(delivery)


def test_a_line_of_a_part_counts_in_its_root(tmp_path: Path) -> None:
    export(tmp_path, line("14/10/2026 09:05", course="Tableaux", session=("Tableaux, octobre", oid("session", 2))))
    assert [row["session_id"] for row in rows(pulled(tmp_path, campus()), "course_connections")] == [
        oid("session", 1)
    ] * 2


def test_a_course_of_the_session_comes_before_another_of_the_name(tmp_path: Path) -> None:
    stub = campus()
    stub.lists["course-stats"] = []
    stub.lists["courses"] += [course(3, "Formules"), course(4, "Macros"), course(5, "Macros")]
    export(tmp_path, line("14/10/2026 09:05"), line("15/10/2026 09:05", course="Macros"))
    delivery = pulled(tmp_path, stub)
    assert [row["course_id"] for row in rows(delivery, "course_connections")] == [oid("course", 1)]
    assert f"Macros: perhaps {oid('course', 4)}, {oid('course', 5)}" in findings(delivery)["unknown_course"]
    settled = pulled(tmp_path, stub, 1, courses={"Macros": oid("course", 5)})
    assert [row["course_id"] for row in rows(settled, "course_connections")][1:] == [oid("course", 5)]


def test_who_and_what_nobody_knows_is_listed_with_candidates_and_not_taken(tmp_path: Path) -> None:
    stub = campus()
    stub.lists["course-stats"] = []
    export(
        tmp_path,
        line("14/10/2026 09:05", who=("BENALI", "Karim", "k.benali@exemple.fr")),
        line("14/10/2026 10:05", session=("Excel, octobre", "S-1")),
        line("14/10/2026 11:05", course="formules"),
        line("14/10/2026 12:05", course="Formules", who=("Lambert", "Zoé", "")),
    )
    delivery = pulled(tmp_path, stub)
    assert rows(delivery, "course_connections") == []
    told = findings(delivery)
    assert "export.csv:2 BENALI Karim <k.benali@exemple.fr>" in told["unknown_user"]
    assert "perhaps karim@exemple.fr" in told["unknown_user"]
    assert f"S-1, Formules: perhaps {oid('session', 1)}" in told["unknown_session"]
    assert "formules" in told["unknown_course"]
    assert "perhaps" not in told["unknown_course"]
    assert "zoe.lambert@exemple.fr" in told["no_email"].lower()
    known = {"k.benali@exemple.fr": "karim@exemple.fr", "Lambert Zoé": "zoe.lambert@exemple.fr"}
    again = pulled(tmp_path, stub, 1, users=known)
    assert {row["user_id"] for row in rows(again, "course_connections")} == {ZOE, KARIM_ID}


def test_an_address_of_two_users_is_nobodys_until_the_settings_say_whose(tmp_path: Path) -> None:
    stub = campus()
    stub.lists["users"].append(user(10, "Zoé", "Lambert", "zoe.lambert@exemple.fr"))
    export(tmp_path, line("14/10/2026 09:05"))
    told = findings(pulled(tmp_path, stub))["unknown_user"]
    assert f"perhaps {ZOE}, {oid('user', 10)}" in told
    delivery = pulled(tmp_path, stub, 1, users={"zoe.lambert@exemple.fr": oid("user", 10)})
    assert oid("user", 10) in {row["user_id"] for row in rows(delivery, "course_connections")}


def test_what_was_delivered_stays_whosever_address_and_name_it_is_now(tmp_path: Path) -> None:
    stub = campus()
    stub.lists["course-stats"] = []
    export(tmp_path, line("14/10/2026 09:05"))
    pulled(tmp_path, stub)
    stub.lists["users"][0]["mail"] = "zoe@nouveau.fr"
    stub.lists["courses"][0] |= {"name": "Formules 2026", "modifiedAt": "2026-11-05T15:00:00.000Z"}
    # An old file that comes late still names her and the course as they were.
    export(tmp_path, line("12/10/2026 09:05"), name="late.csv")
    delivery = pulled(tmp_path, stub, 1)
    assert [(row["user_id"], row["course_id"]) for row in rows(delivery, "course_connections")] == [
        (ZOE, oid("course", 1))
    ] * 2
    assert "unknown_user" not in findings(delivery)
    # Somebody else has the address now: what was told before is hers, a new line is his.
    stub.lists["users"][1]["mail"] = "zoe.lambert@exemple.fr"
    export(tmp_path, line("16/10/2026 09:05", course="Formules 2026"), name="new.csv")
    last = rows(pulled(tmp_path, stub, 2), "course_connections")
    assert [row["user_id"] for row in last] == [ZOE, ZOE, KARIM_ID]


def test_an_export_tells_the_stay_and_the_attempts_connection_gives_way(tmp_path: Path) -> None:
    stub = campus()
    before = pulled(tmp_path, stub)
    assert [row["evidence_level"] for row in rows(before, "course_connections")] == ["attempt_span"]
    export(
        tmp_path,
        line("13/10/2026 09:10", "13/10/2026 09:34", "00:00:24"),
        line("20/10/2026 09:00", "20/10/2026 10:00", "00:01:00", who=KARIM),
    )
    delivery = pulled(tmp_path, stub, 1)
    assert [row["evidence_level"] for row in rows(delivery, "course_connections")] == [
        "attempt_span",
        "native_log",
        "native_log",
    ]
    assert [(row["connection_id"], row["reason"]) for row in rows(delivery, "withdrawn_connections")] == [
        (f"attempt-{oid('attempt', 1)}", "An export of connections tells the stay")
    ]
    # Karim's attempt has pauses, and the export proves it.
    assert "attempts_with_pauses" not in findings(delivery)
    assert "(2)" in findings(delivery)["told_by_an_export"]
    # The file goes, what it told stays.
    (tmp_path / "imports/360learning/export.csv").unlink()
    later = pulled(tmp_path, stub, 2).reports["360learning"].rows
    assert (later["course_connections"], later["withdrawn_connections"]) == (0, 0)


def sent(home: Path, number: str, kind: str, data: dict[str, Any], at: datetime = FIRST_NIGHT) -> None:
    body = json.dumps({"type": kind, "data": data}).encode()
    assert Inbox(inbox_folder(home, "360learning")).keep(number, body, at)


def test_results_come_as_messages_and_each_once(tmp_path: Path) -> None:
    stub = campus()
    corrected = {
        "userId": ZOE,
        "sessionId": oid("session", 2),
        "assessmentId": oid("course", 8),
        "name": "Bilan",
        "success": True,
        "score": 82.5,
        "correctedAt": "2026-11-04T10:00:00.000Z",
    }
    sent(tmp_path, "msg_1", "user.assessment.corrected", corrected)
    first = pulled(tmp_path, stub)
    result = {
        "result_id": "msg_1",
        "user_id": ZOE,
        "session_id": oid("session", 1),
        "assessment_id": oid("course", 8),
        "submitted_at": "2026-11-04T10:00:00.000Z",
        "score_pct": 82.5,
        "is_passed": True,
    }
    assert rows(first, "assessment_results") == [result]
    assert rows(first, "assessments") == [{"assessment_id": oid("course", 8), "name": "Bilan"}]
    # The step has a resource from then on.
    assert [row["resource_id"] for row in rows(first, "program_steps")][1] == oid("course", 8)
    sent(tmp_path, "msg_2", "user.assessment.corrected", {**corrected, "score": None, "name": "Bilan final"})
    assert pulled(tmp_path, stub, 1).reports["360learning"].rows["assessment_results"] == 1
    # A week after a pull that took them they go, and what they told stays.
    for night in (9, 10):
        later = pulled(tmp_path, stub, night)
    assert list(inbox_folder(tmp_path, "360learning").iterdir()) == []
    assert later.reports["360learning"].rows["assessment_results"] == 0
    assert [row["assessment_id"] for row in rows(later, "assessments")] == [oid("course", 8)]
    assert {row["result_id"] for row in rows(later, "assessment_results")} == {"msg_1", "msg_2"}
    assert pulled(tmp_path, stub, 11, is_full=True).reports["360learning"].rows["assessment_results"] == 2


def test_a_message_that_an_attempt_is_closed_ends_the_waiting(tmp_path: Path) -> None:
    stub = campus()
    stub.lists["course-stats"] = [attempt(1, "2026-11-04T22:00", "2026-11-04T22:20", 20)]
    assert connections(pulled(tmp_path, stub)) == []
    sent(tmp_path, "msg_1", "course.attempt.closed", {"attemptId": oid("attempt", 1)})
    assert len(connections(pulled(tmp_path, stub, 0, minutes=1))) == 1


def test_who_changed_is_asked_for_custom_fields_beyond_the_turn(tmp_path: Path) -> None:
    stub = campus()
    for night in range(2):
        pulled(tmp_path, stub, night)
    sent(tmp_path, "msg_1", "user.updated", {"userId": KARIM_ID}, FIRST_NIGHT + timedelta(days=1, hours=5))
    sent(tmp_path, "msg_2", "user.updated", {"userId": oid("user", 77)}, FIRST_NIGHT + timedelta(days=1, hours=5))
    pulled(tmp_path, stub, 2)
    assert [one.split("/")[4] for one in stub.asked("/custom-fields/values")] == [ZOE, KARIM_ID]
    pulled(tmp_path, stub, 3)
    assert len(stub.asked("/custom-fields/values")) == 1


def test_ids_of_two_kinds_do_not_mix(tmp_path: Path) -> None:
    stub = campus()
    export(tmp_path, line("14/10/2026 09:05"))
    alone, together = tmp_path / "alone", tmp_path / "together"
    for home in (alone, together):
        export(home, line("14/10/2026 09:05"))
    pulled(alone, stub, client_id=None)
    assert stub.requests == []
    for is_full in (False, True):
        with pytest.raises(UserError, match=r"made of the e-mail addresses in the exports.*Begin a new home"):
            pulled(alone, stub, 1, is_full=is_full)
    assert stub.requests == []
    pulled(together, stub)
    with pytest.raises(UserError, match=r"have the ids of 360Learning's API.*Set client_id again"):
        pulled(together, stub, 1, client_id=None)
    assert len(rows(pulled(alone, stub, 1, client_id=None), "users")) == 1
    # A home of an earlier release says nothing of its ids: they are of exports.
    (state,) = (current_delivery(alone / "raw") or alone).glob("_360learning-state.json")
    state.unlink()
    with pytest.raises(UserError, match="Begin a new home"):
        pulled(alone, stub, 2)


def test_a_folder_that_is_named_must_be_there(tmp_path: Path) -> None:
    pulled(tmp_path, campus())
    with pytest.raises(UserError, match="There is no folder"):
        pulled(tmp_path, campus(), 1, folder="imports/opca")
    (tmp_path / "imports/opca").mkdir(parents=True)
    assert "no_export" in findings(pulled(tmp_path, campus(), 1, folder="imports/opca"))


def test_another_session_of_the_path_is_no_part(tmp_path: Path) -> None:
    stub = campus()
    stub.lists["sessions"].append(session(3, "Excel, novembre"))
    assert len(rows(pulled(tmp_path, stub), "program_sessions")) == 2
