"""`opco status`, `opco rollback`: what is published and kept, and which of it readers see."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opco.build import rejected_line
from opco.options import DebugOption, HomeOption, JsonOption, app
from opco.running import open_home
from opco.terminal import HomeResult, TerminalProgress, print_result
from orchestration.defs.nightly.next_times import next_cleaning, next_exports, next_nightly
from orchestration.defs.raw.archive_check import archive_fault, issues_of_another_archive
from orchestration.home.audit import AuditLog
from orchestration.home.lock import build_lock, running_build
from orchestration.home.paths import Home, open_to_others
from orchestration.home.settings import home_sources, load_settings
from orchestration.home.sources import SourceState, source_states
from orchestration.runs.progress import counted_stage
from warehouse.account import account
from warehouse.archive import Load, read_manifest
from warehouse.build_file import Rejects, count_rejects
from warehouse.errors import OpcoError, UserError
from warehouse.published import (
    PublishedBuild,
    fault_of,
    open_published,
    published_builds,
    roll_back,
    shown_file,
    was_written_to,
)
from warehouse.steps import TellStep, tell_nobody
from warehouse.wording import counted, size

if TYPE_CHECKING:
    import dagster as dg

RUNS_SHOWN = 5
SECOND = "%Y-%m-%dT%H:%M:%SZ"


@app.command(epilog="Examples:  opco status   ·   opco status --check --json")
def status(
    check: Annotated[
        bool,
        typer.Option("--check", help="Read published file and archive whole, and compare them with their checksums."),
    ] = False,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what is published, how old it and its data are, what is kept, what was rejected, what ran and what is next.

    Exit code 1 where readers have no whole warehouse, or the archive is not what it was.
    """
    home, progress = open_home(home_folder), TerminalProgress()
    with progress.shown():
        reading = counted_stage(progress, "Reading the archive")
        result = status_of(home, datetime.now(UTC), to_the_last_byte=check, progress=reading)
    print_result(result, as_json=as_json)


@dataclass(frozen=True)
class ArchiveStatus:
    """What the archive holds, and what is wrong with it; `head` is None before the first checksums."""

    fault: str | None
    head: str | None
    entries: int
    files: int
    read_whole: bool
    foreign_issues: list[str]

    def lines(self) -> Iterator[str]:
        """Yield what there is of it and whether it is as it was archived."""
        if self.fault:
            first, *others = self.fault.splitlines()
            yield f"Archive   NOT AS IT WAS: {first}"
            yield from (f"          {one}" for one in others)
            yield "          Restore it from a backup; files that are delivered again are read by: opco build --raw"
        elif self.head is None:
            if self.files:
                yield "Archive   no checksums yet: the next load takes them"
        else:
            read = ", each as it was archived" if self.read_whole else ""
            files, entries = counted(self.files, "file"), counted(self.entries, "entry", "entries")
            yield f"Archive   {files}{read}; {entries}, the last is {self.head[:16]}"
            for one in self.foreign_issues:
                yield f"  warning: {one} was made of a load that this archive does not hold"


@dataclass(frozen=True)
class PublishedStatus:
    """What readers see: which build, how old it and its data are, and what it holds."""

    build_id: str
    path: Path
    bytes: int
    built_at: str
    age_seconds: int
    data_as_of: str
    data_age_seconds: int
    last_activity_at: str | None
    silent_seconds: int | None
    connections: int
    learners: int
    sessions: int
    rejects: list[Rejects]

    def lines(self) -> Iterator[str]:
        """Yield which build it is and how old it and its data are."""
        yield f"Published {self.build_id}, {age(self.age_seconds)} old ({self.built_at}), {size(self.bytes)}"
        yield (
            f"          {counted(self.connections, 'connection')}, {counted(self.learners, 'learner')}, "
            f"{counted(self.sessions, 'session')}"
        )
        activity = "no activity in them"
        if self.silent_seconds is not None:
            activity = f"last activity {self.last_activity_at}, {age(self.silent_seconds)} ago"
        yield f"Data      loaded on {self.data_as_of}, {age(self.data_age_seconds)} ago; {activity}"


@dataclass(frozen=True)
class KeptBuild:
    """A published file that is kept."""

    build_id: str
    path: Path
    bytes: int
    published_at: str | None
    data_as_of: str | None
    is_published: bool


@dataclass(frozen=True)
class RunStatus:
    """One of the last runs."""

    run_id: str
    job: str
    status: str
    partition: str | None
    started_at: str | None
    ended_at: str | None


@dataclass(frozen=True)
class NextRun:
    """What begins by itself while Dagster's daemon runs."""

    job: str
    at: str


