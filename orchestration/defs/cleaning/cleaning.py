"""What the home may lose without losing anything: earlier builds, old exports, old records of runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from orchestration.home.audit import AuditLog
from orchestration.home.lock import build_lock
from orchestration.home.paths import Home
from orchestration.home.sections.upkeep import CleaningSettings
from orchestration.home.settings import load_settings
from orchestration.runs.background import BackgroundRuns
from orchestration.runs.progress import Progress
from orchestration.runs.records import delete_runs, purge_ticks, runs_before, vacuum
from reports.delivery.store import DeliveryStore
from reports.issuing.naming import issues_folders
from reports.issuing.removal import Removal, document_files, remove_documents, superseded_issues
from warehouse.account import account
from warehouse.archive import INSTANT, orphans, read_manifest, remove_superseded
from warehouse.build_file import needed_versions
from warehouse.errors import HalfDoneError, OpcoError, UserError
from warehouse.files import leftovers, remove_whole
from warehouse.published import older_builds, parquet_of, record_of, remove_build
from warehouse.wording import counted, size

# Folders of the home, as it names them.
KEPT = (
    "archive",
    "build",
    "published",
    "exports",
    "deliveries",
    "attestations",
    "documents",
    "dagster",
    "alerts",
    "portal",
)


@dataclass(frozen=True)
class Named:
    """What is cleaned only because somebody named it."""

    superseded_before: datetime | None = None
    issues_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """What may go at once: its kind, how people call it, its bytes, and how it goes."""

    kind: str
    names: tuple[str, ...]
    byte_count: int
    remove: Callable[[], object]


@dataclass(frozen=True)
class CleanedKind:
    """What went of one kind."""

    count: int
    bytes: int
    names: list[str]


@dataclass(frozen=True)
class Cleaned:
    """What went, or with `dry_run` what would, in all and by kind; and the bytes that each folder holds now.

    `compacted_bytes` are those by which Dagster's files shrank.
    """

    dry_run: bool
    bytes: int
    cleaned: dict[str, CleanedKind]
    compacted_bytes: int
    kept: dict[str, int]


def clean(
    home: Home,
    settings: CleaningSettings,
    *,
    records: AbstractContextManager[dg.DagsterInstance],
    now: datetime,
    progress: Progress,
    named: Named | None = None,
    dry_run: bool = False,
) -> Cleaned:
    """Remove what the settings let go, and what is `named`; return what went, or with `dry_run` what would.

    `records` opens Dagster's instance of the home, once files have gone.
    What cannot be removed does not keep the rest: it is named at the end. Raises UserError for a session without
    issues, and OpcoError while a build is at work, or naming what could not be removed.
    """
    failures: list[str] = []
    with build_lock(home):
        progress.stage("Looking what may go")
        found = [
            *_builds(home),
            *_exports(home, settings.export_days, now),
            *_deliveries(home, now),
            *_orders(home, settings, now),
            *_audit(home, settings.audit_days, now),
            *_uploads(home, settings.upload_days, now),
            *_leftovers(home),
            *_named(home, named or Named(), now),
        ]
        if not dry_run:
            found = _removed(found, failures, progress)
        freed = 0
        try:
            # After the files: on a full disk they make the room without which no record can be deleted.
            with records as instance:
                runs = list(_runs(instance, settings.run_days, now))
                if not dry_run:
                    runs = _removed(runs, failures, progress)
                    freed = _compacted(home, instance, settings.run_days, now)
            found += runs
        except (OpcoError, SQLAlchemyError, sqlite3.Error, OSError) as error:
            failures.append(f"{home.dagster}: {str(error).splitlines()[0]}")
    cleaned = _cleaned(home, found, freed, dry_run=dry_run)
    if failures:
        raise HalfDoneError(
            "\n".join(
                [
                    f"{counted(len(failures), 'thing')} could not be cleaned; the rest was ({size(cleaned.bytes)}):",
                    *(f"  {failure}" for failure in failures[:10]),
                    "Repair the cause (space on the disk, rights) and run it again: opco clean",
                ]
            )
        )
    return cleaned


def _removed(found: Iterable[Candidate], failures: list[str], progress: Progress) -> list[Candidate]:
    """Remove what was found, and return what went; what stands in the way of one keeps none of the others."""
    gone = []
    for candidate in found:
        try:
            candidate.remove()
        except Exception as error:
            failures.append(f"{candidate.names[0]}: {(str(error) or repr(error)).splitlines()[0]}")
            continue
        progress.step(candidate.names[0])
        gone.append(candidate)
    return gone


def _compacted(home: Home, instance: dg.DagsterInstance, run_days: int | None, now: datetime) -> int:
    if run_days is not None:
        purge_ticks(instance, now - timedelta(days=run_days))
    return vacuum(home.dagster)


def _builds(home: Home) -> Iterator[Candidate]:
    """Yield the published builds beyond those kept, never the one that readers see."""
    for build in older_builds(home.published, load_settings(home).build.keep_builds):
        files = (build.path, record_of(build.path), *parquet_of(build.path).glob("*/*"))
        yield Candidate("builds", (_relative(home, build.path),), _bytes(*files), partial(remove_build, build.path))


def _exports(home: Home, days: int | None, now: datetime) -> Iterator[Candidate]:
    """Yield the exports that are older than `days`: files with the JSON that `opco export` writes beside them."""
    for beside in sorted(home.exports.glob("*.json")) if days is not None else ():
        path = beside.with_suffix("")
        if path.is_file() and _age(path, now) > timedelta(days=days or 0):
            yield Candidate("exports", (_relative(home, path),), _bytes(path, beside), partial(_unlink, path, beside))


def _deliveries(home: Home, now: datetime) -> Iterator[Candidate]:
    store = DeliveryStore(home.deliveries)
    expired = store.expired(now)
    if expired:
        held = _bytes(*(path for folder in expired for path in folder.rglob("*")))
        names = tuple(_relative(home, folder) for folder in expired)
        yield Candidate("deliveries", names, held, partial(store.forget_expired, now))


def _orders(home: Home, settings: CleaningSettings, now: datetime) -> Iterator[Candidate]:
    """Yield what pages asked for and is over: as old as an export that goes, or as a run whose record goes."""
    days = {"export": settings.export_days, "attestations": settings.run_days}
    for run in BackgroundRuns(home).latest(limit=None):
        kept_days = days[run.order.kind]
        if kept_days is not None and run.is_over and now - run.order.instant > timedelta(days=kept_days):
            folder = home.background_runs / run.order.run_id
            held = _bytes(*folder.rglob("*"))
            yield Candidate("orders", (_relative(home, folder),), held, partial(remove_whole, folder))


def _audit(home: Home, days: int | None, now: datetime) -> Iterator[Candidate]:
    """Yield the lines of the audit log that are older than `days`; that they went is on its record."""
    if days is None:
        return
    log, before = AuditLog.of(home), now - timedelta(days=days)
    if lines := log.older(before):
        names = tuple(f"{_relative(home, log.path)}, line {number}" for number in range(1, len(lines) + 1))
        cut = partial(log.cut, before, by=f"account {account()}", reason=f"cleaning.audit_days = {days}")
        yield Candidate("audit", names, sum(map(len, lines)), cut)


def _uploads(home: Home, days: int | None, now: datetime) -> Iterator[Candidate]:
    """Yield images that were sent more than `days` ago and stand in no issue, setting or run: none prints them."""
    old = [
        path
        for path in sorted((home.assets / "uploads").glob("*"))
        if days is not None and path.is_file() and _age(path, now) > timedelta(days=days)
    ]
    if not old:
        return
    naming = [
        home.settings_file,
        *(path for one in home.issued() for path in one.glob("*/manifest.json")),
        *home.background_runs.glob("*/*.json"),
    ]
    named = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in naming if path.is_file())
    for path in old:
        if path.name not in named:
            yield Candidate("uploads", (_relative(home, path),), _bytes(path), partial(_unlink, path))


def _leftovers(home: Home) -> Iterator[Candidate]:
    """Yield what processes that live no more had begun to write, and files of the archive that belong to no load."""
    left = leftovers(home.folder / "var", below=True)
    for path in dict.fromkeys([*left, *orphans(home.archive, read_manifest(home.archive))]):
        held = _bytes(path, *path.rglob("*"))
        yield Candidate("leftovers", (_relative(home, path),), held, partial(remove_whole, path))


def _runs(instance: dg.DagsterInstance, days: int | None, now: datetime) -> Iterator[Candidate]:
    if days is None:
        return
    for run in runs_before(instance, now - timedelta(days=days)):
        name = f"run {run.run_id} of {run.job_name}, {run.created_at:%Y-%m-%d}"
        yield Candidate("runs", (name,), run.byte_count, partial(delete_runs, instance, [run]))


def _named(home: Home, named: Named, now: datetime) -> Iterator[Candidate]:
    if named.superseded_before:
        manifest = read_manifest(home.archive)
        needed = needed_versions(home.build_file, manifest.last_load_number)
        versions = manifest.superseded_files(named.superseded_before.strftime(INSTANT), needed)
        if versions:
            names = tuple(f"{one.file} of load {one.last_load_number}, SHA-256 {one.sha256}" for one in versions)
            held = _bytes(*(home.archive / one.archive_file for one in versions))
            remove = partial(remove_superseded, home.archive, versions, now.strftime(INSTANT))
            yield Candidate("archive", names, held, remove)
    removal = Removal(now.strftime(INSTANT), account())
    for session_id in named.issues_of:
        folders = issues_folders(home.attestations, home.documents, session_id)
        if not folders:
            raise UserError(f"Nothing was issued for session {session_id!r}: nothing of it can be cleaned.")
        for issue in chain.from_iterable(map(superseded_issues, folders)):
            held = _bytes(*document_files(issue))
            yield Candidate("attestations", (_relative(home, issue),), held, partial(remove_documents, issue, removal))


def _cleaned(home: Home, gone: list[Candidate], compacted: int, *, dry_run: bool) -> Cleaned:
    by_kind: dict[str, list[Candidate]] = {}
    for candidate in gone:
        by_kind.setdefault(candidate.kind, []).append(candidate)
    kinds = {
        kind: CleanedKind(
            count=sum(len(one.names) for one in found),
            bytes=sum(one.byte_count for one in found),
            names=[name for one in found for name in one.names],
        )
        for kind, found in by_kind.items()
    }
    kept = {name: _bytes(*getattr(home, name).rglob("*")) for name in KEPT}
    return Cleaned(dry_run, sum(one.byte_count for one in gone) + compacted, kinds, compacted, kept)


def _relative(home: Home, path: Path) -> str:
    return path.relative_to(home.folder).as_posix()


def _age(path: Path, now: datetime) -> timedelta:
    return now - datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _bytes(*paths: Path) -> int:
    return sum(path.lstat().st_size for path in paths if path.is_file() and not path.is_symlink())


def _unlink(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
