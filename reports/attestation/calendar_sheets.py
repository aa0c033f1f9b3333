"""The calendar of a learner's days (A3): one cell a day, shaded by the time spent, a row a month."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from reports.attestation.model import Day, Session
from reports.attestation.wording import Wording

# In points. Text and cells share a grid: characters of one width, 0.6 em of 6 pt each.
CHARACTER = 3.6
ROW = 10.0
LABEL_CHARACTERS = 12
DAY_CHARACTERS = 4
DAY_WIDTH = DAY_CHARACTERS * CHARACTER
CELL_WIDTH, CELL_HEIGHT = 13.0, 7.6
# The whole stretch is shown where it has at most so many months, else the months with a connection alone.
MONTHS_SHOWN = 13
MONTHS_ON_A_SHEET = 24
# Seconds of a day from which each darker shade begins, after the first.
SHADES = ("#b9d2e6", "#7fabcf", "#417dad", "#17456b")
LIMITS = (1800, 3600, 7200)
EMPTY, OUTLINE, HOLLOW, WEEKEND, OUTSIDE = "#e9eef3", "#17456c", "#ffffff", "#8a97a5", "#b3541e"
WIDTHS = {HOLLOW: CELL_HEIGHT - 1.4, WEEKEND: 0.6, OUTSIDE: 1.2}
SATURDAY = 5


@dataclass(frozen=True)
class Stroke:
    """All cells of one look as one SVG path of thick lines, in points: fewer commands than rectangles take.

    Days that follow each other are one line with gaps: `dashes` are the widths of a cell and of a gap.
    """

    colour: str
    width: float
    dashes: str
    path: str


@dataclass(frozen=True)
class Sheet:
    """One drawing, with the text between its cells: day numbers, names of months, legend."""

    text: str
    strokes: tuple[Stroke, ...]
    width: float
    height: float


def print_calendar(days: Sequence[Day], session: Session, wording: Wording) -> tuple[Sheet, ...]:
    """Draw the days with a connection, in order (at least one), at most 24 months a sheet.

    The stretch reaches from the session's start, or the first connection, to its end, or the last connection.
    """
    first = min(day for day in (days[0].on, session.starts_on) if day)
    last = max(day for day in (days[-1].on, session.ends_on) if day)
    if _number(last) - _number(first) < MONTHS_SHOWN:
        months = [(number // 12, number % 12 + 1) for number in range(_number(first), _number(last) + 1)]
    else:
        months = sorted({(day.on.year, day.on.month) for day in days})
    by_day = {one.on: one for one in days}
    bounds = (session.starts_on or first, session.ends_on or last)
    starts = range(0, len(months), MONTHS_ON_A_SHEET)
    return tuple(
        _sheet(months[start : start + MONTHS_ON_A_SHEET], by_day, bounds, wording, has_legend=start == starts[-1])
        for start in starts
    )


def _sheet(
    months: Sequence[tuple[int, int]],
    by_day: dict[date, Day],
    bounds: tuple[date, date],
    wording: Wording,
    *,
    has_legend: bool,
) -> Sheet:
    # By look: left and height of the first cell of each line, and how many cells it has.
    runs: dict[str, list[tuple[float, float, int]]] = {
        look: [] for look in (EMPTY, *SHADES, OUTLINE, HOLLOW, WEEKEND, OUTSIDE)
    }
    lines = [" " * LABEL_CHARACTERS + "".join(str(day).center(DAY_CHARACTERS) for day in range(1, 32)).rstrip()]

    def draw(look: str, x: float, y: float) -> None:
        if look == OUTLINE:
            draw(HOLLOW, x + 0.7, y)
        left, height, count = runs[look][-1] if runs[look] else (0.0, 0.0, 0)
        if height == y and abs(left + count * DAY_WIDTH - x) < CHARACTER:
            runs[look][-1] = (left, height, count + 1)
        else:
            runs[look].append((x, y, 1))

    for row, (year, month) in enumerate(months, start=1):
        lines.append(wording.short_month(year, month))
        y = (row + 0.5) * ROW
        for number in range(1, monthrange(year, month)[1] + 1):
            day = date(year, month, number)
            x = LABEL_CHARACTERS * CHARACTER + DAY_WIDTH * (number - 1)
            is_inside = bounds[0] <= day <= bounds[1]
            if day not in by_day and not is_inside:
                continue
            draw(_look(by_day.get(day)), x, y)
            if day.weekday() >= SATURDAY:
                draw(WEEKEND, x, y + CELL_HEIGHT / 2 + 0.6)
            if not is_inside:
                draw(OUTSIDE, x, y - CELL_HEIGHT / 2)
    if has_legend:
        line, y = " " * LABEL_CHARACTERS, (len(months) + 1.5) * ROW
        looks = (EMPTY, *SHADES, OUTLINE, WEEKEND, OUTSIDE)
        for look, words in zip(looks, wording.shades, strict=True):
            if look == OUTSIDE and all(bounds[0] <= day <= bounds[1] for day in by_day):
                continue
            draw(look, len(line) * CHARACTER, y)
            line += f"{' ' * DAY_CHARACTERS} {words}  "
        lines.append(line.rstrip())
    strokes = tuple(_stroke(look, lines_of) for look, lines_of in runs.items() if lines_of)
    width = (LABEL_CHARACTERS + DAY_CHARACTERS * 31) * CHARACTER
    return Sheet("\n".join(lines), strokes, round(width, 1), (len(months) + 1 + has_legend) * ROW)


def _stroke(look: str, runs: Sequence[tuple[float, float, int]]) -> Stroke:
    """Return the lines of one look: left and height of each, and how many cells it has."""
    cell = CELL_WIDTH - 1.4 if look == HOLLOW else CELL_WIDTH
    path = "".join(f"M{x:g} {y:g}h{(count - 1) * DAY_WIDTH + cell:g}" for x, y, count in runs)
    return Stroke(look, WIDTHS.get(look, CELL_HEIGHT), f"{cell:g} {DAY_WIDTH - cell:g}", path)


def _look(day: Day | None) -> str:
    """Return the colour of a day's cell; a day of open or empty connections alone is an outline."""
    if day is None:
        return EMPTY
    if not day.retained_seconds:
        return OUTLINE
    return SHADES[sum(day.retained_seconds >= limit for limit in LIMITS)]


def _number(day: date) -> int:
    return day.year * 12 + day.month - 1
