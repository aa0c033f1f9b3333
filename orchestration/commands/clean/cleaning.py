"""`opco clean`: what the home may lose without losing anything: earlier builds, old exports, old records of runs."""

from __future__ import annotations

import getpass
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from orchestration.background import BackgroundRuns
from orchestration.clock import calendar_day
from orchestration.commands.closing import Closing
from orchestration.home import Home
from orchestration.progress import Progress
from orchestration.sections.upkeep import CleaningSettings
from orchestration.settings import load_settings
from orchestration.terminal import counted, size
from orchestration.terminal_progress import TerminalProgress
from reports.attestation.manifest import issue_folders
from reports.attestation.naming import session_folder
from reports.attestation.removal import Removal, document_files, remove_documents, superseded_issues
from reports.delivery.store import DeliveryStore
from warehouse.archive import INSTANT, orphans, read_manifest
from warehouse.errors import HalfDoneError, OpcoError, UserError
from warehouse.files import leftovers, remove_whole
from warehouse.published import older_builds, record_of
from warehouse.superseded import remove_superseded

if TYPE_CHECKING:
    import dagster as dg

TITLES = {
    "builds": ("earlier published build", "earlier published builds"),
    "exports": ("export file past its retention", "export files past their retention"),
    "deliveries": ("copy behind a link that has expired", "copies behind links that have expired"),
    "leftovers": ("file that a killed process left", "files that killed processes left"),
    "orders": (
        "record of what was asked for on a page, past its retention",
        "records of what was asked for on pages, past their retention",
    ),
    "runs": ("record of a run past its retention", "records of runs past their retention"),
    "archive": ("superseded version in the archive", "superseded versions in the archive"),
    "attestations": ("superseded issue: its documents", "superseded issues: their documents"),
}
KEPT = {
    "archive": "raw",
    "build": "build",
    "published": "published",
    "exports": "exports",
    "deliveries": "deliveries",
    "attestations": "attestations",
    "dagster": "dagster",
    "alarms": "alarms",
    "portal": "portal",
}


@dataclass(frozen=True)
class Named:
    """What is cleaned only because somebody named it."""

    superseded_before: datetime | None = None
    issues_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """What may go at once: its kind (a key of `TITLES`), how people call it, its bytes, and how it goes."""

    kind: str
    names: tuple[str, ...]
    byte_count: int
    remove: Callable[[], object]


def clean_closing(home: Home, superseded_before: str | None, issues_of: Sequence[str], *, dry_run: bool) -> Closing:
    """Do what `opco clean` asks for, and return its facts. Errors as `clean`."""
    day = calendar_day(superseded_before, "--superseded-before")
    named = Named(datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None, tuple(issues_of))
    settings = load_settings(home).cleaning
    progress = TerminalProgress()
    with progress.shown():
        progress.stage("Starting")
        from orchestration.runs import open_instance

        return clean(
            home,
            settings,
            records=open_instance(home),
            now=datetime.now(UTC),
            progress=progress,
            named=named,
            dry_run=dry_run,
        )


