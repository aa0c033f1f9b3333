"""What is published and kept, what ran, what is wrong: the facts of `opco status` and `opco rollback`."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.commands.build.closing import rejected_line
from orchestration.commands.closing import Closing
from orchestration.home import Home
from orchestration.locking import running_build
from orchestration.nightly import next_cleaning, next_exports, next_nightly
from orchestration.settings import load_settings
from orchestration.terminal import counted, size
from warehouse.archive import read_manifest
from warehouse.build_file import count_rejects
from warehouse.errors import OpcoError
from warehouse.published import PublishedBuild, fault_of, published_builds, shown_file

if TYPE_CHECKING:
    import dagster as dg

RUNS_SHOWN = 5
SECOND = "%Y-%m-%dT%H:%M:%SZ"


def status_closing(home: Home, now: datetime, *, to_the_last_byte: bool) -> Closing:
    """Return what is published and its age, what is kept, what was loaded and rejected, what ran and what runs.

    `now` is aware. `to_the_last_byte` reads the published file whole, to hold it against its checksum.
    """
    shown = shown_file(home.published)
    fault = "nothing was published yet" if shown is None else fault_of(shown, to_the_last_byte=to_the_last_byte)
    loads = read_manifest(home.archive).loads
    runs, runs_not_told = _last_runs(home)
    return {
        "command": "status",
        "ok": fault is None,
        "home": str(home.folder),
        "fault": fault,
        "warehouse": str(home.warehouse),
        "published": None if fault or shown is None else _published(shown, now),
        "builds": [_kept(build) for build in published_builds(home.published)],
        "build_running": running_build(home),
        "load": {**asdict(loads[-1]), "warnings": len(loads[-1].warnings)} if loads else None,
        "runs": runs,
        "runs_not_told": runs_not_told,
        "next": _next(home, now),
    }


def _published(file: Path, now: datetime) -> dict[str, Any]:
    from reports.warehouse import open_published

    with open_published(file) as connection:
        ((build_id, built_at, data_as_of),) = connection.execute(
            "select build_id, built_at, data_as_of from warehouse_build"
        ).fetchall()
        (counts,) = connection.execute(
            """
            select
                (select count(*) from fct_opco_connections) as connections,
                (select count(*) from dim_learners) as learners,
                (select count(*) from dim_program_sessions) as sessions
            """
        ).fetchall()
        rejects = count_rejects(connection, "rejected_rows")
    return {
        "build_id": build_id,
        "path": str(file),
        "bytes": file.stat().st_size,
        "built_at": built_at.strftime(SECOND),
        "age_seconds": _seconds_since(built_at, now),
        "data_as_of": data_as_of.strftime(SECOND),
        "data_age_seconds": _seconds_since(data_as_of, now),
        **dict(zip(("connections", "learners", "sessions"), counts, strict=True)),
        "rejects": [asdict(one) for one in rejects],
    }


def _seconds_since(instant: datetime, now: datetime) -> int:
    return int((now - instant.replace(tzinfo=UTC)).total_seconds())


def _kept(build: PublishedBuild) -> dict[str, Any]:
    return {
        "build_id": build.build_id,
        "path": str(build.path),
        "bytes": build.byte_count,
        "published_at": build.record.published_at if build.record else None,
        "data_as_of": build.record.data_as_of if build.record else None,
        "is_published": build.is_shown,
    }


def _last_runs(home: Home) -> tuple[list[dict[str, Any]], str | None]:
    """Return the last runs, or none and why: whatever keeps Dagster from telling, what is published is told."""
    if not home.dagster.is_dir():
        return [], None
    # SQLite is opened only by who may write to it.
    if load_settings(home).dagster.postgres_url is None and not os.access(home.dagster, os.W_OK):
        return [], f"the account {getpass.getuser()} may not write to {home.dagster}"
    from orchestration.dead_runs import close_dead_runs
    from orchestration.runs import open_instance

    try:
        with open_instance(home) as instance:
            close_dead_runs(instance)
            return [_run(record) for record in instance.get_run_records(limit=RUNS_SHOWN)], None
    except OpcoError as error:
        return [], str(error)


def _next(home: Home, now: datetime) -> list[dict[str, str]]:
    """Return what the settings let begin by itself while Dagster's daemon runs, the soonest first."""
    settings = load_settings(home)
    due = {f"export_{name}": at for name, at in next_exports(home, settings, now).items()}
    if (at := next_nightly(settings, now)) is not None:
        due["nightly"] = at
    if (at := next_cleaning(settings, now)) is not None:
        due["cleaning"] = at
    return [{"job": job, "at": at.strftime(SECOND)} for job, at in sorted(due.items(), key=lambda one: one[1])]


