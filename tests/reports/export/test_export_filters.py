"""Filters (E): what they keep, and what they say about a value that matches nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from pydantic import ValidationError

from reports.export.filters import ExportFilters, check_filters, where_clause
from reports.export.write import ExportOptions, count_lines, write_export
from tests.export_counts import independent_count
from warehouse.errors import UserError
from warehouse.published import open_published

Export = Callable[..., str]

# The fourth cell from the end and the one after it tell the lines apart.
LINES = {
    "c20": "Excel;25/10/2026 02:30",
    "c2": "Excel;25/10/2026 23:59",
    "c4": "Excel;02/11/2026 09:00;02/11/2026 09:01",
    "c5": "Excel;02/11/2026 09:00;02/11/2026 09:30",
    "c6": "Excel;25/10/2026 00:00",
    "c7": "Excel;01/07/2026 02:00",
    "c8": "'-Oral;29/03/2026 01:59",
    "c9": "Excel;24/10/2026 23:59",
    "c10": "Word;02/11/2026 09:00",
}


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        # Local days: 23:59 in Paris is still the 24th, 22:00 UTC on the 24th is already the 25th.
        ({"date_to": "2026-10-24"}, "c7 c8 c9"),
        ({"date_from": "2026-10-25"}, "c20 c2 c4 c5 c6 c10"),
        ({"date_from": "2026-10-25", "date_to": "2026-10-25"}, "c20 c2 c6"),
        ({"users": ["ANAIS.dupont@exemple.FR"]}, "c20 c2 c4 c5 c10"),
        ({"users": ["anonyme@exemple.fr"]}, "c9"),
        ({"users": ["U7", "U8"]}, "c7 c8"),
        ({"groups": ["Lille-Centre"]}, "c9"),
        ({"groups": ["G2"]}, "c7 c9"),
        ({"groups": ["Région Nord"]}, "c20 c2 c4 c5 c7 c9 c10"),
        ({"groups": ["G3", "Lille"]}, "c7 c9"),
        # An accent written apart from its letter is the same letter.
        ({"groups": ["Re\u0301gion Nord"]}, "c20 c2 c4 c5 c7 c9 c10"),
        ({"sessions": ["S10"]}, "c4 c6"),
        # Two sessions have this name.
        ({"sessions": ["Bureautique, automne"]}, "c20 c2 c4 c5 c6 c7 c9 c10"),
        ({"sessions": ["@distance", "S10"]}, "c4 c6 c8"),
        ({"groups": ["G2"], "sessions": ["S9"], "date_from": "2026-10-01"}, "c9"),
        ({"users": ["U99", "U100"], "sessions": ["S10"]}, "c4 c6"),
        ({"users": ["U7"], "groups": [], "sessions": [], "by_id": True}, "c7"),
        # By id beside names: sessions are one filter, however they are named.
        ({"session_ids": ["S10"]}, "c4 c6"),
        ({"sessions": ["@distance"], "session_ids": ["S10"]}, "c4 c6 c8"),
        ({"where": ["Site=Lille"]}, "c20 c2 c4 c5 c10"),
        # Two fields have this title, each of which counts.
        ({"where": ["Site=+1"]}, "c8"),
        ({"where": ["CF6=+1"]}, "c8"),
        ({"where": ["Site=Lille", "Site = Arras"]}, "c20 c2 c4 c5 c6 c10"),
        # Several fields hold together.
        ({"where": ["Site=Lille", "Site=@", 'Dossier "n°"; suite=D-1']}, "c20 c2 c4 c5 c10"),
        # A title with the sign in it, and a date as it is printed and as it is kept.
        ({"where": ["=1+1==2"]}, "c8"),
        ({"where": ["Entre\u0301e=01/09/2025"]}, "c20 c2 c4 c5 c10"),
        ({"where": ["Entrée=2025-09-01", "Entrée=02/01/0987"], "sessions": ["S9", "@distance"]}, "c20 c2 c5 c8 c10"),
        ({"where": ["CF5=Lille"], "by_id": True}, "c20 c2 c4 c5 c10"),
        ({"groups": ["G2"], "sessions": ["S9"], "by_id": True}, "c7 c9"),
    ],
)
def test_filters_keep_the_lines_they_name(export: Export, filters: dict[str, object], kept: str) -> None:
    text = export(**filters)

    assert {name for name, line in LINES.items() if line in text} == set(kept.split())


@pytest.mark.parametrize(
    ("wanted", "headers"),
    [
        (["Site"], "Email;Site;Site;Additional information"),
        (["CF6", "CF4"], "Email;Entrée;Site;Additional information"),
        (["Email"], "Email;Email;Additional information"),
        ([], 'Email;\'=1+1;"Dossier ""n°""; suite";Email;Entrée;Site;Site;Additional information'),
    ],
)
def test_custom_fields_choose_the_columns(export: Export, wanted: list[str], headers: str) -> None:
    assert export(custom_fields=wanted).startswith(f"\ufeffLast name;First name;{headers};")


@pytest.mark.parametrize(
    ("filters", "complaint"),
    [
        (
            {"users": ["zoé@exemple.fr"]},
            'No user "zoé@exemple.fr" in the warehouse. Nearest: "zoe@exemple.fr", ',
        ),
        # Ids are case-sensitive; the nearest is found in any case.
        ({"users": ["u99"]}, 'No user "u99" in the warehouse. Nearest: "U99", "U9", "U10".'),
        (
            {"groups": ["lille"]},
            'No group "lille" in the warehouse. Nearest: "Lille", "G1", "G2".',
        ),
        (
            {"sessions": ["S99"]},
            'No session "S99" in the warehouse. Nearest: "S9", "S10", "+33".',
        ),
        (
            {"custom_fields": ["site"]},
            'No custom field "site" in the warehouse. Nearest: "Site", "=1+1", "CF1".',
        ),
        # A name is no id.
        (
            {"session_ids": ["Bureautique, automne"]},
            'No session id "Bureautique, automne" in the warehouse. Nearest: ',
        ),
        ({"where": ["Sit=Lille"]}, 'No custom field "Sit" in the warehouse. Nearest: "Site", '),
        ({"where": ["Site=Lille"], "by_id": True}, 'No custom field "Site" in the warehouse. Nearest: "Site", '),
        (
            {"where": ["Site=Lille", "Site=lille"]},
            'No value "lille" of the custom field "Site" in the warehouse. Nearest: "Lille", "+1", "@".',
        ),
        (
            {"where": ["Entrée=02/09/2025"]},
            'No value "02/09/2025" of the custom field "Entrée" in the warehouse. Nearest: "01/09/2025", "02/01/0987".',
        ),
    ],
)
def test_a_value_that_matches_nothing_is_named_with_the_nearest(
    published: Path, tmp_path: Path, filters: dict[str, object], complaint: str
) -> None:
    with pytest.raises(UserError) as raised:
        write_export(published, tmp_path / "export.csv", ExportFilters.model_validate(filters), ExportOptions())

    assert str(raised.value).startswith(complaint)
    assert list(tmp_path.iterdir()) == []


def test_all_unknown_values_are_told_at_once_up_to_ten(published: Path, tmp_path: Path) -> None:
    filters = ExportFilters(users=("Nobody",), sessions=tuple(f"none {number}" for number in range(12)))

    with pytest.raises(UserError) as raised:
        write_export(published, tmp_path / "export.csv", filters, ExportOptions())

    lines = str(raised.value).splitlines()
    assert len(lines) == 11
    assert lines[0].startswith('No user "Nobody"')
    assert lines[-1] == "… and 3 more values that match nothing."


def test_dates_the_wrong_way_round() -> None:
    with pytest.raises(UserError, match=r"last day \(2026-01-01\) is before its first \(2026-01-02\)"):
        ExportFilters.model_validate({"date_from": "2026-01-02", "date_to": "2026-01-01"})


def test_a_blank_value() -> None:
    with pytest.raises(UserError, match="blank group"):
        ExportFilters(groups=("  ",))


@pytest.mark.parametrize("condition", ["Site", "Site=", "=Lille", " = "])
def test_a_condition_without_a_field_or_a_value(condition: str) -> None:
    with pytest.raises(UserError, match="Write it like OPCO=Akto"):
        ExportFilters(where=(condition,))


def test_a_condition_that_two_fields_give_a_meaning_is_not_guessed_at(published_sql: str) -> None:
    with duckdb.connect() as build:
        build.execute(published_sql)
        build.execute("insert into dim_custom_fields values ('CF7', 'Site=Lille', 'string', 'x', 7)")
        build.execute(
            "insert into bridge_learner_custom_fields values ('U7', 'CF7', 'Site=Lille', 'string', 'Est', null)"
        )
        check_filters(build, ExportFilters(where=("Site=Lille=Est",)))
        build.execute(
            "insert into bridge_learner_custom_fields values ('U8', 'CF5', 'Site', 'string', 'Lille=Est', null)"
        )
        with pytest.raises(UserError, match=r"can mean each of the custom fields 'Site', 'Site=Lille'"):
            check_filters(build, ExportFilters(where=("Site=Lille=Est",)))
        check_filters(build, ExportFilters(where=("CF7=Est", "CF5=Lille=Est")))


def test_an_unknown_filter() -> None:
    with pytest.raises(ValidationError, match="courses"):
        ExportFilters.model_validate({"courses": ["Excel"]})


def test_by_id_nothing_is_meant_but_the_id_itself(tmp_path: Path) -> None:
    """A name that is another's id, and an id that only looks like one (its accent written apart), name nothing."""
    with duckdb.connect(str(tmp_path / "x.duckdb")) as build:
        build.execute("create table dim_program_sessions (session_id varchar, session_name varchar)")
        build.execute(
            "insert into dim_program_sessions values ('S-\u00e9', 'Une'), ('S-e\u0301', 'Deux'), ('S-3', 'S-\u00e9')"
        )
        build.execute("create table fct_opco_connections as select session_id from dim_program_sessions")

        def kept(**filters: object) -> list[str]:
            wanted = ExportFilters.model_validate(filters)
            check_filters(build, wanted)
            condition, parameters = where_clause(wanted)
            query = f"select session_id from fct_opco_connections as fact where {condition} order by all"
            return [found for (found,) in build.execute(query, parameters).fetchall()]

        assert kept(sessions=["S-\u00e9"], by_id=True) == ["S-\u00e9"]
        assert len(kept(sessions=["S-\u00e9"])) == 3
        for name in ("Une", "S-E\u0301"):
            with pytest.raises(UserError, match="No session"):
                kept(sessions=[name], by_id=True)


DAYS: tuple[dict[str, str], ...] = (
    {},
    {"date_to": "2026-10-24"},
    {"date_from": "2026-10-25"},
    {"date_from": "2026-10-24", "date_to": "2026-10-25"},
)
USERS = ((), ("ANAIS.dupont@exemple.FR",), ("U7", "U8"), ("U99", "U100"))
GROUPS = ((), ("Lille-Centre",), ("G2",), ("Re\u0301gion Nord", "G3"))
SESSIONS = ((), ("S10",), ("Bureautique, automne",), ("@distance", "S9"))


def test_another_query_counts_the_same_lines(published: Path) -> None:
    with open_published(published) as db:
        for days, users, groups, sessions in itertools.product(DAYS, USERS, GROUPS, SESSIONS):
            filters = ExportFilters.model_validate({**days, "users": users, "groups": groups, "sessions": sessions})
            assert count_lines(db, filters).rows == independent_count(db, filters, "Europe/Paris"), filters
        for by_id in ({"users": ("U7",)}, {"groups": ("G2",)}, {"sessions": ("S9", "S10")}):
            filters = ExportFilters.model_validate({**by_id, "by_id": True})
            assert count_lines(db, filters).rows == independent_count(db, filters, "Europe/Paris") > 0, filters
