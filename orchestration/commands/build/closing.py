"""What `opco build` and `opco rebuild` say at their end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestration.commands.closing import Closing
from orchestration.home import Home
from orchestration.terminal import counted, size
from warehouse.archive import read_manifest
from warehouse.project import PROJECT_DIR


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
    rejects = closing["rejects"]
    lines += [built_line(closing), rejected_line(rejects)]
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


def built_line(closing: Closing) -> str:
    """Return how much a build made anew, and where that was everything, why."""
    if because := closing["full_build_because"]:
        return f"Built     in full: {because}"
    return f"Built     on the last build: {counted(closing['learners_made_anew'], 'learner')} made anew"


def rejected_line(rejects: Sequence[Mapping[str, Any]]) -> str:
    """Return how many rows a build rejected, and how many cells it emptied."""
    rejected = sum(one["count"] for one in rejects if not one["row_kept"])
    emptied = sum(one["count"] for one in rejects if one["row_kept"])
    return f"Rejected  {counted(rejected, 'row')}; cells emptied in kept rows: {emptied:,}"


def _home_option(closing: Closing) -> str:
    home = Path(closing["home"])
    return "" if home == PROJECT_DIR else f" --home {shlex.quote(str(home))}"
