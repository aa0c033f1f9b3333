"""`opco forget`: a learner's personal data leaves the home, in an order that a killed process can be made to finish."""

from __future__ import annotations

import getpass
import re
import shlex
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from orchestration.commands.closing import Closing
from orchestration.commands.running import at_work
from orchestration.home import Home
from orchestration.progress import Progress
from orchestration.settings import load_settings
from orchestration.terminal import counted
from reports.attestation.manifest import issue_folders, read_manifest
from reports.warehouse import open_published
from warehouse.archive import INSTANT, FileVersion, Manifest
from warehouse.archive import read_manifest as read_archive_manifest
from warehouse.build_file import remove_build_file
from warehouse.errors import HalfDoneError, OpcoError, UserError
from warehouse.forgetting import (
    delivered_user_ids,
    forget_in_archive,
    forgotten_learner,
    marks_of,
    rows_to_forget,
    write_record,
)
from warehouse.forgotten import Forgotten, Marks, Scrubber
from warehouse.published import BUILDS
from warehouse.search import Found, files_under, search
from warehouse.why import unknown_id

if TYPE_CHECKING:
    import dagster as dg

HIDDEN_NAME = "(a file whose name holds the data)"


@dataclass(frozen=True)
class Request:
    """Whom to forget, why, and whether although the retention still runs."""

    user_id: str
    reason: str
    override: bool
    retention_years: int
    asked_at: datetime


def forget_closing(home: Home, user_id: str, reason: str, *, override: bool, dry_run: bool, debug: bool) -> Closing:
    """Do what `opco forget` asks for, and return its facts. Errors as `forget`."""
    if not reason.strip():
        raise UserError("--reason is empty: the record has to say why.")
    years = load_settings(home).forgetting.retention_years
    request = Request(user_id, reason.strip(), override, years, datetime.now(UTC))
    with at_work(home, debug=debug) as (instance, progress):
        return forget(
            home,
            request,
            instance=instance,
            progress=progress,
            build_again=lambda: _rebuilt(home, instance, progress, debug=debug),
            dry_run=dry_run,
        )


def _rebuilt(home: Home, instance: dg.DagsterInstance, progress: Progress, *, debug: bool) -> str:
    """Do what `opco rebuild` does, and return the build's id."""
    from orchestration.defs.warehouse.assets import defs
    from orchestration.runs import run_job

    asked = {"dbt_models": {"full_refresh": True}}
    made = run_job(home, defs(), "rebuild", instance=instance, progress=progress, ops=asked, debug=debug)
    return Path(made["published_warehouse"]["path"]).stem


