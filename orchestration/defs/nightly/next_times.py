"""When scheduled runs are next due, by the settings alone: nothing of Dagster is loaded."""

from __future__ import annotations

from datetime import datetime

from orchestration.home.paths import Home
from orchestration.home.settings import Settings, named_exports
from orchestration.home.times import next_time


def next_nightly(settings: Settings, now: datetime) -> datetime | None:
    """Return when, after `now` (aware), the nightly run is next due by the settings, in UTC; None when it is off."""
    nightly = settings.nightly
    return next_time(nightly.schedule, nightly.zone(settings.rules), now) if nightly.enabled else None


def next_cleaning(settings: Settings, now: datetime) -> datetime | None:
    """Return when, after `now` (aware), the home is next cleaned by the settings, in UTC; None when it never is."""
    due = settings.cleaning.schedule
    return next_time(due, settings.rules.display_timezone, now) if due else None


def next_exports(home: Home, settings: Settings, now: datetime) -> dict[str, datetime]:
    """Return when, after `now` (aware), each export with a schedule is next due, in UTC, by the export's name."""
    return {
        name: next_time(defined.schedule, settings.rules.display_timezone, now)
        for name, defined in named_exports(home).items()
        if defined.schedule
    }
