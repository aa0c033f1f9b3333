"""Pictures of time, as numbers for the templates to draw: the words beside them are HTML."""

from __future__ import annotations

from calendar import Calendar
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate, pairwise
from typing import Literal

from reports.attestation.calendar_sheets import LIMITS

Unit = Literal["day", "week", "month"]

WIDTH, HEIGHT = 1000, 200
MOST_DAYS, MOST_WEEKS = 100, 100
"""So many columns stay wide enough to be seen; a longer time is drawn in larger steps."""
MOST_YEARS = 30
"""A session that is longer has no end that anybody means."""
STEPS_SECONDS = tuple(minutes * 60 for minutes in (1, 2, 5, 10, 15, 30)) + tuple(
    hours * 3600 for hours in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
)
MOST_LINES = 4


@dataclass(frozen=True)
class Column:
    """The retained seconds of one day, week (from Monday on) or month, which begins on `first`."""

    first: date
    last: date
    seconds: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class ColumnChart:
    """Columns in a box of `WIDTH` by `HEIGHT`; `lines` are (seconds, y) of the scale, the highest first."""

    unit: Unit
    columns: tuple[Column, ...]
    lines: tuple[tuple[int, float], ...]
    first: date
    last: date


def column_chart(days: Sequence[tuple[date, int]], starts_on: date | None, ends_on: date | None) -> ColumnChart | None:
    """Return the chart of the seconds of each day, from the session's beginning to its end and no connection left out.

    Of a session of more than `MOST_YEARS`, from the first connection to the last. None where there is no connection.
    """
    if not days:
        return None
    first, last = days[0][0], days[-1][0]
    begin, end = min(first, starts_on or first), max(last, ends_on or last)
    if end.year - begin.year <= MOST_YEARS:
        first, last = begin, end
    count = (last - first).days + 1
    unit: Unit = "day" if count <= MOST_DAYS else "week" if count <= MOST_WEEKS * 7 else "month"
    sums: defaultdict[date, int] = defaultdict(int)
    for day, seconds in days:
        sums[_begin(day, unit)] += seconds
    begins = [_begin(first, unit)]
    while (following := _next(begins[-1], unit)) <= last:
        begins.append(following)
    return _drawn(unit, [(begin, sums[begin]) for begin in begins])


def week_chart(weeks: Sequence[tuple[date, int]]) -> ColumnChart | None:
    """Return the chart of the seconds of each week, given by its Monday, none left out; None where there is no time."""
    return _drawn("week", weeks) if any(seconds for _, seconds in weeks) else None


def _drawn(unit: Unit, steps: Sequence[tuple[date, int]]) -> ColumnChart:
    """Return the columns of `steps`, each its first day and its seconds; every step of the unit is there, in order."""
    scale = _scale(max(seconds for _, seconds in steps))
    top = scale[0]
    width = WIDTH / len(steps)
    columns = tuple(
        Column(
            first=first,
            last=_next(first, unit) - timedelta(days=1),
            seconds=seconds,
            x=round(number * width + width * 0.1, 2),
            y=round(HEIGHT - HEIGHT * seconds / top, 2),
            width=round(width * 0.8, 2),
            height=round(HEIGHT * seconds / top, 2),
        )
        for number, (first, seconds) in enumerate(steps)
    )
    lines = tuple((seconds, round(HEIGHT - HEIGHT * seconds / top, 2)) for seconds in scale)
    return ColumnChart(unit, columns, lines, columns[0].first, columns[-1].last)


def shares(seconds: Sequence[int]) -> list[float]:
    """Return each of `seconds` as a share of the largest, in percent, for the length of its bar."""
    most = max(seconds, default=0)
    return [round(100 * one / most, 2) if most else 0.0 for one in seconds]


@dataclass(frozen=True)
class Piece:
    """A piece of a bar of width 100: where it begins, and how long it is."""

    x: float
    width: float


def pieces(seconds: Sequence[int]) -> list[Piece]:
    """Return the pieces of a bar that `seconds` make together, in their order."""
    whole = sum(seconds)
    ends = [100 * end / whole if whole else 0.0 for end in accumulate(seconds, initial=0)]
    return [Piece(round(begin, 2), round(end - begin, 2)) for begin, end in pairwise(ends)]


@dataclass(frozen=True)
class Month:
    """A month as its calendar shows it: `weeks` of seven days from Monday on, None where it is another month's."""

    first: date
    seconds: int
    weeks: tuple[tuple[date | None, ...], ...]


def month_of(first: date, seconds: int) -> Month:
    """Return the calendar of the month that begins on `first`, in which `seconds` were spent."""
    weeks = Calendar().monthdatescalendar(first.year, first.month)
    return Month(
        first, seconds, tuple(tuple(day if day.month == first.month else None for day in week) for week in weeks)
    )


def shade(seconds: int) -> int:
    """Return how dark a day with a connection is drawn, from 0 for no time on, as the attestation's calendar does."""
    return 1 + sum(seconds >= limit for limit in LIMITS) if seconds else 0


def _begin(day: date, unit: Unit) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day


def _next(begin: date, unit: Unit) -> date:
    if unit == "month":
        return (begin + timedelta(days=31)).replace(day=1)
    return begin + timedelta(days=7 if unit == "week" else 1)


def _scale(most: int) -> list[int]:
    """Return round numbers of seconds from the top of the scale down to 0."""
    step = next((one for one in STEPS_SECONDS if one * MOST_LINES >= most), STEPS_SECONDS[-1])
    while step * MOST_LINES < most:
        step *= 10
    return [step * number for number in range(max(1, -(-most // step)), -1, -1)]