@dataclass(frozen=True)
class StatusResult(HomeResult, command="status"):
    """What is published and its age, what is kept, what was loaded and rejected, what ran and what runs.

    `fault` and `is_changed` are of the published file; `build_running` is the process of a build that is under way, 0
    where it is unknown.
    """

    fault: str | None
    is_changed: bool
    archive: ArchiveStatus
    audit_fault: str | None
    audit_head: str | None
    open_to_others: str | None
    warehouse: Path
    published: PublishedStatus | None
    builds: list[KeptBuild]
    build_running: int | None
    load: Load | None
    runs: list[RunStatus]
    runs_not_told: str | None
    silent: list[str]
    sources: list[SourceState]
    next: list[NextRun]

    @property
    def ok(self) -> bool:
        """Whether readers have a whole warehouse, and nothing that is kept was changed."""
        return self.fault is None and self.archive.fault is None and self.audit_fault is None

    def facts(self) -> dict[str, Any]:
        """Return all of it; of the last load's warnings, how many there were."""
        facts = asdict(self)
        return facts | {"load": facts["load"] | {"warnings": len(self.load.warnings)} if self.load else None}

    def lines(self) -> Iterator[str]:
        """Yield what is published, then what is kept, loaded and rejected, then what runs."""
        if self.published:
            yield from self.published.lines()
        else:
            yield f"Published {'CHANGED SINCE' if self.is_changed else 'NOT READABLE'}: {self.fault}"
            # Of what an earlier release published, the fault says what to do.
            if self.fault and "opco rebuild" not in self.fault:
                yield f"          {self._remedy()}"
        yield f"Warehouse {self.warehouse}"
        if self.audit_fault:
            yield f"Audit log NOT AS IT WAS WRITTEN: {self.audit_fault}"
        elif self.audit_head:
            yield f"Audit log as it was written; its head is {self.audit_head}"
        if self.open_to_others:
            yield f"  warning: {self.open_to_others}"
        for build in self.builds:
            yield f"  {build.build_id}  {size(build.bytes):>9}  {'published' if build.is_published else 'kept'}"
        if load := self.load:
            warnings = f", {counted(len(load.warnings), 'warning')}" if load.warnings else ""
            yield f"Load      {load.load_number} of {load.loaded_at[:19]}Z from {load.raw_folder}{warnings}"
        yield from self.archive.lines()
        if self.published:
            rejects = self.published.rejects
            yield rejected_line(rejects)
            yield from (f"  {one.count:>9,}  {one.table_name}: {one.reason}" for one in rejects if not one.row_kept)
        if self.build_running is None:
            yield "Running   no build"
        else:
            yield f"Running   a build, process {self.build_running or 'unknown'}"
        for run in self.runs:
            partition = f" {run.partition}" if run.partition else ""
            yield f"  {run.started_at or 'not started':<20}  {run.status:<9}  {run.job}{partition}"
        if self.runs_not_told:
            yield f"  last runs not shown: {self.runs_not_told}"
        yield from (f"Silent    {line}" for line in self.silent)
        for source in self.sources:
            pulled = f"pulled {source.pulled_at:%Y-%m-%d %H:%M} UTC" if source.pulled_at else "never pulled"
            activity = f"last activity {source.last_activity:%Y-%m-%d %H:%M} UTC, " if source.last_activity else ""
            yield f"Source    {source.name}: {activity}{pulled}"
        if self.next:
            yield "Next      by itself, while opco dagster runs"
        yield from (f"  {one.at:<20}  {one.job}" for one in self.next)

    def _remedy(self) -> str:
        if self.is_changed:
            return "Nothing is issued from it. Each build publishes a new one; at once: opco rebuild"
        if any(not build.is_published for build in self.builds):
            return "`opco rollback` shows the build before it, `opco rebuild` makes the warehouse again."
        if self.load:
            return "Make it again from the archive: opco rebuild"
        return "Make one with: opco build --raw FOLDER"


def age(seconds: int) -> str:
    """Return an age for people: `40 s`, `12 min`, `7 h`, `3 days`."""
    for unit, factor in ((" days", 86_400 * 2), (" h", 7_200), (" min", 120)):
        if seconds >= factor:
            return f"{seconds // (factor // 2):,}{unit}"
    return f"{seconds} s"


def status_of(
    home: Home,
    now: datetime,
    *,
    to_the_last_byte: bool,
    progress: TellStep = tell_nobody,
) -> StatusResult:
    """Return the status of a home at `now` (aware).

    `to_the_last_byte` reads the published file and the archive whole, to compare them with their checksums, and reports
    each file of the archive to `progress`.
    """
    shown = shown_file(home.published)
    fault = "nothing was published yet" if shown is None else fault_of(shown, to_the_last_byte=to_the_last_byte)
    published = None
    if shown is not None and fault is None:
        try:
            published = _published(shown, now)
        except UserError as error:
            # Whole, but of an earlier release: what was read, and what to do, is in the error.
            fault = str(error)
    archive, audit_log = read_manifest(home.archive), AuditLog.of(home)
    runs, silent, runs_not_told = _last_runs(home, now)
    return StatusResult(
        home=home.folder,
        fault=fault,
        is_changed=fault is not None and shown is not None and was_written_to(shown),
        archive=ArchiveStatus(
            fault=archive_fault(home, archive, progress if to_the_last_byte else None),
            head=archive.head,
            entries=len(archive.chain),
            files=len(archive.held_files),
            read_whole=to_the_last_byte,
            foreign_issues=issues_of_another_archive(home, archive) if to_the_last_byte else [],
        ),
        audit_fault=audit_log.fault() if to_the_last_byte else None,
        audit_head=audit_log.head if to_the_last_byte else None,
        open_to_others=open_to_others(home),
        warehouse=home.warehouse,
        published=published,
        builds=[_kept(build) for build in published_builds(home.published)],
        build_running=running_build(home),
        load=archive.loads[-1] if archive.loads else None,
        runs=runs,
        runs_not_told=runs_not_told,
        silent=silent,
        sources=source_states(home, home_sources(home)),
        next=_next(home, now),
    )


