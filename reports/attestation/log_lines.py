"""The log of connections (A5) and the activities of a session (A4) as lines of fixed columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from reports.attestation.model import Build, CodeTexts, Finding, LogLine, Step
from reports.attestation.wording import Wording, clock_time, offset
from reports.language import DASH, duration, short_date
from reports.printing.columns import LINE_CHARACTERS, Entry, PrintedLines, print_columns

SIGNS = "*†‡§¶#"
FLAG_SIGNS = "ABCDEFGH"
# What the number of a folded line's connections may take; the attached file has them all.
MOST_RANGES = 12
STEP_FIGURES = ("planned_duration", "connections", "time_spent", "progress", "score", "result", "completed_on")


@dataclass(frozen=True)
class PrintedLog:
    """A log ready for the page, with its total and what its signs mean, in full and in a few words."""

    columns: PrintedLines
    total: str
    notes: tuple[tuple[str, str], ...]
    legend: str
    remarks: tuple[str, ...]


def print_log(
    log: Sequence[LogLine],
    wording: Wording,
    build: Build,
    texts: CodeTexts,
    one_width_characters: frozenset[int],
    *,
    folds_zero_seconds: bool,
) -> PrintedLog:
    """Lay out a log of at least one line, in the order given."""
    signs = {
        end.code: SIGNS[index % len(SIGNS)] * (index // len(SIGNS) + 1)
        for index, end in enumerate(texts.inexplicit_ends)
    }
    # An open connection has the sign of its end already.
    flags = [flag for flag in texts.flags if flag.code != "open"]
    signs |= dict(zip((flag.code for flag in flags), FLAG_SIGNS, strict=False))
    has_flags = any(_flag_signs([line], signs) for line in log)
    names = ["number", "date", "course", "connected", "disconnected", *(["signs"] if has_flags else [])]
    heads = {name: wording.text(f"log_{name}") for name in (*names, "time_spent", "day", "running_total")}

    def entry(line: LogLine, *, is_last_of_day: bool) -> Entry:
        return Entry(
            (str(line.number), _weekday_and_date(line, wording)),
            line.course_name,
            (
                clock_time(line.connected, with_offset=False),
                _disconnected(line, wording, signs),
                *([_flag_signs([line], signs)] if has_flags else []),
                duration(line.retained_seconds),
                duration(line.day_seconds) if is_last_of_day else "",
                duration(line.running_total_seconds),
            ),
            _detail(line, wording, build),
        )

    def folded(lines: Sequence[LogLine], running_total_seconds: int) -> Entry:
        """Return one line for a day's connections of zero seconds, with the signs of all of them."""
        ends = "".join(sorted({signs[line.end_kind] for line in lines if line.end_kind in signs}))
        return Entry(
            ("", _weekday_and_date(lines[0], wording)),
            wording.text("log_folded", count=len(lines), numbers=_ranges([line.number for line in lines])),
            (
                "",
                ends,
                *([_flag_signs(lines, signs)] if has_flags else []),
                duration(0),
                duration(lines[0].day_seconds),
                duration(running_total_seconds),
            ),
        )

    entries: list[Entry] = []
    has_folded = False
    for _, of_day in groupby(log, key=lambda line: line.connected.local.date()):
        lines = list(of_day)
        empty = [line for line in lines if line.elapsed_seconds == 0] if folds_zero_seconds else []
        if len(empty) > 1:
            entries += [entry(line, is_last_of_day=False) for line in lines if line.elapsed_seconds != 0]
            entries.append(folded(empty, lines[-1].running_total_seconds))
            has_folded = True
        else:
            entries += [entry(line, is_last_of_day=line is lines[-1]) for line in lines]
    columns = print_columns(
        Entry(
            (heads["number"], heads["date"]),
            heads["course"],
            tuple(heads[name] for name in heads if name not in ("number", "date", "course")),
        ),
        entries,
        (str.rjust, str.ljust),
        (str.ljust, str.ljust, *([str.ljust] if has_flags else []), str.rjust, str.rjust, str.rjust),
        one_width_characters,
    )
    used = {line.end_kind for line in log} | {flag for line in log for flag in line.flags}
    explained = [code for code in (*texts.inexplicit_ends, *flags) if code.code in used]
    remarks = []
    if any(line.disconnected and line.disconnected.local.date() > line.connected.local.date() for line in log):
        remarks.append(wording.text("note_following_day"))
    if has_folded:
        remarks.append(wording.text("note_folded"))
    total = duration(log[-1].running_total_seconds)
    return PrintedLog(
        columns=columns,
        total=(" " * columns.left + wording.text("log_total")).ljust(LINE_CHARACTERS - len(total)) + total,
        notes=tuple((signs[code.code], wording.meaning(code)) for code in explained),
        legend=" · ".join(
            f"{signs[code.code]} {wording.own(code.label[:1].lower() + code.label[1:])}" for code in explained
        ),
        remarks=tuple(remarks),
    )


def _weekday_and_date(line: LogLine, wording: Wording) -> str:
    return f"{wording.weekdays[line.connected.local.weekday()]} {short_date(line.connected.local)}"


def _flag_signs(lines: Sequence[LogLine], signs: dict[str, str]) -> str:
    flags = {flag for line in lines for flag in line.flags if flag != "open"}
    return "".join(sorted(signs[flag] for flag in flags))


def _ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers as people list them: 3, 5–7, 12."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    parts = [str(first) if first == last else f"{first}–{last}" for first, last in runs[:MOST_RANGES]]
    return ", ".join(parts) + ("…" if len(runs) > MOST_RANGES else "")


def print_finding(finding: Finding, wording: Wording, build: Build) -> str:
    """Return one thing that an inspector would find, with its connections and seconds (A3)."""
    label = wording.own(finding.label_fr if wording.language == "fr" else finding.label_en)
    if finding.flag == "long_connection":
        label = wording.text(
            "finding_long", label=label, limit=wording.planned_duration(60 * build.long_connection_minutes)
        )
    connections = wording.count("finding_connections", finding.connection_count)
    key = "finding_untimed" if finding.flag == "open" else "finding"
    return wording.text(key, label=label, connections=connections, time=duration(finding.retained_seconds))


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
    return clock_time(line.disconnected, with_offset=False) + sign + following


def _detail(line: LogLine, wording: Wording, build: Build) -> str:
    """Say the offsets around a change of clocks, and why the time spent is not the elapsed time (A5)."""
    parts = []
    if line.shows_offsets:
        ends = {"start": offset(line.connected), "end": offset(line.disconnected) if line.disconnected else DASH}
        parts.append(wording.text("log_offsets", **ends))
    if line.retained_seconds != line.elapsed_seconds:
        parts.append(wording.text("log_elapsed", elapsed=duration(line.elapsed_seconds)))
    if line.overlap_seconds:
        causes = {
            "reason_overlap_in_session": line.is_overlapped_in_session,
            "reason_overlap_outside_session": line.is_overlapped_outside_session,
            "reason_overlap_by_other_account": line.is_overlapped_by_other_account,
        }
        reasons = [wording.text(key) for key, applies in causes.items() if applies] or [wording.text("reason_rounding")]
        parts.append(wording.text("reason_overlap", seconds=duration(line.overlap_seconds), reasons=", ".join(reasons)))
    if line.capped_seconds:
        parts.append(
            wording.text("reason_cap", seconds=duration(line.capped_seconds), minutes=build.max_connection_minutes)
        )
    return " · ".join(parts)
