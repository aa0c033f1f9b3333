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
    writer = csv.DictWriter(stream, COLUMNS, delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(log_rows(log))
    return stream.getvalue().encode("utf-8-sig")


def log_rows(log: Sequence[LogLine]) -> list[dict[str, str]]:
    """Return the rows of the attached CSV as it holds them, by column."""
    return [
        dict(
            zip(
                COLUMNS,
                (
                    str(line.number),
                    unrunnable(line.connection_id),
                    unrunnable(line.course_id),
                    unrunnable(line.course_name),
                    as_utc(line.connected),
                    as_utc(line.disconnected),
                    _local(line.connected),
                    _local(line.disconnected),
                    line.end_kind,
                    line.evidence_level,
                    _whole(line.elapsed_seconds),
                    _whole(line.capped_seconds),
                    _whole(line.overlap_seconds),
                    _whole(line.retained_seconds),
                    str(line.running_total_seconds),
                ),
                strict=True,
            )
        )
        for line in log
    ]


def read_log_csv(content: bytes) -> list[dict[str, str]]:
    """Return the rows of an attached log by column. Raises ValueError when it is none of ours."""
    return read_csv(content, COLUMNS)


def read_csv(content: bytes, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of an attached CSV by column. Raises ValueError when it has other columns, or is damaged."""
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";", strict=True)
    if tuple(rows.fieldnames or ()) != tuple(columns):
        raise ValueError("the attached CSV has other columns")
    found = list(rows)
    if any(None in row or None in row.values() for row in found):
        raise ValueError("a row of the attached CSV has more or fewer cells than its header")
    return found


def _whole(seconds: int | None) -> str:
    return "" if seconds is None else str(seconds)


def unrunnable(text: str) -> str:
    """Return text that no spreadsheet takes for a formula (section E)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def as_utc(clock: ClockTime | None) -> str:
    """Return an instant in UTC to the microsecond; an empty text where there is none."""
    return "" if clock is None else f"{clock.at.isoformat(timespec='microseconds')}Z"


def _local(clock: ClockTime | None) -> str:
    return "" if clock is None else f"{clock.local.isoformat(timespec='microseconds')}{offset(clock)}"
