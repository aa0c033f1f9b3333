"""Two sources, one learner: accounts of one person count their time once, and rows keep their account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from tests.properties.built import Built, Project, RawFolder, build, build_one_by_one

pytestmark = pytest.mark.xdist_group("properties")

# Of an LMS without prefix, and of a second one with m-. Ada was in both at once from 8:05 to 8:10. None is as long as
# the cap of the strict project, whose setting joins accounts of one e-mail.
CAMPUS: RawFolder = {
    "users/lms.csv": [
        {"user_id": "1", "email": "ada@exemple.fr", "first_name": "Ada", "last_name": "Byron"},
        {"user_id": "2", "email": "", "first_name": "Alan", "last_name": "Turing"},
    ],
    "users/moodle.csv": [
        {"user_id": "m-7", "email": "ADA@exemple.fr", "first_name": "ada", "last_name": "BYRON"},
        {"user_id": "m-8", "email": "", "first_name": "Grace", "last_name": "Hopper"},
    ],
    "program_templates.csv": [{"program_template_id": "p", "name": "Programme"}],
    "program_sessions.csv": [
        {"session_id": session_id, "program_template_id": "p", "name": session_id} for session_id in ("s", "m-s")
    ],
    "courses.csv": [{"course_id": "c", "name": "Cours"}],
    "course_connections.csv": [
        {
            "connection_id": connection_id,
            "user_id": user_id,
            "session_id": session_id,
            "course_id": "c",
            "connected_at": f"2026-09-01T{begin}:00Z",
            "disconnected_at": f"2026-09-01T{end}:00Z",
        }
        for connection_id, user_id, session_id, begin, end in (
            ("k1", "1", "s", "08:00", "08:10"),
            ("k2", "m-7", "m-s", "08:05", "08:12"),
            ("k3", "2", "s", "08:00", "08:10"),
            ("k4", "m-8", "m-s", "08:02", "08:07"),
        )
    ],
}


def retained(built: Built) -> dict[str, int]:
    return {row["connection_id"]: row["retained_seconds"] for row in built.tables["fct_opco_connections"]}


def persons(built: Built) -> dict[str, tuple[str, str]]:
    return {row["user_id"]: (row["person_id"], row["person_source"]) for row in built.tables["dim_learners"]}


def findings(built: Built) -> list[tuple[Any, ...]]:
    columns = ("finding_kind", "user_id", "session_id", "other_user_id", "other_session_id", "common_seconds")
    return sorted((tuple(row[column] for column in columns) for row in built.tables["identity_findings"]), key=repr)


def without(folder: RawFolder, column: str) -> RawFolder:
    return {path: [{**cells, column: ""} for cells in rows] for path, rows in folder.items()}


def unlike(rows: Iterable[Mapping[str, Any]], *columns: str) -> list[str]:
    return sorted(repr({name: value for name, value in row.items() if name not in columns}) for row in rows)


def test_without_file_and_setting_accounts_are_persons_of_their_own(project: Project) -> None:
    built = build(project, CAMPUS)
    assert retained(built) == {"k1": 600, "k2": 420, "k3": 600, "k4": 300}
    assert persons(built) == {user_id: (user_id, "account") for user_id in ("1", "2", "m-7", "m-8")}
    assert findings(built) == []
    # Row for row what a home has in which nobody could be joined.
    alone = build(project, without(CAMPUS, "email"))
    for table, rows in built.tables.items():
        if table not in ("warehouse_build", "load_reconciliation"):
            assert unlike(rows, "email") == unlike(alone.tables[table], "email"), table


def test_the_file_joins_accounts_of_two_sources(project: Project) -> None:
    built = build(project, CAMPUS, identities={"1": 1, "m-7": 1})
    assert built.failed_checks == ()
    assert retained(built) == {"k1": 600, "k2": 120, "k3": 600, "k4": 300}
    assert persons(built) == {
        "1": ("1", "file"),
        "m-7": ("1", "file"),
        "2": ("2", "account"),
        "m-8": ("m-8", "account"),
    }
    (k2,) = (row for row in built.tables["fct_opco_connections"] if row["connection_id"] == "k2")
    assert (k2["user_id"], k2["session_id"], k2["flags"]) == ("m-7", "m-s", ["overlap"])
    assert (k2["is_overlapped_in_session"], k2["is_overlapped_outside_session"]) == (False, False)
    assert k2["is_overlapped_by_other_account"]
    # Connected at one instant in two places: listed, counted once. Case and accents of names say nothing.
    assert findings(built) == [("connected_twice", "m-7", "m-s", "1", "s", 300)]


def test_doubtful_joins_are_listed_and_counted_once(project: Project) -> None:
    built = build(project, CAMPUS, identities={"2": 1, "m-8": 1, "never": 2})
    assert retained(built) == {"k1": 600, "k2": 420, "k3": 600, "k4": 0}
    assert findings(built) == [
        ("connected_twice", "m-8", "m-s", "2", "s", 300),
        ("names_differ", "m-8", None, "2", None, None),
        ("not_delivered", "never", None, None, None, None),
    ]
    problems = [(row["problem"], row["subject"], row["subject_id"]) for row in built.tables["data_problems"]]
    assert sorted(problems) == [
        ("doubtful", "connected_twice", "m-8"),
        ("doubtful", "names_differ", "m-8"),
        ("doubtful", "not_delivered", "never"),
    ]


def test_the_email_joins_where_the_file_names_neither(strict_project: Project) -> None:
    assert persons(build(strict_project, CAMPUS))["m-7"] == ("1", "email")
    # An account alone under its learner is joined to nobody.
    named = build(strict_project, CAMPUS, identities={"m-7": 1})
    assert (persons(named)["1"], persons(named)["m-7"]) == (("1", "account"), ("m-7", "file"))
    shared = {
        **CAMPUS,
        "users/lms.csv": [{**cells, "email": "contact@exemple.fr"} for cells in CAMPUS["users/lms.csv"]],
        "users/moodle.csv": CAMPUS["users/moodle.csv"],
    }
    assert findings(build(strict_project, shared)) == [
        ("connected_twice", "2", "s", "1", "s", 600),
        ("names_differ", "2", None, "1", None, None),
        ("same_source", "2", None, "1", None, None),
    ]


def test_an_email_that_changes_measures_both_persons_again(strict_project: Project) -> None:
    moved = {
        **CAMPUS,
        "users/moodle.csv": [
            {**CAMPUS["users/moodle.csv"][0], "email": "other@exemple.fr"},
            {**CAMPUS["users/moodle.csv"][1], "email": "ada@exemple.fr"},
        ],
    }
    wanted = {"k1": 600, "k2": 420, "k3": 600, "k4": 0}
    assert retained(build_one_by_one(strict_project, CAMPUS, moved)) == wanted
    assert retained(build_one_by_one(strict_project, moved, CAMPUS)) == {"k1": 600, "k2": 120, "k3": 600, "k4": 300}
    for deliveries in ((CAMPUS, moved), (moved, CAMPUS), (CAMPUS, moved, CAMPUS)):
        assert build_one_by_one(strict_project, *deliveries).marts() == build(strict_project, *deliveries).marts()


def test_new_rows_of_one_account_measure_the_other_again(project: Project) -> None:
    identities = {"1": 1, "m-7": 1}
    late = {
        **{path: rows for path, rows in CAMPUS.items() if path != "course_connections.csv"},
        "course_connections/late.csv": [
            {**CAMPUS["course_connections.csv"][0], "connection_id": "k0", "connected_at": "2026-09-01T07:58:00Z"}
        ],
    }
    first = {path: rows for path, rows in CAMPUS.items() if path != "course_connections.csv"} | {
        "course_connections/a.csv": CAMPUS["course_connections.csv"][1:]
    }
    built = build_one_by_one(project, first, late, identities=identities)
    assert retained(built) == {"k0": 720, "k2": 120, "k3": 600, "k4": 300}
    assert built.marts() == build(project, first, late, identities=identities).marts()
