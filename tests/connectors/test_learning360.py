"""What an export of connections becomes: which lines are stays of whom, when, and where."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.delivery import Delivery, deliver
from connectors.learning360.mapping import map_exports
from connectors.learning360.opca_logs import HEADINGS, read_exports
from connectors.learning360.settings import Learning360Settings
from connectors.mapping import mapping_database
from reports.export.columns import COLUMNS_AFTER_FIELDS, COLUMNS_BEFORE_FIELDS, DECIMAL_HOURS
from reports.export.writers.csv import FORMULA_SIGNS
from tests.connectors.opca_exports import ENGLISH, FRENCH, KARIM, stay, write_export
from warehouse.errors import UserError

ZOE_ID = "mail-" + sha256(b"zoe.lambert@exemple.fr").hexdigest()[:16]
FORMULES_ID = "course-" + sha256(b"Formules").hexdigest()[:16]
MORNING = stay("13/10/2026 09:05", "13/10/2026 09:35", "00:00:30")


def mapped(folder: Path, table: str, **settings: Any) -> list[dict[str, Any]]:
    """Return the rows of a table that the exports of a folder become."""
    db = map_exports(read_exports(folder), Learning360Settings.model_validate(settings), {})
    return rows_of(db.execute(f"from {table} order by all"))


def rows_of(found: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def stays(folder: Path, **settings: Any) -> list[tuple[str, str | None]]:
    return [
        (row["connected_at"], row["disconnected_at"])
        for row in sorted(mapped(folder, "course_connections", **settings), key=lambda row: str(row["connected_at"]))
    ]


def reasons(folder: Path, **settings: Any) -> list[str | None]:
    rows = sorted(mapped(folder, "judged_lines", **settings), key=lambda row: (row["file"], row["line"]))
    return [row["reason"] for row in rows]


def examples(folder: Path, **settings: Any) -> dict[str, list[str]]:
    return {row["reason"]: row["examples"] for row in mapped(folder, "left_out_lines", **settings)}


def pulled(home: Path, number: int = 1, *, is_full: bool = False, **settings: Any) -> Delivery:
    """Pull the exports in the folder `imports/360learning` of a home; each time with the next number."""
    return deliver(
        home / "raw",
        {"360learning": Learning360Settings.model_validate(settings).source()},
        home=home,
        started_at=datetime(2026, 11, 5, 4, tzinfo=UTC) + timedelta(hours=number),
        is_full=is_full,
    )


def delivered(delivery: Delivery, table: str) -> list[dict[str, Any]]:
    """Return the rows of all files of a raw table, the last one of each connection."""
    parts = list(map(str, sorted((delivery.folder / table).glob("*.parquet"))))
    with duckdb.connect() as db:
        last = (
            "qualify row_number() over (partition by connection_id order by filename desc) = 1"
            if table == "course_connections"
            else ""
        )
        return rows_of(db.execute(f"from read_parquet($parts, filename = true) {last} order by all", {"parts": parts}))


def new_count(delivery: Delivery) -> int:
    return delivery.reports["360learning"].rows["course_connections"]


def findings(delivery: Delivery) -> Mapping[str, str]:
    return {one.code: one.line() for one in delivery.reports["360learning"].findings}


# What a file says ---------------------------------------------------------------------------------------------------


def test_a_line_is_a_stay_of_the_learner_of_this_address(tmp_path: Path) -> None:
    write_export(tmp_path, stay("13/10/2026 09:05", "13/10/2026 09:35", "00:00:30", information="Salariée"))
    (connection,) = mapped(tmp_path, "course_connections")
    assert connection.pop("connection_id")
    assert connection == {
        "user_id": ZOE_ID,
        "session_id": "S-1",
        "course_id": FORMULES_ID,
        "connected_at": "2026-10-13T07:05:00Z",
        "disconnected_at": "2026-10-13T07:35:00Z",
        "evidence_level": "native_log",
    }
    assert mapped(tmp_path, "users") == [
        {
            "user_id": ZOE_ID,
            "email": "Zoe.Lambert@exemple.fr",
            "first_name": "Zoé",
            "last_name": "Lambert",
            "additional_information": "Salariée",
        }
    ]
    assert mapped(tmp_path, "courses") == [{"course_id": FORMULES_ID, "name": "Formules"}]
    assert mapped(tmp_path, "program_templates") == [{"program_template_id": "T-1", "name": "Excel"}]
    assert mapped(tmp_path, "program_sessions") == [
        {"session_id": "S-1", "program_template_id": "T-1", "name": "Excel, octobre"}
    ]


def test_the_headings_are_those_that_the_export_writes() -> None:
    for language in ("en", "fr"):
        assert HEADINGS[language] == tuple(
            tuple(column.header(language) for column in columns)
            for columns in (COLUMNS_BEFORE_FIELDS, COLUMNS_AFTER_FIELDS)
        )


@pytest.mark.parametrize("headings", [ENGLISH, FRENCH])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
def test_headings_separators_and_encodings_make_no_difference(
    tmp_path: Path, headings: Any, delimiter: str, encoding: str
) -> None:
    write_export(tmp_path, MORNING, headings=headings, delimiter=delimiter, encoding=encoding)
    assert stays(tmp_path) == [("2026-10-13T07:05:00Z", "2026-10-13T07:35:00Z")]
    assert [row["first_name"] for row in mapped(tmp_path, "users")] == ["Zoé"]


def test_decimal_hours_at_the_end_are_no_cell_of_their_own(tmp_path: Path) -> None:
    for language, headings, hours in (("en", ENGLISH, "0.5"), ("fr", FRENCH, "0,5")):
        after = (*headings[1], DECIMAL_HOURS.header(language))  # type: ignore[arg-type]
        line = (*stay("13/10/2026 09:05", "13/10/2026 09:35", "00:00:30", fields=("Nantes",)), hours)
        write_export(tmp_path / language, line, headings=(headings[0], after), fields=("Site",))
        assert stays(tmp_path / language) == [("2026-10-13T07:05:00Z", "2026-10-13T07:35:00Z")]
        assert [row["value"] for row in mapped(tmp_path / language, "user_custom_field_values")] == ["Nantes"]


def test_the_headings_tell_the_separator_where_commas_are_more(tmp_path: Path) -> None:
    text = "un, deux, trois, quatre, cinq, six, sept, huit, neuf, dix, onze, douze, treize, quatorze, quinze"
    write_export(tmp_path, *[stay("13/10/2026 09:05", information=text + text)] * 3)
    assert [row["additional_information"] for row in mapped(tmp_path, "users")] == [text + text]


def test_what_stands_between_the_address_and_the_information_are_custom_fields(tmp_path: Path) -> None:
    fields = ("Site", "Site", "Entrée le")
    write_export(
        tmp_path,
        stay("13/10/2026 09:05", fields=("Nantes", "Lyon", "01/02/2024")),
        stay("13/10/2026 10:05", fields=("Brest", "", ""), who=KARIM),
        fields=fields,
    )
    titles = {row["custom_field_id"]: row["title"] for row in mapped(tmp_path, "custom_fields")}
    # The field without a value is one too, and the two of one title stay in their order.
    assert sorted(titles.values()) == ["Entrée le", "Site", "Site"]
    values = {
        (row["user_id"] == ZOE_ID, row["custom_field_id"]): row["value"]
        for row in mapped(tmp_path, "user_custom_field_values")
    }
    first, second = sorted((one for one in titles if titles[one] == "Site"), key=lambda one: (len(one), one))
    assert (values[True, first], values[True, second], values[False, first]) == ("Nantes", "Lyon", "Brest")
    assert len(values) == 4


def test_a_column_without_a_title_is_no_custom_field_and_said(tmp_path: Path) -> None:
    write_export(tmp_path / "imports/360learning", stay("13/10/2026 09:05", fields=("x", "y")), fields=("", "Site"))
    delivery = pulled(tmp_path)
    assert [row["title"] for row in delivered(delivery, "custom_fields")] == ["Site"]
    assert [row["value"] for row in delivered(delivery, "user_custom_field_values")] == ["y"]
    assert "export.csv: the custom field 1 has no title" in findings(delivery)["field_without_title"]


def test_labels_are_parted_by_a_comma_and_a_blank(tmp_path: Path) -> None:
    write_export(tmp_path, stay("13/10/2026 09:05", labels="Été, Nuit 1,5"))
    assert [row["label"] for row in mapped(tmp_path, "user_labels")] == ["Nuit 1,5", "Été"]


def test_the_apostrophe_before_a_formula_is_taken_off_and_no_other(tmp_path: Path) -> None:
    db = mapping_database({}, {})
    for sign in FORMULA_SIGNS:
        (found,) = db.execute("select without_apostrophe($cell)", {"cell": f"'\u2003{sign}1"}).fetchall()
        assert found == (f"\u2003{sign}1",)
    for cell in ("'t Hart", "L'=", "''", "=1"):
        assert db.execute("select without_apostrophe($cell)", {"cell": cell}).fetchall() == [(cell,)]
    write_export(tmp_path, stay("13/10/2026 09:05", session=("'+ d’Excel", "'-1"), course="'=A1"))
    assert [(row["session_id"], row["name"]) for row in mapped(tmp_path, "program_sessions")] == [("-1", "+ d’Excel")]
    assert [row["name"] for row in mapped(tmp_path, "courses")] == ["=A1"]


# When ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "settings", "first"),
    [
        (stay("13/10/2026 09:05"), {}, "2026-10-05T07:05:00Z"),
        (stay("10/13/2026 09:05"), {}, "2026-05-10T07:05:00Z"),
        (stay("10/13/2026 09:05"), {"day_first": True}, "2026-05-10T07:05:00Z"),
        (stay("06/10/2026 09:05"), {"day_first": True}, "2026-10-05T07:05:00Z"),
        (stay("06/10/2026 09:05"), {"day_first": False}, "2026-05-10T07:05:00Z"),
        (stay("13/10/26 9:05"), {}, "2026-10-05T07:05:00Z"),
    ],
)
def test_a_day_beyond_12_proves_the_order_else_the_setting_says_it(
    tmp_path: Path, other: tuple[str, ...], settings: dict[str, Any], first: str
) -> None:
    write_export(tmp_path, stay("05/10/2026 09:05", course="?"), other)
    assert first in [connected for connected, _ in stays(tmp_path, **settings)]


def test_an_end_proves_the_order_and_so_does_another_file_of_the_language(tmp_path: Path) -> None:
    write_export(tmp_path, stay("05/10/2026 09:05"), name="a.csv")
    write_export(tmp_path, stay("12/10/2026 23:50", "13/10/2026 00:10", "00:00:20"), name="b.csv")
    assert ("2026-10-05T07:05:00Z", None) in stays(tmp_path)
    write_export(tmp_path, stay("05/10/2026 09:05"), name="a.csv", headings=FRENCH)
    with pytest.raises(UserError, match=r"a\.csv: no day beyond 12 shows .*\n?.*day_first"):
        stays(tmp_path)


def test_both_orders_in_one_file_stop_the_pull(tmp_path: Path) -> None:
    write_export(tmp_path, stay("13/10/2026 09:05"), stay("10/14/2026 09:05"))
    with pytest.raises(UserError, match="some dates are right with the day first, others with the month first"):
        stays(tmp_path)


def test_times_are_of_the_zone_of_the_settings(tmp_path: Path) -> None:
    write_export(tmp_path, MORNING)
    assert stays(tmp_path, timezone="America/Martinique") == [("2026-10-13T13:05:00Z", "2026-10-13T13:35:00Z")]


@pytest.mark.parametrize(
    ("connected", "disconnected", "spent", "expected", "is_ambiguous"),
    [
        # The time spent fits one reading alone.
        ("01:40", "02:20", "00:00:40", ("2026-10-24T23:40:00Z", "2026-10-25T00:20:00Z"), False),
        ("01:40", "02:20", "00:01:40", ("2026-10-24T23:40:00Z", "2026-10-25T01:20:00Z"), False),
        ("02:31", "02:15", "00:00:44", ("2026-10-25T00:31:00Z", "2026-10-25T01:15:00Z"), False),
        ("02:50", "03:10", "00:01:20", ("2026-10-25T00:50:00Z", "2026-10-25T02:10:00Z"), False),
        # It fits both: the later instant, and it is listed.
        ("02:20", "02:50", "00:00:30", ("2026-10-25T01:20:00Z", "2026-10-25T01:50:00Z"), True),
        # Nothing to go by: the shortest that is not negative, and it is listed.
        ("02:31", "02:15", "", ("2026-10-25T00:31:00Z", "2026-10-25T01:15:00Z"), True),
        ("01:40", "02:20", "", ("2026-10-24T23:40:00Z", "2026-10-25T00:20:00Z"), True),
        ("02:20", "", "", ("2026-10-25T01:20:00Z", None), True),
    ],
)
def test_the_hour_that_exists_twice_is_settled_by_the_time_spent(
    tmp_path: Path, connected: str, disconnected: str, spent: str, expected: tuple[str, str | None], is_ambiguous: bool
) -> None:
    end = f"25/10/2026 {disconnected}" if disconnected else ""
    write_export(tmp_path, stay(f"25/10/2026 {connected}", end, spent))
    assert stays(tmp_path) == [expected]
    assert [row["is_ambiguous"] for row in mapped(tmp_path, "judged_lines")] == [is_ambiguous]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (stay("13/10/2026 09:05", "13/10/2026 09:35", "00:00:30"), None),
        # The platform may have counted before it cut the seconds off.
        (stay("13/10/2026 09:05", "13/10/2026 09:35", "00:00:29"), None),
        (stay("13/10/2026 09:05", "13/10/2026 09:35", "00:00:28"), "contradictory_time_spent"),
        (stay("13/10/2026 09:05", "13/10/2026 09:35", "00:01:30"), "contradictory_time_spent"),
        (stay("13/10/2026 09:05", "", "00:00:30"), "contradictory_time_spent"),
        (stay("13/10/2026 09:05", "13/10/2026 09:35", "bientôt"), "unreadable_time_spent"),
        (stay("13/10/2026 09:05", "13/10/2026 09:35"), None),
        (stay("13/10/2026 09:05", "13/10/2026 09:35", "30 min"), None),
        (stay("13/10/2026 09:05", "15/10/2026 09:35", "02:00:30"), None),
        (stay("13/10/2026 09:35", "13/10/2026 09:05"), "ends_before_it_starts"),
        (stay("hier", "13/10/2026 09:05"), "unreadable_time"),
        (stay("13/10/2026 09:05", "demain"), "unreadable_time"),
        (stay("13/10/2026 09:05", who=("Lambert", "Zoé", "")), "no_email"),
        (stay("13/10/2026 09:05", session=("Excel, octobre", "")), "no_session"),
        (stay("13/10/2026 09:05", template=("Excel", "")), "no_session"),
        (stay("13/10/2026 09:05", course=""), "no_course"),
    ],
)
def test_what_is_no_stay_is_left_out_with_its_reason(tmp_path: Path, line: tuple[str, ...], reason: str | None) -> None:
    write_export(tmp_path, MORNING, line)
    assert reasons(tmp_path) == [None, reason]
    assert set(examples(tmp_path)) == {reason} - {None}


def test_time_spent_is_hours_minutes_and_seconds_where_that_fits_most_lines(tmp_path: Path) -> None:
    write_export(
        tmp_path,
        stay("13/10/2026 09:05", "13/10/2026 09:35", "00:30:12"),
        stay("13/10/2026 10:05", "13/10/2026 11:35", "01:29:48"),
        stay("13/10/2026 12:05", "13/10/2026 12:35", "00:00:30"),
    )
    assert reasons(tmp_path) == [None, None, "contradictory_time_spent"]


# Who, and where -----------------------------------------------------------------------------------------------------


def test_an_address_in_any_case_is_one_learner_as_last_told(tmp_path: Path) -> None:
    fields = ("Site", "OPCO")
    write_export(tmp_path, stay("13/10/2026 09:05", fields=("Nantes", "Akto"), labels="A"), name="z.csv", fields=fields)
    # The newest export has one column less and one cell emptied; its name sorts before the other's.
    write_export(
        tmp_path,
        stay("14/10/2026 09:05", who=("Durand", "Zoé", "ZOE.LAMBERT@exemple.fr"), fields=("",), labels="B"),
        name="a.csv",
        fields=("Site",),
    )
    (user,) = mapped(tmp_path, "users")
    assert (user["last_name"], user["email"]) == ("Durand", "ZOE.LAMBERT@exemple.fr")
    assert [row["label"] for row in mapped(tmp_path, "user_labels")] == ["B"]
    assert [row["value"] for row in mapped(tmp_path, "user_custom_field_values")] == ["Akto"]


def test_who_has_no_address_is_listed_with_candidates_until_the_setting_says_who(tmp_path: Path) -> None:
    write_export(
        tmp_path,
        MORNING,
        stay("13/10/2026 10:05", who=("LAMBERT", "Zoé", "")),
        stay("13/10/2026 11:05", who=("", "", "")),
    )
    assert examples(tmp_path) == {
        "no_email": ["export.csv:3 LAMBERT Zoé: perhaps zoe.lambert@exemple.fr", "export.csv:4 nobody"]
    }
    known = {"Lambert  Zoé": "Zoe.Lambert@exemple.fr"}
    assert {row["user_id"] for row in mapped(tmp_path, "course_connections", users=known)} == {ZOE_ID}
    assert len(stays(tmp_path, users=known)) == 2
    # Two addresses for one name settle nothing, and double nothing.
    assert len(stays(tmp_path, users={**known, "lambert zoé": "z@exemple.fr"})) == 1


def test_a_course_of_one_name_in_two_sessions_is_one_course(tmp_path: Path) -> None:
    write_export(tmp_path, MORNING, stay("13/10/2026 10:05", session=("Excel, mai", "S-2")))
    assert [row["course_id"] for row in mapped(tmp_path, "courses")] == [FORMULES_ID]
    assert {row["session_id"] for row in mapped(tmp_path, "course_connections")} == {"S-1", "S-2"}


def test_instructors_are_named_in_the_settings(tmp_path: Path) -> None:
    write_export(tmp_path, MORNING, MORNING, stay("13/10/2026 10:05", who=KARIM))
    assert mapped(tmp_path, "session_instructors", instructors=["ZOE.lambert@exemple.fr"]) == [
        {"session_id": "S-1", "user_id": ZOE_ID}
    ]


# Stays, once --------------------------------------------------------------------------------------------------------


def test_two_stays_that_begin_in_one_minute_are_two_and_none_is_longer(tmp_path: Path) -> None:
    write_export(
        tmp_path,
        MORNING,
        stay("13/10/2026 09:05", "13/10/2026 09:05", "00:00:00"),
        stay("13/10/2026 09:05", "13/10/2026 09:05", "00:00:00"),
        stay("13/10/2026 09:05"),
    )
    assert stays(tmp_path) == [
        ("2026-10-13T07:05:00Z", "2026-10-13T07:05:00Z"),
        ("2026-10-13T07:05:01Z", "2026-10-13T07:05:01Z"),
        ("2026-10-13T07:05:02Z", "2026-10-13T07:35:00Z"),
        ("2026-10-13T07:05:03Z", None),
    ]


def test_overlapping_exports_neither_double_nor_lose(tmp_path: Path) -> None:
    noon = stay("13/10/2026 12:05", "13/10/2026 12:35", "00:00:30")
    write_export(tmp_path, MORNING, noon, name="a.csv")
    before = {row["connection_id"] for row in mapped(tmp_path, "course_connections")}
    # In another language, format and order, with one stay more.
    write_export(
        tmp_path,
        stay("10/14/2026 9:05 AM"),
        stay("10/13/2026 12:05 PM", "10/13/2026 12:35 PM", "00:30:00"),
        stay("10/13/2026 9:05 AM", "10/13/2026 9:35 AM", "00:30:00"),
        name="b.csv",
        headings=FRENCH,
        delimiter=",",
    )
    after = {row["connection_id"] for row in mapped(tmp_path, "course_connections")}
    assert len(before) == 2
    assert len(after) == 3
    assert before < after


def test_the_zone_changes_no_id(tmp_path: Path) -> None:
    write_export(tmp_path, MORNING)
    paris, martinique = (
        mapped(tmp_path, "course_connections", timezone=zone) for zone in ("Europe/Paris", "America/Martinique")
    )
    assert [row["connection_id"] for row in paris] == [row["connection_id"] for row in martinique]


@pytest.mark.parametrize("names", [("a.csv", "b.csv"), ("b.csv", "a.csv")])
def test_an_open_stay_that_is_closed_later_keeps_its_id(tmp_path: Path, names: tuple[str, str]) -> None:
    home, folder = tmp_path, tmp_path / "imports/360learning"
    write_export(folder, stay("13/10/2026 09:05"), name=names[0])
    first = pulled(home)
    write_export(folder, MORNING, name=names[1])
    second = pulled(home, 2)
    assert (new_count(first), new_count(second)) == (1, 1)
    ((opened,), (closed,)) = (delivered(one, "course_connections") for one in (first, second))
    assert opened["connection_id"] == closed["connection_id"]
    assert (opened["disconnected_at"], closed["disconnected_at"]) == (None, "2026-10-13T07:35:00Z")


def test_only_what_is_new_is_delivered_again(tmp_path: Path) -> None:
    folder = tmp_path / "imports/360learning"
    write_export(folder, MORNING)
    assert new_count(pulled(tmp_path)) == 1
    assert new_count(pulled(tmp_path, 2)) == 0
    write_export(folder, MORNING, stay("14/10/2026 09:05"), name="november.csv")
    assert new_count(pulled(tmp_path, 3)) == 1
    assert new_count(pulled(tmp_path, 4, is_full=True)) == 2


def test_what_was_taken_stays_when_its_file_goes(tmp_path: Path) -> None:
    folder = tmp_path / "imports/360learning"
    october = write_export(folder, stay("13/10/2026 09:05", fields=("Nantes",), labels="A"), fields=("Site",))
    pulled(tmp_path)
    october.unlink()
    write_export(folder, stay("14/11/2026 09:05", who=KARIM, session=("Excel, novembre", "S-2")), name="november.csv")
    delivery = pulled(tmp_path, 2)
    assert new_count(delivery) == 1
    assert {row["first_name"] for row in delivered(delivery, "users")} == {"Zoé", "Karim"}
    assert {row["session_id"] for row in delivered(delivery, "program_sessions")} == {"S-1", "S-2"}
    assert [row["value"] for row in delivered(delivery, "user_custom_field_values")] == ["Nantes"]
    assert [row["label"] for row in delivered(delivery, "user_labels")] == ["A"]
    # An end that only the file that is gone told stays too.
    write_export(folder, MORNING, name="october.csv")
    assert new_count(pulled(tmp_path, 3)) == 1
    write_export(folder, stay("13/10/2026 09:05"), name="october.csv")
    assert new_count(pulled(tmp_path, 4)) == 0


def test_a_course_that_was_perhaps_renamed_is_listed_until_the_setting_says_which_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "imports/360learning"
    write_export(folder, MORNING)
    pulled(tmp_path)
    renamed = stay("13/10/2026 09:05", "13/10/2026 09:35", "00:00:30", course="Formules 2026")
    write_export(folder, renamed, stay("14/10/2026 09:05", course="Formules 2026"), name="november.csv")
    delivery = pulled(tmp_path, 2)
    assert new_count(delivery) == 1
    assert findings(delivery)["perhaps_renamed_course"].endswith(
        "(1): november.csv:2 Lambert Zoé, Formules 2026: perhaps Formules"
    )
    # One course: the stay is told once, and the course has its new name.
    one = {"Formules": "F", "Formules 2026": "F"}
    settled = pulled(tmp_path, 3, courses=one)
    assert "perhaps_renamed_course" not in findings(settled)
    assert [(row["course_id"], row["name"]) for row in delivered(settled, "courses")] == [("F", "Formules 2026")]
    assert [row["course_id"] for row in delivered(settled, "course_connections")] == ["F", "F"]
    # Two courses: two stays.
    two = {"Formules": "F", "Formules 2026": "G"}
    assert len(delivered(pulled(tmp_path, 4, courses=two), "course_connections")) == 3


def test_a_renamed_course_whose_open_stay_was_closed_meanwhile_has_its_end(tmp_path: Path) -> None:
    write_export(tmp_path, stay("13/10/2026 09:05"), name="a.csv")
    write_export(
        tmp_path,
        stay("13/10/2026 09:05", "13/10/2026 09:35", "00:00:30", course="Formules 2026"),
        stay("14/10/2026 09:05", course="Formules 2026"),
        name="b.csv",
    )
    assert stays(tmp_path) == [("2026-10-13T07:05:00Z", None), ("2026-10-14T07:05:00Z", None)]
    assert set(examples(tmp_path)) == {"perhaps_renamed_course"}
    assert stays(tmp_path, courses={"Formules": "F", "Formules 2026": "F"}) == [
        ("2026-10-13T07:05:00Z", "2026-10-13T07:35:00Z"),
        ("2026-10-14T07:05:00Z", None),
    ]


def test_two_courses_at_once_in_one_file_are_two_stays(tmp_path: Path) -> None:
    write_export(tmp_path, MORNING, stay("13/10/2026 09:05", "13/10/2026 09:35", "00:00:30", course="Graphiques"))
    assert len(stays(tmp_path)) == 2


# The folder ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Nom,Prénom,Score\nLambert,Zoé,12\n", "it is another report: it has no column E-mail, Informations"),
        (";".join((*ENGLISH[1], *ENGLISH[0])) + "\n", "its columns stand in another order"),
        (";".join((*ENGLISH[0], *ENGLISH[1])) + "\nLambert;Zoé\n", "line 2 has 2 cells instead of 13"),
        ("", "it is empty"),
    ],
)
def test_another_report_is_left_out_and_said(tmp_path: Path, content: str, words: str) -> None:
    folder = tmp_path / "imports/360learning"
    write_export(folder, MORNING)
    (folder / "other.csv").write_text(content, encoding="utf-8")
    (folder / "export.csv.json").write_text("{}", encoding="utf-8")
    delivery = pulled(tmp_path)
    assert new_count(delivery) == 1
    said = findings(delivery)["file_left_out"]
    assert said.startswith("Warning: other.csv is not read: ")
    assert words in said


def test_a_folder_without_an_export_says_what_lies_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no folder .*360learning"):
        pulled(tmp_path)
    folder = tmp_path / "imports/360learning"
    folder.mkdir(parents=True)
    (folder / "export.xlsx").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"There is no export .*\n  export\.xlsx: it is no \.csv"):
        pulled(tmp_path)


def test_a_check_says_what_a_pull_would_take_and_writes_nothing(tmp_path: Path) -> None:
    write_export(tmp_path / "imports/360learning", MORNING, encoding="windows-1252")
    before = sorted(tmp_path.rglob("*"))
    report = Learning360Settings().source().check(tmp_path)
    assert report.rows["course_connections"] == 1
    assert report.last_activity == datetime(2026, 10, 13, 7, 35, tzinfo=UTC)
    assert {one.code for one in report.findings} == {"encoding", "no_instructors", "minutes_alone"}
    assert sorted(tmp_path.rglob("*")) == before
    write_export(tmp_path / "imports/360learning", stay("13/10/2026 09:05:30", "13/10/2026 09:35:00", "00:29:30"))
    assert "minutes_alone" not in {one.code for one in Learning360Settings().source().check(tmp_path).findings}


def test_who_is_forgotten_is_in_no_later_delivery_but_for_the_id(tmp_path: Path) -> None:
    write_export(
        tmp_path / "imports/360learning", stay("13/10/2026 09:05", labels="A"), stay("13/10/2026 09:05", who=KARIM)
    )
    delivery = deliver(
        tmp_path / "raw",
        {"360learning": Learning360Settings().source()},
        home=tmp_path,
        started_at=datetime(2026, 11, 5, 4, tzinfo=UTC),
        forgotten=[ZOE_ID],
    )
    assert {row["user_id"]: row["last_name"] for row in delivered(delivery, "users")}[ZOE_ID] is None
    assert delivered(delivery, "user_labels") == []
    assert len(delivered(delivery, "course_connections")) == 2
