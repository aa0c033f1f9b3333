from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from dagster._utils.schedules import cron_string_iterator

from orchestration.defs.nightly.next_times import next_exports, next_nightly
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from orchestration.home.times import cron, next_time
from warehouse.errors import UserError
from warehouse.project import PROJECT_DIR


@pytest.mark.parametrize(
    ("message", "expression"),
    [("04:15", "15 4 * * *"), ("4:05", "5 4 * * *"), (" 0 7  1 * * ", "0 7 1 * *"), ("30 2 * * mon-fri",) * 2],
)
def test_times_of_day_and_cron_are_understood(message: str, expression: str) -> None:
    assert cron(message) == expression


@pytest.mark.parametrize(
    "message",
    ["", "24:00", "4:5", "every monday", "@daily", "* * * *", "* * * * * *", "60 4 * * *", "0 0 31 2 *", "0 4 L * *",
     "0 4 * * 1#2", "0 4 31 2 mon", "0 4 * * 1/2"],
)  # fmt: skip
def test_what_is_no_time_is_refused(message: str) -> None:
    with pytest.raises(ValueError, match="no time at which something could be due; write a time of day"):
        cron(message)


@pytest.mark.parametrize("weekdays", ["*", "mon-fri", "0,7", "*/2", "*/1", "1-7", "sun"])
@pytest.mark.parametrize("days", ["*", "1", "*/2", "1-31", "1,15", "*/40", "5-20/3"])
def test_days_of_the_month_and_of_the_week_are_either_for_dagster_and_for_us(days: str, weekdays: str) -> None:
    said = f"30 4 {days} * {weekdays}"
    now = datetime(2026, 11, 3, 12, 1, tzinfo=UTC)
    begun = cron_string_iterator(now.timestamp(), cron(said), "Europe/Paris")
    for _ in range(10):
        now = next_time(said, "Europe/Paris", now)
        assert now == next(begun).astimezone(UTC)


@pytest.mark.parametrize(
    ("message", "expression"),
    [
        ("0 7 1 * */2", "0 7 1 * 0,2,4,6"),
        ("0 7 1 * 1-7", "0 7 1 * *"),
        ("0 7 1-31 * 1", "0 7 * * 1"),
        ("0 7 */10 * sun", "0 7 1,11,21,31 * 0"),
    ],
)
def test_days_that_programs_understand_differently_are_listed(message: str, expression: str) -> None:
    assert cron(message) == expression


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/Martinique", "Indian/Reunion", "UTC"])
@pytest.mark.parametrize("message", ["04:15", "02:30", "0 7 1 * *", "*/20 6-8 * * 1-5", "0 3 * * 0"])
def test_a_run_is_due_when_dagster_begins_it(message: str, zone: str) -> None:
    # Two weeks before clocks move on, and two weeks before they go back.
    for start in (datetime(2026, 3, 20, 12, 1, tzinfo=UTC), datetime(2026, 10, 14, 12, 1, tzinfo=UTC)):
        begun = cron_string_iterator(start.timestamp(), cron(message), zone)
        now = start
        for _ in range(20):
            now = next_time(message, zone, now)
            assert now == next(begun).astimezone(UTC)


def test_the_next_runs_are_told_from_the_settings(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 25, 3, 20, tzinfo=UTC)
    home.settings_file.write_text('[exports.monthly]\nschedule = "0 7 1 * *"\n[exports.by_hand]\n')
    assert next_nightly(load_settings(home), now) is None
    monkeypatch.setenv("OPCO_NIGHTLY__ENABLED", "true")
    assert next_nightly(load_settings(home), now) == datetime(2026, 11, 26, 3, 15, tzinfo=UTC)
    monkeypatch.setenv("OPCO_NIGHTLY__TIMEZONE", "Indian/Reunion")
    assert next_nightly(load_settings(home), now) == datetime(2026, 11, 26, 0, 15, tzinfo=UTC)
    monkeypatch.setenv("OPCO_NIGHTLY__SCHEDULE", "0 22 * * 1")
    assert next_nightly(load_settings(home), now) == datetime(2026, 11, 30, 18, 0, tzinfo=UTC)
    assert next_exports(home, load_settings(home), now) == {"monthly": datetime(2026, 12, 1, 6, 0, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('[nightly]\nschedule = "25:00"\n', ["nightly.schedule", "'25:00'", "a time of day"]),
        ('[nightly]\ntimezone = "Europe/Pari"\n', ["nightly.timezone", "Europe/Paris", "IANA"]),
        ('[nightly]\nexports = ["monthly"]\n[exports.month]\n', ["nightly.exports", "monthly", "NAME]: month"]),
        ("[nightly]\nattest_after_days = -1\n", ["nightly.attest_after_days", "from 0 to 365"]),
        ("[nightly]\nenabled = 3\n", ["nightly.enabled", "true, false"]),
        ('[arrivals]\ncomplete_when = "later"\n', ["arrivals.complete_when", "done_file, quiet"]),
        ('[exports.m]\nschedule = "at dawn"\n', ["[exports.m]", "schedule", "'at dawn'", "seven in the morning"]),
    ],
)
def test_a_mistake_in_the_settings_of_the_night_is_named(home: Home, toml: str, words: list[str]) -> None:
    home.settings_file.write_text(toml)
    with pytest.raises(UserError) as error:
        load_settings(home)
    for word in words:
        assert word in str(error.value)


def test_telling_the_next_runs_loads_nothing_of_dagster() -> None:
    script = (
        "import sys; from orchestration.defs.nightly.next_times import next_nightly\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'dagster', 'dbt', 'weasyprint'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PROJECT_DIR)
    assert done.stdout.strip() == "[]"
