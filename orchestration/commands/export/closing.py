"""What `opco export` says at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestration.commands.closing import Closing
from orchestration.home import Home
from orchestration.terminal import counted, size

if TYPE_CHECKING:
    from orchestration.export_request import Asked


def export_closing(home: Home, made: Mapping[str, Any] | None) -> Closing:
    """Return the facts of an export from its asset's metadata; None is an export that found nothing to do."""
    closing: Closing = {"command": "export", "ok": True, "home": str(home.folder)}
    if made is None:
        return {**closing, "rows": 0, "path": None, "recipients": []}
    names = (
        "path",
        "json_path",
        "format",
        "bytes",
        "sha256",
        "learners",
        "sessions",
        "cut_cells",
        "data_as_of",
        "build_id",
    )
    return {
        **closing,
        "rows": made["dagster/row_count"],
        **{name: made[name] for name in names},
        "recipients": made.get("recipients", []),
        "link_expires_at": made.get("link_expires_at"),
    }


def export_lines(closing: Closing) -> list[str]:
    """Return what `opco export` prints at its end."""
    if closing["path"] is None:
        return ["No session ended in the period of the definition: nothing was written, nothing sent."]
    if closing["rows"] == 0:
        first = "No line passes the filters: the file holds the header alone."
    else:
        first = (
            f"Exported  {counted(closing['rows'], 'line')}, {counted(closing['learners'], 'learner')}, "
            f"{counted(closing['sessions'], 'session')}; data as of {closing['data_as_of']}"
        )
    lines = [first, f"File      {closing['path']} ({size(closing['bytes'])})", f"Beside it {closing['json_path']}"]
    if closing["cut_cells"]:
        lines.append(f"  warning: {counted(closing['cut_cells'], 'text')} too long for Excel cut; the JSON lists them")
    if closing["recipients"]:
        lines.append(f"Sent to   {', '.join(closing['recipients'])}; the link lives until {closing['link_expires_at']}")
    return lines


def dry_run_closing(home: Home, asked: Asked) -> Closing:
    """Return what an export would hold. Raises UserError for a filter's value that matches nothing."""
    from reports.export.write import count_export

    closing: Closing = {"command": "export", "ok": True, "home": str(home.folder), "dry_run": True}
    if asked.filters is None:
        return {**closing, "rows": 0, "learners": 0, "sessions": 0, "filters": None}
    count = count_export(home.warehouse, asked.filters)
    return {
        **closing,
        "rows": count.rows,
        "learners": count.learners,
        "sessions": count.sessions,
        "data_as_of": f"{count.data_as_of:%Y-%m-%dT%H:%M:%SZ}",
        "build_id": count.build_id,
        "filters": asked.filters.model_dump(mode="json"),
    }


def dry_run_lines(closing: Closing) -> list[str]:
    """Return what `opco export --dry-run` prints."""
    if closing["filters"] is None:
        return ["No session ended in the period of the definition: nothing would be written."]
    return [
        f"The file would hold {counted(closing['rows'], 'line')}, {counted(closing['learners'], 'learner')}, "
        f"{counted(closing['sessions'], 'session')}; data as of {closing['data_as_of']}. Nothing was written."
    ]
