"""What attendance reports become: each join and leave a connection of whom they name by address or alias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from connectors.text_tables import UnreadableTableError
from connectors.virtual_classes.classes import Alias, VirtualClass, class_of, read_aliases, read_classes
from connectors.virtual_classes.mapping import HISTORY, Delivered, map_reports
from connectors.virtual_classes.reports import read_report
from connectors.virtual_classes.settings import VirtualClassesSettings
from tests.connectors import class_reports
from warehouse.errors import UserError

USERS = (("12", "Zoe.Lambert@exemple.fr", "Zoé", "Lambert"), ("13", "karim@exemple.fr", "Karim", "Benali"))
ZOOM_HEAD = "Name (Original Name),User Email,Join Time,Leave Time,Duration (Minutes)\n"
ZOE = "Zoé Lambert,zoe.lambert@exemple.fr"
Rows = list[dict[str, Any]]


def mapped(
    folder: Path,
    reports: Mapping[str, str | bytes],
    *,
    aliases: Sequence[Alias] = (),
    day: date | None = None,
    history: Path | None = None,
    users: Sequence[tuple[str, str, str, str]] = USERS,
    session: str = "S",
    **settings: Any,
) -> dict[str, Rows]:
    """Return the tables that reports become, and keep what the next pull is to remember in `history`."""
    for name, content in reports.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    db = map_reports(
        [line for name in reports for line in read_report(folder / name)],
        [(name, VirtualClass(2, name, session, "C", "", day, None)) for name in reports],
        aliases,
        Delivered(users, ("C",)),
        VirtualClassesSettings(**{"timezone": "Europe/Paris", **settings}),
        datetime(2026, 11, 5, tzinfo=UTC),
        history if history is not None and history.exists() else None,
    )
    found = {}
    for table in ("judged_attendances", "course_connections", "withdrawn_connections"):
        result = db.execute(f"from {table}")
        names = [column[0] for column in result.description]
        found[table] = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    if history is not None:
        pq.write_table(db.execute("from connection_history").to_arrow_table().select(HISTORY.names), history)
    return found


def stays(tables: Mapping[str, Rows]) -> list[tuple[str, str, str | None]]:
    return sorted((row["user_id"], row["connected_at"], row["disconnected_at"]) for row in tables["course_connections"])


def reasons(tables: Mapping[str, Rows]) -> list[str | None]:
    return [row["reason"] for row in tables["judged_attendances"]]


def test_zoom_each_join_and_leave_is_a_connection_and_the_waiting_room_none(tmp_path: Path) -> None:
    tables = mapped(tmp_path, {"zoom.csv": class_reports.ZOOM})
    assert stays(tables) == [
        ("12", "2026-10-13T07:00:00Z", "2026-10-13T07:30:20Z"),
        ("12", "2026-10-13T07:40:00Z", "2026-10-13T09:00:00Z"),
    ]
    assert {(row["evidence_level"], row["end_reason"], row["modality"]) for row in tables["course_connections"]} == {
        ("native_log", "left", "sync")
    }
    assert reasons(tables) == ["waiting_room", None, None, "unknown_participant"]


def test_zoom_in_french_saved_by_a_spreadsheet(tmp_path: Path) -> None:
    tables = mapped(tmp_path, {"zoom.csv": class_reports.ZOOM_FRENCH.encode("windows-1252")})
    assert stays(tables) == [("12", "2026-10-13T07:00:00Z", "2026-10-13T07:30:20Z")]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (
            class_reports.TEAMS,
            [
                ("12", "2026-10-13T12:00:02Z", "2026-10-13T13:00:02Z"),
                ("12", "2026-10-13T13:30:00Z", "2026-10-13T14:00:00Z"),
            ],
        ),
        (class_reports.TEAMS_ENGLISH, [("12", "2026-10-13T12:00:02Z", "2026-10-13T13:00:02Z")]),
    ],
)
def test_teams_the_activities_count_and_never_first_join_to_last_leave(
    tmp_path: Path, report: str, expected: list[tuple[str, str, str]]
) -> None:
    assert stays(mapped(tmp_path, {"teams.csv": report.encode("utf-16")})) == expected


def test_teams_headings_that_say_utc_need_no_zone(tmp_path: Path) -> None:
    report = class_reports.TEAMS_ENGLISH.replace("Join Time", "Join Time (UTC)").replace(
        "Leave Time", "Leave Time (UTC)"
    )
    assert stays(mapped(tmp_path, {"teams.csv": report.encode("utf-16")}, timezone=None)) == [
        ("12", "2026-10-13T14:00:02Z", "2026-10-13T15:00:02Z")
    ]


def test_meet_and_bigbluebutton_count_where_the_time_fills_the_span(tmp_path: Path) -> None:
    tables = mapped(
        tmp_path,
        {"meet.csv": class_reports.MEET, "bbb.csv": class_reports.BIGBLUEBUTTON},
        day=date(2026, 10, 13),
        aliases=[Alias("zoé  lambert", "zoe.lambert@exemple.fr")],
    )
    assert stays(tables) == [
        ("12", "2026-10-13T07:00:00Z", "2026-10-13T08:00:00Z"),
        ("12", "2026-10-13T16:02:00Z", "2026-10-13T17:00:00Z"),
    ]
    assert {row["evidence_level"] for row in tables["course_connections"]} == {"attempt_span"}
    assert reasons(tables) == [None, "several_stays", None]


def test_meet_without_the_day_of_the_class_is_listed(tmp_path: Path) -> None:
    tables = mapped(tmp_path, {"meet.csv": class_reports.MEET})
    assert reasons(tables) == ["no_day", "no_day"]


def test_a_span_without_its_duration_proves_no_stay(tmp_path: Path) -> None:
    report = class_reports.MEET.replace("58 min", "")
    assert reasons(mapped(tmp_path, {"meet.csv": report}, day=date(2026, 10, 13))) == ["several_stays", "several_stays"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{ZOE},10/13/2026 10:00:00 AM,10/13/2026 09:00:00 AM,60", "leaves_before_it_joins"),
        (f"{ZOE},10/13/2026 09:00:00 AM,10/13/2026 11:00:00 AM,30", "several_stays"),
        (f"{ZOE},10/13/2026 09:00:00 AM,this morning,30", "unreadable_time"),
        (f"{ZOE},,,", "did_not_attend"),
        ("Zoé Lambert,,10/13/2026 09:00:00 AM,10/13/2026 10:00:00 AM,60", "unknown_participant"),
        ("Zoé Lambert,z@privé.fr,10/13/2026 09:00:00 AM,10/13/2026 10:00:00 AM,60", "unknown_participant"),
    ],
)
def test_what_is_no_stay_of_a_known_user_is_listed_and_left_out(tmp_path: Path, line: str, reason: str) -> None:
    tables = mapped(tmp_path, {"zoom.csv": ZOOM_HEAD + line + "\n"})
    assert (stays(tables), reasons(tables)) == ([], [reason])


def test_an_unknown_participant_has_candidates_but_is_nobody(tmp_path: Path) -> None:
    line = "Zoe LAMBERT,,10/13/2026 09:00:00 AM,10/13/2026 10:00:00 AM,60\n"
    (row,) = mapped(tmp_path, {"zoom.csv": ZOOM_HEAD + line})["judged_attendances"]
    assert (row["user_id"], row["candidates"]) == (None, "Zoé Lambert <Zoe.Lambert@exemple.fr>")


def test_an_alias_is_an_address_or_a_name_and_leads_to_an_address_or_an_id(tmp_path: Path) -> None:
    lines = "".join(f"{who},10/13/2026 09:00:00 AM,10/13/2026 10:00:00 AM,60\n" for who in ("iPad,", "K,k@privé.fr"))
    aliases = [Alias("iPad", "12"), Alias("K@privé.fr", "Karim@exemple.fr"), Alias("nobody", "99")]
    assert [user for user, *_ in stays(mapped(tmp_path, {"zoom.csv": ZOOM_HEAD + lines}, aliases=aliases))] == [
        "12",
        "13",
    ]


def test_one_address_of_two_users_is_nobody(tmp_path: Path) -> None:
    users = (*USERS, ("14", "ZOE.LAMBERT@exemple.fr", "Zoé", "Lambert"))
    assert set(reasons(mapped(tmp_path, {"zoom.csv": class_reports.ZOOM_FRENCH}, users=users))) == {"several_users"}


def test_a_user_without_an_address_is_not_every_participant_without_one(tmp_path: Path) -> None:
    line = "Ines,,10/13/2026 09:00:00 AM,10/13/2026 10:00:00 AM,60\n"
    users = (("15", "", "Jean", "Petit"),)
    assert reasons(mapped(tmp_path, {"zoom.csv": ZOOM_HEAD + line}, users=users)) == ["unknown_participant"]


def test_who_has_not_left_yet_is_still_connected_and_keeps_the_id_when_the_end_comes(tmp_path: Path) -> None:
    history = tmp_path / "history.parquet"
    line = f"{ZOE},10/13/2026 09:00:00 AM,{{}},{{}}\n"
    (begun,) = mapped(tmp_path, {"zoom.csv": ZOOM_HEAD + line.format("", "")}, history=history)["course_connections"]
    tables = mapped(tmp_path, {"zoom.csv": ZOOM_HEAD + line.format("10/13/2026 10:00:00 AM", "60")}, history=history)
    (ended,) = tables["course_connections"]
    assert (begun["disconnected_at"], ended["disconnected_at"]) == (None, "2026-10-13T08:00:00Z")
    assert begun["connection_id"] == ended["connection_id"]
    assert tables["withdrawn_connections"] == []


def test_the_same_report_again_or_under_two_names_delivers_nothing_new(tmp_path: Path) -> None:
    history = tmp_path / "history.parquet"
    two = {"zoom.csv": class_reports.ZOOM, "zoom (1).csv": class_reports.ZOOM}
    assert len(mapped(tmp_path, two, history=history)["course_connections"]) == 2
    again = mapped(tmp_path, two, history=history)
    assert (again["course_connections"], again["withdrawn_connections"]) == ([], [])
    # One of them taken away, then both: what was proven stays.
    for fewer in ({"zoom.csv": class_reports.ZOOM}, {}):
        again = mapped(tmp_path, fewer, history=history)
        assert (again["course_connections"], again["withdrawn_connections"]) == ([], [])


def test_a_corrected_report_takes_back_what_it_no_longer_says_and_can_say_it_again(tmp_path: Path) -> None:
    history = tmp_path / "history.parquet"
    wrong, right = (
        ZOOM_HEAD + f"{ZOE},10/13/2026 {begin} AM,10/13/2026 11:00:00 AM,\n" for begin in ("08:00:00", "09:00:00")
    )
    (first,) = mapped(tmp_path, {"zoom.csv": wrong}, history=history)["course_connections"]
    corrected = mapped(tmp_path, {"zoom.csv": right}, history=history)
    assert stays(corrected) == [("12", "2026-10-13T07:00:00Z", "2026-10-13T09:00:00Z")]
    assert [row["connection_id"] for row in corrected["withdrawn_connections"]] == [first["connection_id"]]
    assert corrected["withdrawn_connections"][0]["reason"] == "The attendance report zoom.csv was corrected"
    back = mapped(tmp_path, {"zoom.csv": wrong}, history=history)
    # A withdrawal cannot be undone: the stay comes back under another id.
    assert [row["connection_id"] for row in back["course_connections"]] == [first["connection_id"] + "-1"]
    assert len(back["withdrawn_connections"]) == 1
    settled = mapped(tmp_path, {"zoom.csv": wrong}, history=history)
    assert (settled["course_connections"], settled["withdrawn_connections"]) == ([], [])


def test_another_session_in_the_table_moves_a_class(tmp_path: Path) -> None:
    history = tmp_path / "history.parquet"
    (first,) = mapped(tmp_path, {"zoom.csv": class_reports.ZOOM_FRENCH}, history=history)["course_connections"]
    moved = mapped(tmp_path, {"zoom.csv": class_reports.ZOOM_FRENCH}, history=history, session="S2")
    assert [row["session_id"] for row in moved["course_connections"]] == ["S2"]
    assert [row["connection_id"] for row in moved["withdrawn_connections"]] == [first["connection_id"]]


def test_a_user_who_is_not_delivered_any_more_keeps_what_was_proven(tmp_path: Path) -> None:
    history = tmp_path / "history.parquet"
    mapped(tmp_path, {"zoom.csv": class_reports.ZOOM_FRENCH}, history=history)
    later = mapped(tmp_path, {"zoom.csv": class_reports.ZOOM_FRENCH}, history=history, users=USERS[1:])
    assert (reasons(later), later["withdrawn_connections"]) == (["unknown_participant"], [])


def test_two_devices_at_once_are_two_connections(tmp_path: Path) -> None:
    line = f"{ZOE},10/13/2026 09:00:00 AM,10/13/2026 10:00:00 AM,60\n"
    assert len(stays(mapped(tmp_path, {"zoom.csv": ZOOM_HEAD + line + line}))) == 2


def test_the_day_of_the_class_settles_the_order_of_day_and_month_and_finds_the_wrong_report(tmp_path: Path) -> None:
    reports = {"zoom.csv": ZOOM_HEAD + f"{ZOE},05/10/2026 09:00:00,05/10/2026 10:00:00,60\n"}
    with pytest.raises(UserError, match=r"zoom.csv: no day beyond 12 .* column date"):
        mapped(tmp_path, reports)
    assert stays(mapped(tmp_path, reports, day_first=False))[0][1] == "2026-05-10T07:00:00Z"
    assert stays(mapped(tmp_path, reports, day=date(2026, 10, 5)))[0][1] == "2026-10-05T07:00:00Z"
    assert stays(mapped(tmp_path, reports, day=date(2026, 5, 10)))[0][1] == "2026-05-10T07:00:00Z"
    assert reasons(mapped(tmp_path, reports, day=date(2026, 10, 6), day_first=True)) == ["another_day"]


def test_a_time_zone_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"zoom.csv: nothing says the time zone .*10/13/2026 08:59:10 AM"):
        mapped(tmp_path, {"zoom.csv": class_reports.ZOOM}, timezone=None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (class_reports.ZOOM_UNIQUE, "untick Show unique users"),
        (class_reports.TEAMS_RUNNING, "Teams meeting that was still going on"),
        (class_reports.TEAMS_FIRST_AND_LAST, "the first join and the last leave alone"),
        ("Name,Email,Duration\nZoé,z@exemple.fr,32 min\n", "no times of joining and leaving"),
        ("Nombre,Hora de entrada,Hora de salida\nZoé,1,2\n", "Nombre, Hora de entrada, Hora de salida"),
        (ZOOM_HEAD + f"{ZOE},10/13/2026", "line 2 has 3 cells instead of 5: the file is cut"),
        ("", "it is empty"),
    ],
)
def test_another_report_says_what_it_is_and_what_to_download(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "report.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UnreadableTableError, match=words):
        read_report(path)


def test_the_table_says_which_report_is_which_class(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text(
        "Report;Session ID;Course ID;Course name;Date;Timezone\n"
        "teams-*.csv;S;C;;;\nzoom.csv;S;VC;Classe du 5 octobre;2026-10-05;America/Martinique\n",
        encoding="utf-8",
    )
    classes = read_classes(path)
    assert classes[1] == VirtualClass(
        3, "zoom.csv", "S", "VC", "Classe du 5 octobre", date(2026, 10, 5), "America/Martinique"
    )
    assert class_of("teams-12.csv", classes) == classes[0]
    assert class_of("meet.csv", classes) is None
    with pytest.raises(UserError, match="fits lines 2, 2"):
        class_of("teams-12.csv", [classes[0], classes[0]])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("report,session\nzoom.csv,S\n", "no column session_id, course_id; its headings are report, session"),
        ("report,session_id,course_id\nzoom.csv,,C\n", "line 2: session_id is empty"),
        ("report,session_id,course_id,date\nzoom.csv,S,C,05/10/2026\n", "line 2: '05/10/2026' is no date"),
        ("", "classes.csv: it is empty"),
    ],
)
def test_a_wrong_table_says_where_it_is_wrong(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "classes.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        read_classes(path)


def test_without_a_table_its_headings_are_told_and_without_aliases_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"classes.csv is not in .*report,session_id,course_id"):
        read_classes(tmp_path / "classes.csv")
    assert read_aliases(tmp_path / "aliases.csv") == []
