"""Users, their fields, labels and groups."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.connectors.moodle.sites import NOON, Rows, mapped

HASH = "5f4dcc3b5aa765d61d8327deb882cf99"


def user(folder: Path, previous: dict[str, Path] | None = None, **columns: Any) -> dict[str, Any]:
    row = {"id": 10, "username": "ada", "email": "ada@example.fr", "deleted": 0, "confirmed": 1, **columns}
    (found,) = mapped(folder, {"user": [{"id": 1, "username": "guest"}, row]}, previous=previous).table("users")
    return found


def delivered(folder: Path, name: str, query: str) -> dict[str, Path]:
    file = folder / f"{name}-delivered.parquet"
    duckdb.sql(query).write_parquet(str(file))
    return {name: file}


def test_a_user_as_delivered(tmp_path: Path) -> None:
    found = user(
        tmp_path, firstname="Ada", lastname="L", lang="fr", institution="ACME",
        description='<p dir="ltr">One &amp; two<br>three</p><script>x()</script>',
    )  # fmt: skip
    assert found == {
        "user_id": "10",
        "email": "ada@example.fr",
        "username": "ada",
        "first_name": "Ada",
        "last_name": "L",
        "additional_information": "One & two\nthree",
        "status": "active",
        "deleted_at": None,
        "language": "fr",
        "employer": "ACME",
    }


@pytest.mark.parametrize(
    ("columns", "status"), [({"suspended": 1}, "active"), ({"confirmed": 0}, "invited"), ({"deleted": 1}, "deleted")]
)
def test_status(tmp_path: Path, columns: dict[str, Any], status: str) -> None:
    assert user(tmp_path, **columns)["status"] == status


def test_a_deleted_user_keeps_the_e_mail_and_never_its_hash(tmp_path: Path) -> None:
    found = user(tmp_path, deleted=1, email=HASH, username=f"ada@example.fr.{NOON}")
    assert (found["email"], found["username"]) == ("ada@example.fr", None)
    assert found["deleted_at"] == datetime.fromtimestamp(NOON, UTC)


def test_a_deleted_user_without_an_e_mail_has_the_last_delivered(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"deleted": 1, "email": HASH, "username": f"ada.{NOON}", "timemodified": NOON + 5}
    assert user(tmp_path / "unknown", **columns)["email"] is None
    # At the first pull after, and at all further ones.
    for status in ("active", "deleted"):
        before = delivered(
            tmp_path, "users", f"select '10' as user_id, 'old@example.fr' as email, '{status}' as status"
        )
        assert user(tmp_path / "known", before, **columns)["email"] == "old@example.fr"
    gone = {**columns, "username": "ada"}
    assert user(tmp_path / "undated", **gone)["deleted_at"] == datetime.fromtimestamp(NOON + 5, UTC)


FIELDS = [
    {"id": 1, "shortname": "start", "name": "Start", "datatype": "datetime"},
    {"id": 2, "shortname": "opt", "name": "OPCO", "datatype": "menu"},
    {"id": 3, "shortname": "ok", "name": "Agreed", "datatype": "checkbox"},
]


def values(folder: Path, *data: tuple[int, str | None], **options: Any) -> list[tuple[str, str | None]]:
    config = [{"name": "timezone", "value": options.pop("timezone", "Europe/Paris")}]
    rows = [{"userid": 10, "fieldid": number, "data": value} for number, value in data]
    site = mapped(folder, {"config": config, "user_info_field": FIELDS, "user_info_data": rows}, **options)
    return [(row["custom_field_id"], row["value"]) for row in site.table("user_custom_field_values")]


def test_custom_fields(tmp_path: Path) -> None:
    site = mapped(tmp_path, {"user_info_field": FIELDS})
    assert [tuple(row.values()) for row in site.table("custom_fields")] == [
        ("1", "Start", "date"), ("2", "OPCO", "string"), ("3", "Agreed", "string")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Europe/Paris", "2026-09-02"), ("UTC", "2026-09-01"), ("99", "2026-09-01"), ("", "2026-09-01")],
)
def test_a_date_is_a_day_in_the_sites_zone(tmp_path: Path, zone: str, day: str) -> None:
    # 22:30 UTC; without a zone of the site it is the display time zone's day.
    late = str(NOON + 10 * 3600 + 1800)
    assert values(tmp_path, (1, late), timezone=zone, display_timezone="America/New_York") == [("1", day)]


def test_a_date_of_zero_is_none(tmp_path: Path) -> None:
    assert values(tmp_path, (1, "0")) == [("1", None)]


@pytest.mark.parametrize(("language", "words"), [("fr", ["Oui", "Non"]), ("en", ["Yes", "No"])])
def test_checkboxes_are_words(tmp_path: Path, language: str, words: list[str]) -> None:
    found = [values(tmp_path / one, (3, one), language=language)[0][1] for one in ("1", "0")]
    assert found == words


def test_other_fields_are_as_they_are(tmp_path: Path) -> None:
    assert values(tmp_path, (2, "AKTO")) == [("2", "AKTO")]


def test_values_of_a_deleted_user_stay_as_last_delivered(tmp_path: Path) -> None:
    before = delivered(
        tmp_path,
        "user_custom_field_values",
        "select '10' as user_id, '2' as custom_field_id, 'AKTO' as value union all select '11', '2', 'OPCO EP'",
    )
    users = [{"id": 10, "username": "x", "deleted": 1}, {"id": 11, "username": "y", "deleted": 0}]
    site = mapped(tmp_path / "site", {"user": users, "user_info_field": FIELDS}, previous=before)
    assert [tuple(row.values()) for row in site.table("user_custom_field_values")] == [("10", "2", "AKTO")]


def test_labels_are_tags_and_cohorts_where_asked_for(tmp_path: Path) -> None:
    tables: dict[str, Rows] = {
        "tag": [{"id": 1, "rawname": "Night shift"}],
        "tag_instance": [
            {"tagid": 1, "itemtype": "user", "itemid": 10},
            {"tagid": 1, "itemtype": "course", "itemid": 11},
        ],
        "cohort": [{"id": 7, "name": "Promo", "idnumber": "", "contextid": 1}],
        "cohort_members": [{"cohortid": 7, "userid": 11, "timeadded": NOON}],
    }
    assert mapped(tmp_path / "tags", tables).table("user_labels") == [{"user_id": "10", "label": "Night shift"}]
    both = mapped(tmp_path / "both", tables, cohort_labels=True).table("user_labels")
    assert both == [{"user_id": "10", "label": "Night shift"}, {"user_id": "11", "label": "Promo"}]


def test_groups_are_cohorts_and_employers(tmp_path: Path) -> None:
    tables: dict[str, Rows] = {
        "user": [
            {"id": 10, "username": "ada", "institution": "ACME", "department": "HR"},
            {"id": 11, "username": "bob", "institution": "ACME", "department": ""},
        ],
        "cohort": [{"id": 7, "name": "Promo", "idnumber": "", "contextid": 1}],
        "cohort_members": [{"cohortid": 7, "userid": 11, "timeadded": NOON}],
        "groups": [{"id": 3, "courseid": 2, "name": "G", "idnumber": ""}],
        "groups_members": [{"groupid": 3, "userid": 10, "timeadded": NOON}],
    }
    site = mapped(tmp_path / "site", tables)
    assert [tuple(row.values()) for row in site.table("groups")] == [
        ("cohort-7", "Promo", None),
        ("institution-ACME", "ACME", None),
        ("institution-ACME/HR", "HR", "institution-ACME"),
    ]
    assert [tuple(row.values())[:2] for row in site.table("group_members")] == [
        ("cohort-7", "11"), ("institution-ACME", "11"), ("institution-ACME/HR", "10")
    ]  # fmt: skip
    asked = mapped(tmp_path / "asked", tables, course_groups=True)
    assert "group-3" in asked.column("groups", "group_id")
    assert ("group-3", "10") in [tuple(row.values())[:2] for row in asked.table("group_members")]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Excel", "Excel"),
        ("{mlang fr}Tableur{mlang}{mlang en}Sheet{mlang}", "Tableur"),
        ("{mlang de}Tabelle{mlang}{mlang other}Sheet{mlang} 1", "Sheet 1"),
        ("{mlang de}Tabelle{mlang}{mlang en}Sheet{mlang}", "Tabelle"),
        ("A {mlang en,fr}B{mlang}", "A B"),
        ('<span lang="en" class="multilang">Sheet</span><span lang="fr" class="multilang">Tableur</span>', "Tableur"),
        ('<span class="multilang" lang="de">Tabelle</span><span class="multilang" lang="en">Sheet</span>', "Tabelle"),
    ],
)
def test_names_keep_the_display_languages_part(tmp_path: Path, name: str, shown: str) -> None:
    courses = [{"id": 2, "category": 5, "fullname": name}]
    assert mapped(tmp_path, {"course": courses}, language="fr").column("program_sessions", "name") == [shown]