def forget(
    home: Home,
    request: Request,
    *,
    instance: dg.DagsterInstance,
    progress: Progress,
    build_again: Callable[[], str],
    dry_run: bool,
) -> Closing:
    """Forget the learner, and return what was done, or with `dry_run` what would be.

    `build_again` makes and publishes the warehouse from the archive, and returns the build's id. Asked again for a
    learner whose forgetting stopped half-way, it goes on from there. Raises UserError for an id that nobody has, a
    reason that holds the data, and a retention that still runs; OpcoError where something could not be done yet.
    """
    from orchestration.locking import build_lock

    marks = Marks()
    holding: list[tuple[FileVersion, int]] = []
    with build_lock(home):
        manifest = read_archive_manifest(home.archive)
        record = forgotten_learner(manifest, request.user_id)
        if record is not None and (dry_run or record.completed_at):
            facts = _closing(home, record, holding, None, dry_run=dry_run)
            return {**facts, "was_done": record.completed_at is not None}
        if record is None:
            record = _checked(home, manifest, request)
            progress.stage("Looking where the data is")
            marks = _marks(home, manifest, request)
            scrubber = Scrubber((request.user_id,), marks)
            holding = rows_to_forget(home.archive, manifest, scrubber, progress.at)
            record = _with_holdings(home, record, marks)
            if dry_run:
                return _closing(home, _without_runs(record, instance, marks, dry_run=True), holding, None, dry_run=True)
            progress.stage("Rewriting the archive")
            # Before the archive: only what is still there tells which records hold it.
            record = _without_runs(record, instance, marks, dry_run=False)
            record = forget_in_archive(home.archive, record, scrubber, holding)
        else:
            write_record(home.archive, record)  # which removes what a killed process left in the archive
        _empty_build(home)
    try:
        build_id = build_again()
    except (OpcoError, SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise HalfDoneError(
            f"The archive holds nothing of learner {request.user_id} any more, but what is published still does: "
            f"the warehouse could not be built again.\n{error}\n"
            f"Mend the cause and run the command again: {_command(home, request)}"
        ) from error
    with build_lock(home):
        progress.stage("Looking whether anything is left")
        record, left = _finished(home, record, marks, instance, build_id)
    return _closing(home, record, holding, left, dry_run=False)


def _marks(home: Home, manifest: Manifest, request: Request) -> Marks:
    """Return the learner's marks. Raises UserError where the reason, which is kept, holds one."""
    marks = marks_of(home.archive, manifest, request.user_id)
    if marks.are_in(request.reason):
        raise UserError(
            "The reason holds the learner's name or e-mail, and it is kept on record. "
            "Write it without them; the id says who it is."
        )
    return marks


def _without_runs(record: Forgotten, instance: dg.DagsterInstance, marks: Marks, *, dry_run: bool) -> Forgotten:
    """Delete the runs that hold the data, or with `dry_run` only count them; return the record with their number."""
    from orchestration.dagster_storage import delete_runs, runs_that_hold, wipe_assets_that_hold

    runs = runs_that_hold(instance, marks)
    if not dry_run:
        delete_runs(instance, runs)
        wipe_assets_that_hold(instance, marks)
    return replace(record, removed_runs=record.removed_runs + len(runs))


def _finished(
    home: Home, record: Forgotten, marks: Marks, instance: dg.DagsterInstance, build_id: str
) -> tuple[Forgotten, tuple[Found, ...] | None]:
    """Take away what is left, complete the record, and return it with what still holds a mark.

    That is None where the command was run again: nobody knows any more what to look for.
    """
    from orchestration.dagster_storage import vacuum

    removed = _remove_other_builds(home)
    left = None
    if marks:
        # An export may have been made while the old file was still published.
        record = _without_runs(_with_holdings(home, record, marks), instance, marks, dry_run=False)
    vacuum(home.dagster)
    if marks:
        left = _left(home, marks)
    record = replace(
        record,
        removed_builds=tuple(sorted({*record.removed_builds, *removed})),
        build_id=build_id,
        completed_at=datetime.now(UTC).strftime(INSTANT),
    )
    write_record(home.archive, record)
    return record, left


def _checked(home: Home, manifest: Manifest, request: Request) -> Forgotten:
    """Return the record of a forgetting that may begin."""
    with closing(open_published(home.warehouse)) as published:
        ((data_as_of,),) = published.execute("select data_as_of from warehouse_build").fetchall()
        known = {user_id for (user_id,) in published.execute("select user_id from dim_learners").fetchall()}
        ((last,),) = published.execute(
            "select max(greatest(connected_at, coalesce(disconnected_at, connected_at))) "
            "from fct_opco_connections where user_id = ?",
            [request.user_id],
        ).fetchall()
    if not manifest.loads or data_as_of.strftime(INSTANT) != manifest.loads[-1].loaded_at:
        raise OpcoError(
            f"The archive of {home.folder} holds a load that is not published, which may hold later connections.\n"
            "Build first: opco build"
        )
    known.update(delivered_user_ids(home.archive, manifest))
    if request.user_id not in known:
        raise unknown_id(request.user_id, request.user_id, known)
    until = None if last is None else _years_after(last, request.retention_years)
    is_running = until is not None and request.asked_at.replace(tzinfo=None) < until
    if is_running and not request.override:
        raise UserError(
            f"{request.user_id}: the proof must be kept until {until:%Y-%m-%d}, {request.retention_years} years after "
            f"the last connection ({last:%Y-%m-%d}; setting forgetting.retention_years).\n"
            "Where the law asks for it all the same, say so with --override: times stay under the id, names go."
        )
    return Forgotten(
        user_id=request.user_id,
        reason=request.reason,
        asked_by=getpass.getuser(),
        asked_at=request.asked_at.strftime(INSTANT),
        last_connection_at=None if last is None else last.strftime(INSTANT),
        retained_until=None if until is None else until.strftime(INSTANT),
        is_overridden=is_running,
        opco_version=version("opco-warehouse"),
    )


def _years_after(instant: datetime, years: int) -> datetime:
    try:
        return instant.replace(year=instant.year + years)
    except ValueError:  # the 29th of February
        return instant.replace(year=instant.year + years, month=3, day=1)


def _with_holdings(home: Home, record: Forgotten, marks: Marks) -> Forgotten:
    """Return the record with what holds the data and is for a person to decide about."""
    exports = {found.path for found in search(files_under(home.exports), marks)}
    # The JSON beside an export stands for it: it may hold the address that was asked for.
    names = {path.relative_to(home.folder).as_posix().removesuffix(".json") for path in exports}
    return replace(
        record,
        exports=tuple(HIDDEN_NAME if marks.are_in(name) else name for name in sorted(names)),
        deliveries=tuple(sorted({found.path.parent.name for found in search(files_under(home.deliveries), marks)})),
        attestations=_attestations_of(home, record.user_id),
    )


def _attestations_of(home: Home, user_id: str) -> tuple[str, ...]:
    """Return the numbers of the learner's documents, each with the issues that hold it."""
    numbers: dict[str, None] = {}
    for folder in sorted(home.attestations.iterdir()) if home.attestations.is_dir() else ():
        for _, issue in issue_folders(folder):
            manifest = read_manifest(issue)
            theirs = [one.number for one in manifest.documents if one.user_id == user_id]
            theirs += [one.number for one in manifest.cancelled if one.user_id == user_id]
            numbers |= {f"{number} in {issue.relative_to(home.folder).as_posix()}": None for number in theirs}
    return tuple(numbers)


def _empty_build(home: Home) -> None:
    """Remove the build file and what dbt left beside it: both are made again."""
    remove_build_file(home.build_file)
    for path in home.build.iterdir() if home.build.is_dir() else ():
        if path.name in ("build.lock", "dbt.lock", "manifests"):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _remove_other_builds(home: Home) -> list[str]:
    """Remove every published file but the one that readers see, with what stands beside it; return their builds."""
    shown = home.warehouse.resolve()
    others = [path for path in (home.published / BUILDS).iterdir() if path.stem != shown.stem]
    for path in others:
        path.unlink()
    return [path.stem for path in others if path.suffix == ".duckdb"]


def _left(home: Home, marks: Marks) -> tuple[Found, ...]:
    """Return what still holds the data among files that should not: all but those that a person decides about."""

    def is_for_a_person(path: Path) -> bool:
        if path.is_relative_to(home.attestations):  # an issue that was not finished is not issued
            return re.fullmatch(r"issue-\d+", path.parent.name) is not None
        return path.is_relative_to(home.exports) or path.is_relative_to(home.deliveries)

    files = files_under(home.folder / "var", home.settings_file)
    return tuple(search((path for path in files if not is_for_a_person(path)), marks))


def _command(home: Home, request: Request) -> str:
    return shlex.join(["opco", "forget", request.user_id, "--reason", request.reason, "--home", str(home.folder)])


def _closing(
    home: Home,
    record: Forgotten,
    holding: list[tuple[FileVersion, int]],
    left: tuple[Found, ...] | None,
    *,
    dry_run: bool,
) -> Closing:
    rows: Counter[str] = Counter()
    for version_, touched in holding:
        rows[version_.table_name] += touched
    for file in () if holding else record.rewritten:
        rows[file.table_name] += file.row_count
    return {
        "command": "forget",
        "ok": True,
        "home": str(home.folder),
        "dry_run": dry_run,
        "was_done": False,
        **{name: value for name, value in asdict(record).items() if name != "rewritten"},
        "archive_files": len(holding) or len(record.rewritten),
        "archive_rows": dict(sorted(rows.items())),
        "left": None
        if left is None
        else [{"file": str(one.path), "place": one.place, "rows": one.rows} for one in left],
    }


def forget_lines(closing: Closing) -> list[str]:
    """Return what `opco forget` prints at its end."""
    would = closing["dry_run"]
    rows = ", ".join(f"{count:,} of {name}" for name, count in closing["archive_rows"].items()) or "no row"
    if closing["was_done"]:
        return [f"{closing['user_id']} was forgotten on {closing['completed_at'][:10]} ({closing['reason']})."]
    lines = [
        f"{'Would forget' if would else 'Forgotten'} {closing['user_id']}: {closing['reason']}",
        f"Archive   {rows}, in {counted(closing['archive_files'], 'file')}",
    ]
    if closing["is_overridden"]:
        lines.append(f"  warning: the proof was to be kept until {closing['retained_until'][:10]} (--override)")
    if not would:
        builds = counted(len(closing["removed_builds"]), "earlier build")
        lines.append(f"Published build {closing['build_id']}; {builds} removed")
    lines.append(f"Dagster   {counted(closing['removed_runs'], 'run')} whose records held the data")
    for title, names in (
        (("export file with the data", "export files with the data"), closing["exports"]),
        (("copy behind a link (var/deliveries)", "copies behind links (var/deliveries)"), closing["deliveries"]),
        (("document in an issue", "documents in issues"), closing["attestations"]),
    ):
        if names:
            lines += [f"For you to decide: {counted(len(names), *title)}", *(f"  {name}" for name in names)]
    if closing["left"]:
        lines.append("Other places that hold a text by which the learner is known; look whether it is theirs:")
        lines += [f"  {one['file']} {one['place']}: {counted(one['rows'], 'row')}".rstrip() for one in closing["left"]]
    elif not would and closing["left"] is not None:
        lines.append("Nothing else in the home holds the data: every other file was searched.")
    if would:
        return [*lines, "Nothing was changed."]
    return [*lines, "Copies elsewhere are yours to see to: backups, the LMS and its deliveries, files that were sent."]
