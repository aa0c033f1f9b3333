"""The log of connections (A5) and the activities of a session (A4) as lines of fixed columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.attestation.columns import LINE_CHARACTERS, Entry, PrintedLines, print_columns
from reports.attestation.model import Build, CodeText, LogLine, Step
from reports.attestation.wording import DASH, Wording, clock_time, duration, short_date

SIGNS = "*†‡§¶#"
STEP_FIGURES = ("planned_duration", "connections", "time_spent", "progress", "score", "result", "completed_on")


@dataclass(frozen=True)
class PrintedLog:
    """A log ready for the page, with its total and what its signs mean."""

    columns: PrintedLines
    total: str
    notes: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]


def print_log(
    log: Sequence[LogLine],
    wording: Wording,
    build: Build,
    inexplicit_ends: Sequence[CodeText],
    one_width_characters: frozenset[int],
) -> PrintedLog:
    """Lay out a log of at least one line, in the order given."""
    signs = {
        end.code: SIGNS[index % len(SIGNS)] * (index // len(SIGNS) + 1) for index, end in enumerate(inexplicit_ends)
    }
    heads = {
        name: wording.text(f"log_{name}")
        for name in ("number", "date", "course", "connected", "disconnected", "time_spent", "running_total")
    }
    columns = print_columns(
        Entry(
            (heads["number"], heads["date"]),
            heads["course"],
            (heads["connected"], heads["disconnected"], heads["time_spent"], heads["running_total"]),
        ),
        [
            Entry(
                (
                    str(line.number),
                    f"{wording.weekdays[line.connected.local.weekday()]} {short_date(line.connected.local)}",
                ),
                line.course_name,
                (
                    clock_time(line.connected, with_offset=_crosses_clock_change(line)),
                    _disconnected(line, wording, signs),
                    duration(line.retained_seconds),
                    duration(line.running_total_seconds),
                ),
                _detail(line, wording, build),
            )
            for line in log
        ],
        (str.rjust, str.ljust),
        (str.ljust, str.ljust, str.rjust, str.rjust),
        one_width_characters,
    )
    used_ends = {line.end_kind for line in log}
    remarks = []
    if any(line.disconnected and line.disconnected.local.date() > line.connected.local.date() for line in log):
        remarks.append(wording.text("note_following_day"))
    if any(_crosses_clock_change(line) for line in log):
        remarks.append(wording.text("note_clock_change"))
    total = duration(log[-1].running_total_seconds)
    return PrintedLog(
        columns=columns,
        total=(" " * columns.left + wording.text("log_total")).ljust(LINE_CHARACTERS - len(total)) + total,
        notes=tuple((signs[end.code], wording.meaning(end)) for end in inexplicit_ends if end.code in used_ends),
        remarks=tuple(remarks),
    )


def print_steps(steps: Sequence[Step], wording: Wording, one_width_characters: frozenset[int]) -> PrintedLines:
    """Lay out the activities, in the order given."""
    return print_columns(
        Entry((), wording.text("activity"), [wording.text(f"step_{name}") for name in STEP_FIGURES]),
        [Entry((), _step_name(step, wording), _step_figures(step, wording)) for step in steps],
        (),
        (str.rjust,) * len(STEP_FIGURES),
        one_width_characters,
    )


def _step_name(step: Step, wording: Wording) -> str:
    remarks = [] if step.step_type == "course" else [step.step_type]
    remarks += (["optional"] if step.is_optional else []) + ([] if step.is_in_program else ["outside_program"])
    described = ", ".join(wording.text(remark) for remark in remarks)
    return f"{step.resource_name} ({described})" if described else step.resource_name


def _step_figures(step: Step, wording: Wording) -> list[str]:
    return [
        wording.planned_duration(step.planned_duration_seconds),
        str(step.connection_count) if step.connection_count else DASH,
        duration(step.retained_seconds) if step.connection_count else DASH,
        wording.percent(step.progress_pct),
        wording.percent(step.score_pct),
        DASH if step.is_passed is None else wording.text("passed" if step.is_passed else "failed"),
        short_date(step.completed_on) if step.completed_on else DASH,
    ]


def _disconnected(line: LogLine, wording: Wording, signs: dict[str, str]) -> str:
    sign = signs.get(line.end_kind, "")
    if line.disconnected is None:
        return DASH + sign
    days = (line.disconnected.local.date() - line.connected.local.date()).days
    following = f" {wording.text('following_day', days=days)}" if days else ""
    return clock_time(line.disconnected, with_offset=_crosses_clock_change(line)) + sign + following


def _crosses_clock_change(line: LogLine) -> bool:
    """Return whether either end lies on a day when clocks change: both then show their offset (A5)."""
    return any(clock.is_clock_change_day for clock in (line.connected, line.disconnected) if clock)


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
