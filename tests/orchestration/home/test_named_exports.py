"""Exports defined in opco.toml: their periods, their mistakes, their jobs and schedules."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from orchestration.home.named_exports import Period
from orchestration.home.paths import HOME_VARIABLE, Home
from orchestration.home.settings import load_settings, named_exports
from warehouse.errors import UserError

MONTHLY = """
[exports.monthly]
schedule = "0 7 1 * *"
period = "last_month"
groups = ["g-1"]
format = "xlsx"
language = "fr"
recipients = ["formation@exemple.fr"]

[exports.by_hand]
sessions_ended = "yesterday"
"""


@pytest.mark.parametrize(
    ("period", "today", "first", "last"),
    [
        ("yesterday", "2026-03-01", "2026-02-28", "2026-02-28"),
        # The first of March 2026 is a Sunday.
        ("last_week", "2026-03-01", "2026-02-16", "2026-02-22"),
        ("this_week", "2026-03-01", "2026-02-23", "2026-03-01"),
        ("last_month", "2026-03-31", "2026-02-01", "2026-02-28"),
        ("last_month", "2028-03-01", "2028-02-01", "2028-02-29"),
        ("this_month", "2026-03-31", "2026-03-01", "2026-03-31"),
        ("last_quarter", "2026-01-15", "2025-10-01", "2025-12-31"),
        ("this_quarter", "2026-05-31", "2026-04-01", "2026-05-31"),
        ("last_year", "2026-02-28", "2025-01-01", "2025-12-31"),
        ("this_year", "2026-01-01", "2026-01-01", "2026-01-01"),
    ],
)
def test_periods(period: str, today: str, first: str, last: str) -> None:
    days = Period(period).days(date.fromisoformat(today))

    assert [day.isoformat() for day in days] == [first, last]


def test_definitions_are_read(home: Home) -> None:
    home.settings_file.write_text(MONTHLY)

    defined = named_exports(home)

    assert list(defined) == ["monthly", "by_hand"]
    assert defined["monthly"].period is Period.LAST_MONTH
    assert defined["by_hand"].schedule is None


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[exports.Monthly]\n", ["[exports.Monthly]", "small letters"]),
        ('[exports.m]\nperiod = "last_moon"\n', ["[exports.m]", "period", "last_moon", "last_month"]),
        ('[exports.m]\ngroup = ["a"]\n', ["[exports.m]", "unknown key `group`", "groups"]),
        ('[exports.m]\ngroups = "a"\n', ["[exports.m]", "groups", "list"]),
        ('[exports.m]\nformat = "xls"\n', ["[exports.m]", "format", "xlsx"]),
        ('[exports.m]\nsessions = ["S"]\nsessions_ended = "yesterday"\n', ["exclude each other"]),
        ("[exports]\nm = 1\n", ["[exports.NAME]"]),
        ("[export_s]\n", ["export_s", "Nearest: exports"]),
    ],
)
def test_mistakes_are_named(home: Home, toml: str, words: list[str]) -> None:
    home.settings_file.write_text(toml)
    with pytest.raises(UserError) as error:
        load_settings(home)
    for word in words:
        assert word in str(error.value)


@pytest.fixture
def definitions(home: Home, monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    from orchestration.defs.export.assets import defs

    home.settings_file.write_text(MONTHLY)
    monkeypatch.setenv(HOME_VARIABLE, str(home.folder))
    return defs()


def test_each_definition_is_a_job_and_each_time_a_running_schedule(definitions: dg.Definitions) -> None:
    assert {job.name for job in definitions.jobs or ()} == {"export", "export_monthly", "export_by_hand"}
    (schedule,) = definitions.schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.name, schedule.cron_schedule) == ("export_monthly_schedule", "0 7 1 * *")
    assert schedule.execution_timezone == "Europe/Paris"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_a_schedule_asks_for_the_day_that_it_was_due_in_the_display_time_zone(definitions: dg.Definitions) -> None:
    (schedule,) = definitions.schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    # Half past midnight of the first of December in Paris.
    due = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)

    with dg.DagsterInstance.ephemeral() as instance:
        asked = schedule.evaluate_tick(
            dg.build_schedule_context(instance=instance, scheduled_execution_time=due)
        ).run_requests

    assert asked is not None
    assert [request.run_config for request in asked] == [
        {"ops": {"opco_export": {"config": {"definition": "monthly", "today": "2026-12-01"}}}}
    ]


def test_a_secret_does_not_belong_in_the_file(home: Home) -> None:
    for key in ('[email]\npassword = "hunter2"\n', '[portal]\nsecret = "hunter2"\n'):
        home.settings_file.write_text(key)
        with pytest.raises(UserError, match="does not belong in a file") as error:
            load_settings(home)
        assert "hunter2" not in str(error.value)


def test_a_secret_is_never_shown(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.home.settings import settings_in_force

    monkeypatch.setenv("OPCO_PORTAL__SECRET", "0123456789" * 4)
    monkeypatch.setenv("OPCO_EMAIL__PASSWORD", "hunter2")
    said = repr(settings_in_force(home)) + repr(load_settings(home))
    assert "0123456789" not in said
    assert "hunter2" not in said

    monkeypatch.setenv("OPCO_PORTAL__SECRET", "tooshort")
    with pytest.raises(UserError, match="too short") as error:
        load_settings(home)
    assert "tooshort" not in str(error.value) + str(error.value.__cause__)


def test_recipients_may_be_a_list_or_words(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.settings_file.write_text('[email]\nallowed_recipients = ["exemple.fr", "a@b.fr"]\n')
    assert load_settings(home).email.allowed_recipients == ("exemple.fr", "a@b.fr")
    monkeypatch.setenv("OPCO_EMAIL__ALLOWED_RECIPIENTS", "c.fr, d@e.fr")
    assert load_settings(home).email.allowed_recipients == ("c.fr", "d@e.fr")


@pytest.mark.parametrize(
    "address", ["ftp://x", "opco.exemple.fr", "https://", "https://a.fr/?x=1", 'https://a.fr/"><b>']
)
def test_what_is_no_address_of_the_portal(home: Home, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("OPCO_PORTAL__BASE_URL", address)
    with pytest.raises(UserError, match=r"portal\.base_url"):
        load_settings(home)


def test_values_from_files(tmp_path: Path) -> None:
    from orchestration.defs.export.request import with_files_read

    listed = tmp_path / "list.txt"
    listed.write_bytes("\ufeffa@b.fr\r\n\r\n  Zoé \n@handle\n".encode())

    assert with_files_read(["u-1", f"@{listed}", "@@distance"], "--user") == [
        "u-1",
        "a@b.fr",
        "Zoé",
        "@handle",
        "@distance",
    ]


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "holds no value"), (b"\n \n", "holds no value"), (b"\xe9", "UTF-8")]
)
def test_files_without_values(tmp_path: Path, content: bytes, words: str) -> None:
    from orchestration.defs.export.request import with_files_read

    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(UserError, match=words):
        with_files_read([f"@{tmp_path / 'list.txt'}"], "--user")
    with pytest.raises(UserError, match="cannot be read"):
        with_files_read([f"@{tmp_path / 'gone.txt'}"], "--user")