def _run(record: dg.RunRecord) -> dict[str, Any]:
    run = record.dagster_run
    return {
        "run_id": run.run_id,
        "job": run.job_name,
        "status": run.status.value.lower(),
        "partition": run.tags.get("dagster/partition"),
        "started_at": _instant(record.start_time),
        "ended_at": _instant(record.end_time),
    }


def _instant(seconds: float | None) -> str | None:
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):{SECOND}}"


def status_lines(closing: Closing) -> list[str]:
    """Return what `opco status` prints."""
    lines = []
    if published := closing["published"]:
        lines += [
            f"Published {published['build_id']}, {age(published['age_seconds'])} old ({published['built_at']}), "
            f"{size(published['bytes'])}",
            f"          {counted(published['connections'], 'connection')}, "
            f"{counted(published['learners'], 'learner')}, {counted(published['sessions'], 'session')}",
            f"Data      as of {published['data_as_of']}, {age(published['data_age_seconds'])} ago",
        ]
    else:
        lines += [f"Published NOT READABLE: {closing['fault']}", *_remedy(closing)]
    lines.append(f"Warehouse {closing['warehouse']}")
    for build in closing["builds"]:
        mark = "published" if build["is_published"] else "kept"
        lines.append(f"  {build['build_id']}  {size(build['bytes']):>9}  {mark}")
    if load := closing["load"]:
        lines.append(
            f"Load      {load['load_number']} of {load['loaded_at'][:19]}Z from {load['raw_folder']}"
            + (f", {counted(load['warnings'], 'warning')}" if load["warnings"] else "")
        )
    if published := closing["published"]:
        rejects = published["rejects"]
        lines.append(rejected_line(rejects))
        lines += [
            f"  {one['count']:>9,}  {one['table_name']}: {one['reason']}" for one in rejects if not one["row_kept"]
        ]
    running = closing["build_running"]
    lines.append("Running   no build" if running is None else f"Running   a build, process {running or 'unknown'}")
    lines += [_run_line(run) for run in closing["runs"]]
    lines += [f"  last runs not told: {closing['runs_not_told']}"] if closing["runs_not_told"] else []
    lines += ["Next      by itself, while opco dagster runs"] if closing["next"] else []
    lines += [f"  {one['at']:<20}  {one['job']}" for one in closing["next"]]
    return lines


def _remedy(closing: Closing) -> list[str]:
    if any(not build["is_published"] for build in closing["builds"]):
        return ["          `opco rollback` shows the build before it, `opco rebuild` makes the warehouse again."]
    if closing["load"]:
        return ["          Make it again from the archive: opco rebuild"]
    return ["          Make one with: opco build --raw FOLDER"]


def _run_line(run: Mapping[str, Any]) -> str:
    what = run["job"] + (f" {run['partition']}" if run["partition"] else "")
    return f"  {run['started_at'] or 'not started':<20}  {run['status']:<9}  {what}"


def age(seconds: int) -> str:
    """Return an age for people: `40 s`, `12 min`, `7 h`, `3 days`."""
    for unit, factor in ((" days", 86_400 * 2), (" h", 7_200), (" min", 120)):
        if seconds >= factor:
            return f"{seconds // (factor // 2):,}{unit}"
    return f"{seconds} s"


def rollback_closing(home: Home, build_id: str | None) -> Closing:
    """Show an earlier build again and return which one, and which was shown before. Errors as `roll_back`."""
    from orchestration.locking import build_lock
    from warehouse.published import roll_back

    with build_lock(home):
        before = shown_file(home.published)
        build = roll_back(home.published, build_id)
    return {
        "command": "rollback",
        "ok": True,
        "home": str(home.folder),
        "warehouse": str(home.warehouse),
        "published": _kept(build) | {"is_published": True},
        "published_before": before.stem if before else None,
    }


def rollback_lines(closing: Closing) -> list[str]:
    """Return what `opco rollback` prints."""
    build = closing["published"]
    return [
        f"Published {build['build_id']}, data as of {build['data_as_of'] or 'unknown'}",
        f"          before it was {closing['published_before']}, which is kept; the next build is published over both",
        f"Warehouse {closing['warehouse']}",
    ]