def clean(
    home: Home,
    settings: CleaningSettings,
    *,
    records: AbstractContextManager[dg.DagsterInstance],
    now: datetime,
    progress: Progress,
    named: Named | None = None,
    dry_run: bool = False,
) -> Closing:
    """Remove what the settings let go, and what is `named`; return what went, or with `dry_run` what would.

    `records` opens Dagster's instance of the home, once files have gone.
    What cannot be removed does not keep the rest: it is told at the end. Raises UserError for a session without
    issues, and OpcoError while a build is at work, or naming what could not be removed.
    """
    from orchestration.locking import build_lock

    failures: list[str] = []
    with build_lock(home):
        progress.stage("Looking what may go")
        found = [
            *_builds(home),
            *_exports(home, settings.export_days, now),
            *_deliveries(home, now),
            *_orders(home, settings, now),
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
    closing = _closing(home, found, freed, dry_run=dry_run)
    if failures:
        raise HalfDoneError(
            "\n".join(
                [
                    f"{counted(len(failures), 'thing')} could not be cleaned; the rest was ({size(closing['bytes'])}):",
                    *(f"  {failure}" for failure in failures[:10]),
                    "Mend the cause (room on the disk, rights) and run it again: opco clean",
                ]
            )
        )
    return closing


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
    from orchestration.dagster_storage import purge_ticks, vacuum

    if run_days is not None:
        purge_ticks(instance, now - timedelta(days=run_days))
    return vacuum(home.dagster)


def _builds(home: Home) -> Iterator[Candidate]:
    """Yield the published builds beyond those kept, never the one that readers see."""
    for build in older_builds(home.published, load_settings(home).build.keep_builds):
        files = (build.path, record_of(build.path))
        yield Candidate("builds", (_relative(home, build.path),), _bytes(*files), partial(_unlink, *files))


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
            place = home.background_runs / run.order.run_id
            held = _bytes(*place.rglob("*"))
            yield Candidate("orders", (_relative(home, place),), held, partial(remove_whole, place))


def _leftovers(home: Home) -> Iterator[Candidate]:
    """Yield what processes that live no more had begun to write, and files of the archive that belong to no load."""
    left = leftovers(home.folder / "var", below=True)
    for path in dict.fromkeys([*left, *orphans(home.archive, read_manifest(home.archive))]):
        held = _bytes(path, *path.rglob("*"))
        yield Candidate("leftovers", (_relative(home, path),), held, partial(remove_whole, path))


def _runs(instance: dg.DagsterInstance, days: int | None, now: datetime) -> Iterator[Candidate]:
    from orchestration.dagster_storage import delete_runs, runs_before

    if days is None:
        return
    for run in runs_before(instance, now - timedelta(days=days)):
        name = f"run {run.run_id} of {run.job_name}, {run.created_at:%Y-%m-%d}"
        yield Candidate("runs", (name,), run.byte_count, partial(delete_runs, instance, [run]))


def _named(home: Home, named: Named, now: datetime) -> Iterator[Candidate]:
    if named.superseded_before:
        versions = read_manifest(home.archive).superseded_files(named.superseded_before.strftime(INSTANT))
        if versions:
            names = tuple(f"{one.file} of load {one.last_load_number}, SHA-256 {one.sha256}" for one in versions)
            held = _bytes(*(home.archive / one.archive_file for one in versions))
            remove = partial(remove_superseded, home.archive, versions, now.strftime(INSTANT))
            yield Candidate("archive", names, held, remove)
    removal = Removal(now.strftime(INSTANT), getpass.getuser())
    for session_id in named.issues_of:
        folder = home.attestations / session_folder(session_id)
        if not issue_folders(folder):
            raise UserError(f"No attestations were issued for session {session_id!r}: nothing of it can be cleaned.")
        for issue in superseded_issues(folder):
            held = _bytes(*document_files(issue))
            yield Candidate("attestations", (_relative(home, issue),), held, partial(remove_documents, issue, removal))


def _closing(home: Home, gone: list[Candidate], compacted: int, *, dry_run: bool) -> Closing:
    kinds: dict[str, Any] = {
        kind: {
            "count": sum(len(one.names) for one in of_kind),
            "bytes": sum(one.byte_count for one in of_kind),
            "names": [name for one in of_kind for name in one.names],
        }
        for kind in TITLES
        if (of_kind := [one for one in gone if one.kind == kind])
    }
    var = home.folder / "var"
    return {
        "command": "clean",
        "ok": True,
        "home": str(home.folder),
        "dry_run": dry_run,
        "bytes": sum(one.byte_count for one in gone) + compacted,
        "cleaned": kinds,
        "compacted_bytes": compacted,
        "kept": {name: _bytes(*(var / folder).rglob("*")) for name, folder in KEPT.items()},
    }


def clean_lines(closing: Closing) -> list[str]:
    """Return what `opco clean` prints at its end."""
    would = "Would free" if closing["dry_run"] else "Freed"
    lines = [f"{would} {size(closing['bytes'])}"]
    for kind, one in closing["cleaned"].items():
        lines.append(f"  {size(one['bytes']):>9}  {counted(one['count'], *TITLES[kind])}")
        if closing["dry_run"]:
            lines += [f"             {name}" for name in one["names"]]
    if closing["compacted_bytes"]:
        lines.append(f"  {size(closing['compacted_bytes']):>9}  Dagster's files, made smaller")
    kept = closing["kept"]
    lines.append(f"{'Now on the disk' if closing['dry_run'] else 'Kept'} {size(sum(kept.values()))}")
    lines += [f"  {size(count):>9}  var/{KEPT[name]}" for name, count in kept.items() if count]
    return [*lines, "Nothing was changed."] if closing["dry_run"] else lines


def _relative(home: Home, path: Path) -> str:
    return path.relative_to(home.folder).as_posix()


def _age(path: Path, now: datetime) -> timedelta:
    return now - datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _bytes(*paths: Path) -> int:
    return sum(path.lstat().st_size for path in paths if path.is_file() and not path.is_symlink())


def _unlink(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
