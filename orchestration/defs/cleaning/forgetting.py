"""A learner's personal data leaves the home, in an order that a killed process can be made to finish."""

from __future__ import annotations

import re
import shlex
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from connectors.forgetting import forget_in_deliveries
from orchestration.home.lock import build_lock
from orchestration.home.paths import Home
from orchestration.home.sources import sources_folder
from orchestration.runs.progress import Progress, counted_stage
from orchestration.runs.records import delete_runs, runs_that_hold, vacuum, wipe_assets_that_hold
from reports.issuing.manifest import issue_folders, read_manifest
from reports.issuing.sign_off import FOLDER as SIGN_OFFS
from warehouse.account import account
from warehouse.archive import INSTANT, FileVersion, Manifest
from warehouse.archive import read_manifest as read_archive_manifest
from warehouse.build_file import remove_build_file
from warehouse.errors import HalfDoneError, OpcoError, UserError
from warehouse.files import remove_whole
from warehouse.forgetting import (
    delivered_user_ids,
    forget_in_archive,
    forgotten_learner,
    identifiers_of,
    rows_to_forget,
    write_record,
)
from warehouse.forgotten import Forgotten, Identifiers, Redactor
from warehouse.published import BUILDS, open_published
from warehouse.search import Match, files_under, search
from warehouse.why import unknown_id

# Takes the sign-ins and links of the addresses that pass a test out of the portal's store. The audit log, which is
# proof of who did what, is left and listed: it goes line by line after cleaning.audit_days.
EndSignIns = Callable[[Callable[[str], bool]], object]
HIDDEN_NAME = "(a file whose name holds the data)"


@dataclass(frozen=True)
class Request:
    """Whom to forget, why, and whether although the retention still runs."""

    user_id: str
    reason: str
    override: bool
    retention_years: int
    asked_at: datetime


@dataclass(frozen=True)
class Forgetting:
    """What was done, or with `dry_run` what would be.

    `archive_rows` counts, by table, the rows that held the data. `left` is what still holds it where nothing should;
    None where nobody knows any more what to look for.
    """

    record: Forgotten
    archive_files: int
    archive_rows: dict[str, int]
    left: tuple[Match, ...] | None = None
    dry_run: bool = False
    was_done: bool = False


