"""What a command says at its end: the same facts as one line of JSON, or as a few lines that tell what to do next."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.home import Home
from orchestration.terminal import counted, size
from warehouse.archive import read_manifest
from warehouse.project import PROJECT_DIR
from warehouse.why import Answer

if TYPE_CHECKING:
    from orchestration.export_request import Asked

Closing = dict[str, Any]


def build_closing(home: Home, made: Mapping[str, Mapping[str, Any]], command: str = "build") -> Closing:
    """Return the facts of a build from the metadata of its assets, by asset key; a rebuild loads nothing."""
    load = read_manifest(home.archive).loads[-1]
    tables = {key.removeprefix("raw/"): one for key, one in made.items() if key.startswith("raw/")}
    published = made["published_warehouse"]
    return {
        "command": command,
        "ok": True,
        "home": str(home.folder),
        "load": {
            "number": load.load_number,
            "raw_folder": load.raw_folder,
            "files": sum(table["files"] for table in tables.values()),
            "new_files": sum(table["new_files"] for table in tables.values()),
            "rows": sum(table["dagster/row_count"] for table in tables.values()),
            "tables": {name: table["dagster/row_count"] for name, table in tables.items() if table["files"]},
            "warnings": list(load.warnings),
        },
        "full_build_because": published["full_build_because"] or None,
        "learners_made_anew": published["learners_made_anew"],
        "rejects": published["rejects"],
        "warehouse": published["link"],
        "build": published["path"],
        "builds_removed": published["builds_removed"],
        "bytes": published["bytes"],
        "sha256": published["sha256"],
        "row_counts": published["row_counts"],
    }


def build_lines(closing: Closing) -> list[str]:
    """Return what `opco build` prints at its end."""
    load = closing["load"]
    lines = [f"Archive   of {counted(load['number'], 'load')}; the last one from {load['raw_folder']}"]
    if closing["command"] == "build":
        lines = [
            f"Loaded    {counted(load['rows'], 'row')} of {counted(len(load['tables']), 'table')} in "
            f"{counted(load['files'], 'file')} ({load['new_files']:,} new), load {load['number']}",
            f"          from {load['raw_folder']}",
            *(f"  warning: {warning}" for warning in load["warnings"]),
        ]
    if because := closing["full_build_because"]:
        lines.append(f"Built     in full: {because}")
    else:
        anew = counted(closing["learners_made_anew"], "learner")
        lines.append(f"Built     on the last build: {anew} made anew")
    rejects = closing["rejects"]
    rejected = sum(one["count"] for one in rejects if not one["row_kept"])
    emptied = sum(one["count"] for one in rejects if one["row_kept"])
    lines.append(f"Rejected  {counted(rejected, 'row')}; cells emptied in kept rows: {emptied:,}")
    lines += [
        f"  {one['count']:>9,}  {one['table_name']}: {one['reason']}{' (row kept)' if one['row_kept'] else ''}"
        for one in rejects
    ]
    if rejects:
        lines.append("  Each with its file and line is in the table rejected_rows; opco why tells more of any row.")
    lines.append(f"Published {counted(len(closing['row_counts']), 'table')}, {size(closing['bytes'])}")
    lines += [f"  {count:>9,}  {table}" for table, count in sorted(closing["row_counts"].items())]
    lines += [
        f"Warehouse {closing['warehouse']}",
        "Next",
        f"  opco export{_home_option(closing)}",
        f"  opco attest SESSION_ID{_home_option(closing)}",
        f"  duckdb -readonly {shlex.quote(closing['warehouse'])}",
    ]
    return lines


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
        **{name: made[name] for name in (*names, "data_as_of", "build_id")},
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


def why_closing(home: Home, answers: Sequence[Answer], limit: int) -> Closing:
    """Return what became of raw rows: how many of each outcome, and the first `limit` of them."""
    return {
        "command": "why",
        "ok": True,
        "home": str(home.folder),
        "rows": len(answers),
        "connections": len({answer.connection_id for answer in answers if answer.outcome == "connection"}),
        "outcomes": dict(sorted(Counter(answer.outcome for answer in answers).items())),
        "answers": [asdict(answer) for answer in answers[:limit]],
    }


def why_lines(closing: Closing) -> list[str]:
    """Return what `opco why` prints: one line a raw row, then how many of each outcome."""
    if not closing["rows"]:
        return ["No raw row answers to that. Ids are case-sensitive; a day is one in the display time zone."]
    lines = [_why_line(answer) for answer in closing["answers"]]
    if closing["rows"] > len(lines):
        lines.append(f"and {counted(closing['rows'] - len(lines), 'more row')} (--limit shows more)")
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in closing["outcomes"].items())
    return [*lines, f"{counted(closing['rows'], 'row')}: {outcomes}; {counted(closing['connections'], 'connection')}"]


def _why_line(answer: Mapping[str, Any]) -> str:
    parts = [f"{answer['happened_at']}Z" if answer["happened_at"] else "", f"{answer['file']}:{answer['line']}"]
    parts += [answer["row_id"] or "", answer["outcome"], f"({answer['detail']})" if answer["detail"] else ""]
    if answer["connection_id"]:
        seconds = answer["retained_seconds"]
        until = "open" if seconds is None else f"until {answer['disconnected_at']}Z, {seconds} s retained"
        word = "by" if answer["outcome"] == "superseded" else "=>"
        parts.append(
            f"{word} {answer['connection_id']} of {answer['connected_at']}Z: {until}, {answer['end_kind']}, "
            f"{answer['evidence_level']}"
        )
    return "  ".join(part for part in parts if part)


def _home_option(closing: Closing) -> str:
    home = Path(closing["home"])
    return "" if home == PROJECT_DIR else f" --home {shlex.quote(str(home))}"
