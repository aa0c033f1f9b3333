"""The log of connections as lines of fixed columns (A5).

A table costs WeasyPrint several times as much as preformatted lines, so the columns are made of
characters of one width.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from reports.attestation.model import Build, CodeText, LogLine
from reports.attestation.wording import DASH, Wording, clock_time, duration, short_date

# 118 characters of Fira Mono at 7.2 pt fill the 180 mm between the margins.
LINE_CHARACTERS = 118
GAP = "  "
SIGNS = "*†‡§¶#"


@dataclass(frozen=True)
class PrintedLine:
    """One connection: its preformatted text, or the three parts of a line whose name has other widths."""

    text: str
    before: str
    course: str
    after: str
    detail: str


@dataclass(frozen=True)
class PrintedLog:
    """A log ready for the page; `name_left` and `name_right` are characters beside the course column."""

    head: str
    lines: tuple[PrintedLine, ...]
    total: str
    notes: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    name_left: int
    name_right: int


def print_log(
    log: Sequence[LogLine],
    wording: Wording,
    build: Build,
    inexplicit_ends: Sequence[CodeText],
    one_width_characters: frozenset[int],
) -> PrintedLog:
    """Lay out a log; `one_width_characters` are the code points of the font of one width."""
    signs = {
        end.code: SIGNS[index % len(SIGNS)] * (index // len(SIGNS) + 1) for index, end in enumerate(inexplicit_ends)
    }
    heads = [
        wording.text(f"log_{name}")
        for name in ("number", "date", "connected", "disconnected", "time_spent", "running_total")
    ]
    cells = [
        [
            str(line.number),
            f"{wording.weekdays[line.connected.local.weekday()]} {short_date(line.connected.local)}",
            clock_time(line.connected),
            _disconnected(line, wording, signs),
            duration(line.retained_seconds),
            duration(line.running_total_seconds),
        ]
        for line in log
    ]
    widths = [max(len(row[column]) for row in [heads, *cells]) for column in range(len(heads))]

    def before(row: Sequence[str]) -> str:
        return row[0].rjust(widths[0]) + GAP + row[1].ljust(widths[1]) + GAP

    def after(row: Sequence[str]) -> str:
        figures = [row[2].ljust(widths[2]), row[3].ljust(widths[3]), row[4].rjust(widths[4]), row[5].rjust(widths[5])]
        return GAP + GAP.join(figures)

    left, right = len(before(heads)), len(after(heads))
    name_width = LINE_CHARACTERS - left - right

    def printed(line: LogLine, row: Sequence[str]) -> PrintedLine:
        course = unicodedata.normalize("NFC", " ".join(line.course_name.split()))
        text = ""
        if one_width_characters.issuperset(map(ord, course)):
            first, *others = textwrap.wrap(course, name_width)
            text = "\n".join(
                [before(row) + first.ljust(name_width) + after(row), *(" " * left + other for other in others)]
            )
        return PrintedLine(text, before(row), course, after(row), _detail(line, wording, build))

    used_ends = {line.end_kind for line in log}
    remarks = []
    if any(line.disconnected and line.disconnected.local.date() > line.connected.local.date() for line in log):
        remarks.append(wording.text("note_following_day"))
    clocks = [clock for line in log for clock in (line.connected, line.disconnected) if clock]
    if any(clock.is_clock_change_day for clock in clocks):
        remarks.append(wording.text("note_clock_change"))
    total = duration(log[-1].running_total_seconds)
    return PrintedLog(
        head=before(heads) + wording.text("log_course").ljust(name_width) + after(heads),
        lines=tuple(printed(line, row) for line, row in zip(log, cells, strict=True)),
        total=(" " * left + wording.text("log_total")).ljust(LINE_CHARACTERS - len(total)) + total,
        notes=tuple((signs[end.code], wording.meaning(end)) for end in inexplicit_ends if end.code in used_ends),
        remarks=tuple(remarks),
        name_left=left,
        name_right=right,
    )


def _disconnected(line: LogLine, wording: Wording, signs: dict[str, str]) -> str:
    sign = signs.get(line.end_kind, "")
    if line.disconnected is None:
        return DASH + sign
    days = (line.disconnected.local.date() - line.connected.local.date()).days
    following = f" {wording.text('following_day', days=days)}" if days else ""
    return clock_time(line.disconnected) + sign + following


def _detail(line: LogLine, wording: Wording, build: Build) -> str:
    """Say why the time spent is not the elapsed time; nothing where it is (A5)."""
    if line.retained_seconds == line.elapsed_seconds:
        return ""
    parts = [wording.text("log_elapsed", elapsed=duration(line.elapsed_seconds))]
    if line.overlap_seconds:
        causes = {
            "reason_overlap_in_session": line.is_overlapped_in_session,
            "reason_overlap_outside_session": line.is_overlapped_outside_session,
        }
        reasons = [wording.text(key) for key, applies in causes.items() if applies] or [wording.text("reason_rounding")]
        parts.append(wording.text("reason_overlap", seconds=duration(line.overlap_seconds), reasons=", ".join(reasons)))
    if line.capped_seconds:
        parts.append(
            wording.text("reason_cap", seconds=duration(line.capped_seconds), minutes=build.max_connection_minutes)
        )
    return " · ".join(parts)
