"""The days of `dim_dates`: public holidays of each territory, and the instants that bound days and nights."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import duckdb
import pytest

from orchestration.home.sections.proof import CalendarSettings
from warehouse.contract import project_vars
from warehouse.model_sql import Models

# As almanacs print them.
EASTER_SUNDAYS = (
    *("2000-04-23", "2001-04-15", "2002-03-31", "2003-04-20", "2004-04-11", "2005-03-27", "2006-04-16", "2007-04-08"),
    *("2008-03-23", "2009-04-12", "2010-04-04", "2011-04-24", "2012-04-08", "2013-03-31", "2014-04-20", "2015-04-05"),
    *("2016-03-27", "2017-04-16", "2018-04-01", "2019-04-21", "2020-04-12", "2021-04-04", "2022-04-17", "2023-04-09"),
    *("2024-03-31", "2025-04-20", "2026-04-05", "2027-03-28", "2028-04-16", "2029-04-01", "2030-04-21", "2031-04-13"),
)
CLOCK = datetime(2026, 11, 10, 18, tzinfo=UTC)
ADDED: dict[str, set[str]] = {
    "metropole": set(),
    "alsace_moselle": {"Vendredi saint", "Saint-Étienne"},
    "guadeloupe": {"Abolition de l’esclavage"},
    "martinique": {"Abolition de l’esclavage"},
    "guyane": {"Abolition de l’esclavage"},
    "la_reunion": {"Abolition de l’esclavage"},
    "mayotte": {"Abolition de l’esclavage"},
    "saint_barthelemy": {"Abolition de l’esclavage"},
    "saint_martin": {"Abolition de l’esclavage"},
}


def days(**variables: Any) -> duckdb.DuckDBPyConnection:
    """Return a database that holds `dim_dates`, made with dbt's vars that differ from the defaults."""
    db = duckdb.connect()
    models = Models(db, {**project_vars(), **variables})
    db.execute("set TimeZone = 'UTC'")
    db.execute("create table stg_this_build as select timezone('UTC', $clock) as clock_at", {"clock": CLOCK})
    models.made.add("stg_this_build")
    models.table_of("dim_dates")
    return db


@pytest.fixture(scope="module")
def metropole() -> duckdb.DuckDBPyConnection:
    return days()


def holidays(db: duckdb.DuckDBPyConnection) -> Mapping[date, str]:
    return dict(db.execute("select day_on, holiday_fr from dim_dates where is_holiday").fetchall())


def test_easter_is_that_of_the_calendar(metropole: duckdb.DuckDBPyConnection) -> None:
    found = holidays(metropole)
    for sunday in map(date.fromisoformat, EASTER_SUNDAYS):
        assert found[sunday + timedelta(days=1)] == "Lundi de Pâques"
        assert found[sunday + timedelta(days=50)] == "Lundi de Pentecôte"
        # In 2008 Ascension fell on 1 May.
        assert found[sunday + timedelta(days=39)] == ("Fête du Travail" if sunday.year == 2008 else "Ascension")
        assert sum(day.year == sunday.year for day in found) == 10 + (sunday.year != 2008)


def test_every_day_is_there_once(metropole: duckdb.DuckDBPyConnection) -> None:
    assert metropole.execute("select min(day_on), max(day_on), count(*) from dim_dates").fetchall() == [
        (date(1999, 12, 31), date(2031, 12, 31), (date(2031, 12, 31) - date(1999, 12, 31)).days + 1)
    ]
    found = metropole.execute(
        "select week, month, week_begins_on, weekday_number, is_weekend from dim_dates where day_on = date '2027-01-02'"
    ).fetchall()
    assert found == [("2026-W53", "2027-01", date(2026, 12, 28), 6, True)]


@pytest.mark.parametrize("territory", ADDED)
def test_a_territory_has_what_the_labour_code_adds(territory: str, metropole: duckdb.DuckDBPyConnection) -> None:
    found = holidays(days(calendar={"territory": territory}))
    added = {day: name for day, name in found.items() if day not in holidays(metropole)}
    assert set(added.values()) == ADDED[territory]
    assert sum(day.year == 2026 for day in added) == len(ADDED[territory])


def test_every_territory_can_be_set() -> None:
    assert set(get_args(CalendarSettings.model_fields["territory"].annotation)) == set(ADDED)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Paris", date(2026, 3, 29), 23),
        ("Europe/Paris", date(2026, 10, 25), 25),
        # Midnight exists twice: the day begins with the first one.
        ("America/Havana", date(2026, 11, 1), 25),
        # Midnight does not exist: the day begins at one.
        ("America/Santiago", date(2026, 9, 6), 23),
        ("Pacific/Marquesas", date(2026, 9, 6), 24),
    ],
)
def test_days_are_bounded_where_the_clock_changes(zone: str, day: date, hours: int) -> None:
    db = days(display_timezone=zone)
    ((begins_at, ends_at),) = db.execute("select begins_at, ends_at from dim_dates where day_on = $1", [day]).fetchall()
    assert ends_at - begins_at == timedelta(hours=hours)
    # As connected_on of fct_opco_connections has it.
    for instant, local_day in ((begins_at, day), (begins_at - timedelta(seconds=1), day - timedelta(days=1))):
        read = db.execute(f"select cast(timezone('{zone}', timezone('UTC', $1::timestamp)) as date)", [instant])
        assert read.fetchall() == [(local_day,)]