def forget(
    home: Home,
    request: Request,
    *,
    instance: dg.DagsterInstance,
    progress: Progress,
    build_again: Callable[[], str],
    end_sign_ins: EndSignIns,
    dry_run: bool,
) -> Forgetting:
    """Forget the learner, and return what was done, or with `dry_run` what would be.

    `build_again` makes and publishes the warehouse from the archive, and returns the build's id. Asked again for a
    learner whose forgetting stopped half-way, it goes on from there. Raises UserError for an id that nobody has, a
    reason that holds the data, and a retention that still runs; OpcoError where something could not be done yet.
    """
    identifiers = Identifiers()
    holding: list[tuple[FileVersion, int]] = []
    with build_lock(home):
        manifest = read_archive_manifest(home.archive)
        record = forgotten_learner(manifest, request.user_id)
        if record is not None and (dry_run or record.completed_at):
            return _forgetting(record, holding, dry_run=dry_run, was_done=record.completed_at is not None)
        if record is None:
            record = _checked(home, manifest, request)
            identifiers = _identifiers(home, manifest, request)
            redactor = Redactor((request.user_id,), identifiers)
            holding = rows_to_forget(
                home.archive, manifest, redactor, counted_stage(progress, "Looking where the data is")
            )
            record = _with_holdings(home, record, identifiers)
            if dry_run:
                return _forgetting(_without_runs(record, instance, identifiers, dry_run=True), holding, dry_run=True)
            progress.stage("Rewriting the archive")
            # Before the archive, which is what a run that goes on looks at: what a delivery holds is found once.
            forget_in_deliveries(sources_folder(home), request.user_id, identifiers)
            # Before the archive: which records hold it is known only from what is still there.
            record = _without_runs(record, instance, identifiers, dry_run=False)
            record = forget_in_archive(home.archive, record, redactor, holding)
        else:
            write_record(home.archive, record)  # which removes what a killed process left in the archive
        _empty_build(home)
    try:
        build_id = build_again()
    except (OpcoError, SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise HalfDoneError(
            f"The archive holds nothing of learner {request.user_id} any more, but what is published still does: "
            f"the warehouse could not be built again.\n{error}\n"
            f"Repair the cause and run the command again: {_command(home, request)}"
        ) from error
    with build_lock(home):
        progress.stage("Looking whether anything is left")
        record, left = _finished(home, record, identifiers, instance, end_sign_ins, build_id)
    return _forgetting(record, holding, left)


def _identifiers(home: Home, manifest: Manifest, request: Request) -> Identifiers:
    """Return the learner's identifiers. Raises UserError where the reason, which is kept, holds one."""
    identifiers = identifiers_of(home.archive, manifest, request.user_id)
    if identifiers.are_in(request.reason):
        raise UserError(
            "The reason holds the learner's name or e-mail, and it is kept on record. "
            "Write it without them; the id says who it is."
        )
    return identifiers


def _without_runs(
    record: Forgotten, instance: dg.DagsterInstance, identifiers: Identifiers, *, dry_run: bool
) -> Forgotten:
    """Delete the runs that hold the data, or with `dry_run` only count them; return the record with their number."""
    runs = runs_that_hold(instance, identifiers)
    if not dry_run:
        delete_runs(instance, runs)
        wipe_assets_that_hold(instance, identifiers)
    return replace(record, removed_runs=record.removed_runs + len(runs))


def _finished(
    home: Home,
    record: Forgotten,
    identifiers: Identifiers,
    instance: dg.DagsterInstance,
    end_sign_ins: EndSignIns,
    build_id: str,
) -> tuple[Forgotten, tuple[Match, ...] | None]:
    """Take away what is left, complete the record, and return it with what still holds a mark.

    That is None where the command was run again: nobody knows any more what to look for.
    """
    removed = _remove_other_builds(home)
    left = None
    if identifiers:
        # An export may have been made while the old file was still published.
        record = _without_runs(_with_holdings(home, record, identifiers), instance, identifiers, dry_run=False)
    vacuum(home.dagster)
    if identifiers:
        end_sign_ins(identifiers.are_in)
        left = _left(home, identifiers)
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
    with open_published(home.warehouse) as db:
        ((data_as_of,),) = db.execute("select data_as_of from warehouse_build").fetchall()
        known = {user_id for (user_id,) in db.execute("select user_id from dim_learners").fetchall()}
        ((last,),) = db.execute(
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
        asked_by=account(),
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


def _with_holdings(home: Home, record: Forgotten, identifiers: Identifiers) -> Forgotten:
    """Return the record with what holds the data and is for a person to decide about."""
    exports = {found.path for found in search(files_under(home.exports), identifiers)}
    # The JSON beside an export stands for it: it may hold the address that was asked for.
    names = {path.relative_to(home.folder).as_posix().removesuffix(".json") for path in exports}
    return replace(
        record,
        exports=tuple(HIDDEN_NAME if identifiers.are_in(name) else name for name in sorted(names)),
        deliveries=tuple(
            sorted({found.path.parent.name for found in search(files_under(home.deliveries), identifiers)})
        ),
        attestations=_attestations_of(home, record.user_id),
    )


def _attestations_of(home: Home, user_id: str) -> tuple[str, ...]:
    """Return the numbers of the learner's documents, each with the issues that hold it."""
    numbers: dict[str, None] = {}
    for folder in home.issued():
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
        if path.name in ("build.lock", "parsed"):
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
        remove_whole(path)
    return [path.stem for path in others if path.suffix == ".duckdb"]


def _left(home: Home, identifiers: Identifiers) -> tuple[Match, ...]:
    """Return what still holds the data among files that should not: all but those that a person decides about."""

    def is_for_a_person(path: Path) -> bool:
        if path.is_relative_to(home.attestations) or path.is_relative_to(
            home.documents
        ):  # an issue that was not finished is not issued
            return re.fullmatch(rf"issue-\d+|{SIGN_OFFS}", path.parent.name) is not None
        return path.is_relative_to(home.exports) or path.is_relative_to(home.deliveries)

    files = files_under(home.folder / "var", home.settings_file, home.identities)
    return tuple(search((path for path in files if not is_for_a_person(path)), identifiers))


def _command(home: Home, request: Request) -> str:
    return shlex.join(["opco", "forget", request.user_id, "--reason", request.reason, "--home", str(home.folder)])


def _forgetting(
    record: Forgotten,
    holding: list[tuple[FileVersion, int]],
    left: tuple[Match, ...] | None = None,
    *,
    dry_run: bool = False,
    was_done: bool = False,
) -> Forgetting:
    rows: Counter[str] = Counter()
    for version_, touched in holding:
        rows[version_.table_name] += touched
    for file in () if holding else record.rewritten:
        rows[file.table_name] += file.row_count
    files = len(holding) or len(record.rewritten)
    return Forgetting(record, files, dict(sorted(rows.items())), left, dry_run=dry_run, was_done=was_done)
