"""What `opco nightly` asks of its steps, and what it says at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from orchestration.clock import clock
from orchestration.commands.build.closing import build_closing, built_line
from orchestration.commands.closing import Closing
from orchestration.home import Home
from orchestration.settings import load_settings
from orchestration.terminal import counted, size

NAMED = 20


def steps_of(home: Home, raw: Path | None, as_of: str | None) -> dict[str, dict[str, Any]]:
    """Return the configuration of the steps. Raises UserError when `as_of` is no instant."""
    load = {"raw_folder": str(raw.expanduser().resolve()) if raw else None, "as_of": as_of}
    steps: dict[str, dict[str, Any]] = {"raw_tables": load, "dbt_models": {"as_of": as_of}}
    if as_of is not None:
        day = clock(as_of).astimezone(ZoneInfo(load_settings(home).rules.display_timezone)).date().isoformat()
        steps |= {"nightly_exports": {"today": day}, "nightly_attestations": {"issued_on": day}}
    return steps


def nightly_closing(home: Home, made: Mapping[str, Mapping[str, Any]]) -> Closing:
    """Return the facts of a nightly run from the metadata of its assets, by asset key."""
    return {
        **build_closing(home, made),
        "command": "nightly",
        "exports": made["nightly_exports"]["outcomes"],
        "attestations": made["nightly_attestations"]["outcomes"],
    }


def nightly_lines(closing: Closing) -> list[str]:
    """Return what `opco nightly` prints at its end."""
    load, rejects = closing["load"], closing["rejects"]
    rejected = sum(one["count"] for one in rejects if not one["row_kept"])
    lines = [
        f"Loaded    {counted(load['rows'], 'row')} in {counted(load['files'], 'file')} ({load['new_files']:,} new), "
        f"load {load['number']}",
        *(f"  warning: {warning}" for warning in load["warnings"]),
        built_line(closing),
        f"Rejected  {counted(rejected, 'row')}",
        f"Published {closing['build']} ({size(closing['bytes'])})",
        f"Exports   {_counts(closing['exports'])}",
        *(f"  {one['name']}: {one['said']}" for one in closing["exports"]),
        f"Sessions  {_counts(closing['attestations'])}",
    ]
    told = [one for one in closing["attestations"] if one["state"] != "unchanged"]
    lines += [f"  {one['name']}: {one['said']}" for one in told[:NAMED]]
    return [*lines, f"  and {counted(len(told) - NAMED, 'more session')}"] if len(told) > NAMED else lines


def _counts(outcomes: list[dict[str, str]]) -> str:
    counts = Counter(one["state"] for one in outcomes)
    return ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items())) or "none due"
