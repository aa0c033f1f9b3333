"""The learner's log as the CSV that is attached to the PDF: the printed rows with exact seconds and instants."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from reports.attestation.model import ClockTime, LogLine
from reports.attestation.wording import offset

COLUMNS = (
    "number",
    "connection_id",
    "course_id",
    "course_name",
    "connected_at_utc",
    "disconnected_at_utc",
    "connected_at_local",
    "disconnected_at_local",
    "end_kind",
    "evidence_level",
    "elapsed_seconds",
    "capped_seconds",
    "overlap_seconds",
    "retained_seconds",
    "running_total_seconds",
)


def log_csv(log: Sequence[LogLine]) -> bytes:
    """Return the log (A5) as a CSV that Excel opens by itself: `;`, UTF-8 with BOM, CRLF."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=";", lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in log:
        writer.writerow(
            (
                line.number,
                _unrunnable(line.connection_id),
                _unrunnable(line.course_id),
                _unrunnable(line.course_name),
                _utc(line.connected),
                _utc(line.disconnected),
                _local(line.connected),
                _local(line.disconnected),
                line.end_kind,
                line.evidence_level,
                line.elapsed_seconds,
                line.capped_seconds,
                line.overlap_seconds,
                line.retained_seconds,
                line.running_total_seconds,
            )
        )
    return stream.getvalue().encode("utf-8-sig")


def _unrunnable(text: str) -> str:
    """Return text that no spreadsheet takes for a formula (section E)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _utc(clock: ClockTime | None) -> str:
    return "" if clock is None else f"{clock.at.isoformat(timespec='microseconds')}Z"


def _local(clock: ClockTime | None) -> str:
    return "" if clock is None else f"{clock.local.isoformat(timespec='microseconds')}{offset(clock)}"