def _published(file: Path, now: datetime) -> PublishedStatus:
    with open_published(file) as db:
        ((build_id, built_at, data_as_of, active_at, connections, learners, sessions),) = db.execute(
            """
            select
                build_id,
                built_at,
                data_as_of,
                last_activity_at,
                (select count(*) from fct_opco_connections) as connections,
                (select count(*) from dim_learners) as learners,
                (select count(*) from dim_program_sessions) as sessions
            from warehouse_build
            """
        ).fetchall()
        rejects = count_rejects(db, "rejected_rows")
    return PublishedStatus(
        build_id=build_id,
        path=file,
        bytes=file.stat().st_size,
        built_at=built_at.strftime(SECOND),
        age_seconds=_seconds_since(built_at, now),
        data_as_of=data_as_of.strftime(SECOND),
        data_age_seconds=_seconds_since(data_as_of, now),
        last_activity_at=active_at.strftime(SECOND) if active_at else None,
        silent_seconds=_seconds_since(active_at, now) if active_at else None,
        connections=connections,
        learners=learners,
        sessions=sessions,
        rejects=rejects,
    )


def _seconds_since(instant: datetime, now: datetime) -> int:
    return int((now - instant.replace(tzinfo=UTC)).total_seconds())


def _kept(build: PublishedBuild) -> KeptBuild:
    record = build.record
    return KeptBuild(
        build.build_id,
        build.path,
        build.byte_count,
        record.published_at if record else None,
        record.data_as_of if record else None,
        build.is_shown,
    )


def _last_runs(home: Home, now: datetime) -> tuple[list[RunStatus], list[str], str | None]:
    """Return the last runs and the schedules and sensors that are silent, or none and why.

    Whatever keeps Dagster from answering, what is published is shown.
    """
    if not home.dagster.is_dir():
        return [], [], None
    # SQLite is opened only by who may write to it.
    if load_settings(home).dagster.postgres_url is None and not os.access(home.dagster, os.W_OK):
        return [], [], f"the account {account()} may not write to {home.dagster}"
    from orchestration.runs.dead_runs import close_dead_runs
    from orchestration.runs.instigators import silences
    from orchestration.runs.jobs import open_instance

    try:
        with open_instance(home) as instance:
            close_dead_runs(home, instance)
            silent = [f"{one.kind} {one.name}: {one.reason}" for one in silences(instance, now) if one.is_ahead]
            return [_run(record) for record in instance.get_run_records(limit=RUNS_SHOWN)], silent, None
    except OpcoError as error:
        return [], [], str(error)


def _run(record: dg.RunRecord) -> RunStatus:
    run = record.dagster_run
    return RunStatus(
        run.run_id,
        run.job_name,
        run.status.value.lower(),
        run.tags.get("dagster/partition"),
        _instant(record.start_time),
        _instant(record.end_time),
    )


def _instant(seconds: float | None) -> str | None:
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):{SECOND}}"


def _next(home: Home, now: datetime) -> list[NextRun]:
    """Return what the settings let begin by itself, the soonest first."""
    settings = load_settings(home)
    due = {
        **{f"export_{name}": at for name, at in next_exports(home, settings, now).items()},
        "nightly": next_nightly(settings, now),
        "cleaning": next_cleaning(settings, now),
    }
    return [NextRun(job, at.strftime(SECOND)) for at, job in sorted((at, job) for job, at in due.items() if at)]


@app.command(epilog="Examples:  opco rollback   ·   opco rollback 20261110T180000Z-1a2b3c4d")
def rollback(
    build_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[BUILD_ID]",
            help="The build to show again, as opco status lists it. Default: the one before that which is published.",
        ),
    ] = None,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show readers an earlier published build again, at once. Nothing is removed.

    Who has the other one open keeps it. A build of an earlier release that lacks what the shown one has is refused. The
    next build that passes its tests is published over both.
    """
    home = open_home(home_folder)
    with build_lock(home):
        before = shown_file(home.published)
        build = roll_back(home.published, build_id)
    shown = replace(_kept(build), is_published=True)
    print_result(RollbackResult(home.folder, home.warehouse, shown, before.stem if before else None), as_json=as_json)


@dataclass(frozen=True)
class RollbackResult(HomeResult, command="rollback"):
    """Which build readers see now, and which they saw before."""

    warehouse: Path
    published: KeptBuild
    published_before: str | None

    def lines(self) -> list[str]:
        """Return both, and where to find what is published."""
        return [
            f"Published {self.published.build_id}, data as of {self.published.data_as_of or 'unknown'}",
            f"          before it was {self.published_before}, which is kept; the next build is published over both",
            f"Warehouse {self.warehouse}",
        ]
