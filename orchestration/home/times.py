"""Times at which a run is due: a time of day, or a cron expression of five fields, in a time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

# What cron programs agree on: no L, W and #.
FIELD = re.compile(
    r"(?:[0-9*,/-]|SUN|MON|TUE|WED|THU|FRI|SAT|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)+", re.IGNORECASE
)
# A step from one weekday on, as 1/2: some go on to Saturday, some to the Sunday after it.
LONE_WEEKDAY = re.compile(r"(^|,)\w+/")
DAYS_OF_MONTH, DAYS_OF_WEEK = 31, 7
TIME_OF_DAY = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
HOW_TO_WRITE = (
    'write a time of day, such as "04:15", or five fields: minute, hour, day of the month, month, day of the week; '
    '"0 7 1 * *" is seven in the morning on the first of each month'
)


def cron(text: str) -> str:
    """Return what `text` says as a cron expression of five fields. Raises ValueError when it is no time."""
    given = " ".join(text.split())
    if time_of_day := TIME_OF_DAY.fullmatch(given):
        hour, minute = map(int, time_of_day.groups())
        return f"{minute} {hour} * * *"
    try:
        fields = given.split()
        if len(fields) != 5 or not all(map(FIELD.fullmatch, fields)) or LONE_WEEKDAY.search(fields[-1]):
            raise CronSimError
        times = CronSim(given, datetime(2000, 1, 1))  # noqa: DTZ001 - in no zone
        # A day that never comes, such as the 31st of February, is found by searching for it; also beside weekdays.
        for searched in (times, CronSim(" ".join((*fields[:4], "*")), datetime(2000, 1, 1))):  # noqa: DTZ001
            next(searched)
    except (CronSimError, StopIteration) as error:
        raise ValueError(f"no time at which something could be due; {HOW_TO_WRITE}") from error
    return _with_days_listed(fields, times)


def last_time(text: str, zone: str, now: datetime) -> datetime:
    """Return the last instant before `now` (aware) at which `text` was due in the time zone `zone`; UTC."""
    before: datetime = next(CronSim(cron(text), now.astimezone(ZoneInfo(zone)), reverse=True))
    return before.astimezone(UTC)


def _with_days_listed(fields: list[str], times: CronSim) -> str:
    """Return the expression with one meaning where both days of the month and days of the week are named: either.

    Programs differ where one of them begins with a star, as */2 does, and agree on days that are listed one by one.
    """
    minute, hour, days, month, weekdays = fields
    if "*" not in (days, weekdays):
        # Sunday is 0 and 7.
        of_week = sorted({day % 7 for day in times.weekdays if isinstance(day, int)})
        days = "*" if len(times.days) == DAYS_OF_MONTH else ",".join(map(str, sorted(times.days)))
        weekdays = "*" if len(of_week) == DAYS_OF_WEEK else ",".join(map(str, of_week))
    return " ".join((minute, hour, days, month, weekdays))


def checked_time(text: str) -> str:
    """Return `text` as it is. Raises ValueError when it is no time."""
    cron(text)
    return text


def next_time(text: str, zone: str, now: datetime) -> datetime:
    """Return the first instant after `now` (aware) at which `text` is due in the time zone `zone`; UTC.

    As Dagster has it, a time of day that clocks skip is due when they have moved on, and one that they repeat is due
    the second time. Errors as `cron`.
    """
    expression = cron(text)
    due: datetime = next(CronSim(expression, now.astimezone(ZoneInfo(zone))))
    is_time_of_day = not any(field.startswith("*") for field in expression.split()[:2])
    return (due.replace(fold=1) if is_time_of_day else due).astimezone(UTC)
