"""A learner's credited activities as the CSV that is attached to the PDF: the printed ones with exact seconds."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from reports.attestation.attachment import as_utc, unrunnable
from reports.documents.model import Activity

COLUMNS = (
    "number",
    "step_type",
    "resource_id",
    "resource_name",
    "is_optional",
    "planned_duration_seconds",
    "completed_at_utc",
    "completed_on",
    "completion_source",
    "score_pct",
    "credited_seconds",
    "running_total_seconds",
)


def activity_rows(activities: Sequence[Activity]) -> list[dict[str, str]]:
    """Return the rows of the attached CSV by column: the activities that are completed, or credited in part."""
    rows: list[dict[str, str]] = []
    total = 0
    for activity in counted(activities):
        total += activity.credited_seconds
        values = (
            str(len(rows) + 1),
            activity.step_type,
            unrunnable(activity.resource_id),
            unrunnable(activity.resource_name),
            "true" if activity.is_optional else "false",
            "" if activity.planned_duration_seconds is None else str(activity.planned_duration_seconds),
            as_utc(activity.completed),
            activity.completed.local.date().isoformat() if activity.completed else "",
            activity.completion_source or "",
            "" if activity.score_pct is None else str(activity.score_pct),
            str(activity.credited_seconds),
            str(total),
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def activities_csv(activities: Sequence[Activity]) -> bytes:
    """Return the activities as a CSV that Excel opens by itself: `;`, UTF-8 with BOM, CRLF."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS, delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(activity_rows(activities))
    return stream.getvalue().encode("utf-8-sig")


def counted(activities: Sequence[Activity]) -> list[Activity]:
    """Return the activities that are completed, or credited in part (D1)."""
    return [one for one in activities if one.is_completed or one.credited_seconds]
