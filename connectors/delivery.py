"""A delivery: one folder of raw tables that appears whole, under one name, with the sources' state in it.

`ROOT/<UTC instant>/` holds the tables of all sources, `ROOT/current` is a link to the last one. Killed at any instant,
a pull leaves the link, and so data and state, as it was or as it should be.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from connectors.forgetting import forget_in_new_files
from connectors.report import SourceReport
from connectors.source import INSTANT, PullContext, Source, in_order
from warehouse.contract import RawTable, raw_tables
from warehouse.errors import OpcoError, UserError
from warehouse.files import fsync_path, make_folder, try_lock
from warehouse.sql import quoted_identifier, quoted_literal

CURRENT = "current"
DONE = "_DONE"
REPORT = "report.json"
# Snapshot tables whose rows have an id of their own, that other rows point to.
IDENTIFIED = {
    "users": "user_id",
    "custom_fields": "custom_field_id",
    "groups": "group_id",
    "program_templates": "program_template_id",
    "program_sessions": "session_id",
    "enrollments": "enrollment_id",
    "courses": "course_id",
    "assessments": "assessment_id",
}
STAGING = re.compile(r"\.\d{4}-\d\d-\d\dT\d{12}Z\.part")
DELIVERY = re.compile(r"\d{4}-\d\d-\d\dT\d{12}Z")


@dataclass(frozen=True)
class Delivery:
    """A delivery that was made: its folder, and the report of each source that was pulled, by name."""

    folder: Path
    reports: Mapping[str, SourceReport]


def current_delivery(root: Path) -> Path | None:
    """Return the folder of the last delivery; None where there is none."""
    link = root / CURRENT
    return link.resolve() if link.exists() else None


def deliveries(root: Path) -> list[Path]:
    """Return the whole deliveries that are kept, oldest first."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if DELIVERY.fullmatch(path.name) and (path / DONE).exists())


def last_reports(root: Path) -> dict[str, tuple[datetime, SourceReport]]:
    """Return the report of each source's last pull, with the start of that pull (aware, UTC), by name."""
    folder = current_delivery(root)
    found = {}
    for path in sorted(folder.glob(f"_*-{REPORT}")) if folder else ():
        content = json.loads(path.read_text(encoding="utf-8"))
        report = SourceReport.from_json(content["report"])
        found[content["source"]] = (datetime.fromisoformat(content["started_at"]), report)
    return found


def deliver(
    root: Path,
    sources: Mapping[str, Source],
    *,
    home: Path,
    started_at: datetime,
    known: Collection[str] = (),
    forgotten: Collection[str] = (),
    is_full: bool = False,
    is_dry_run: bool = False,
    allows_empty: bool = False,
    keep: int = 3,
    on_progress: Callable[[str, str], None] = lambda _source, _step: None,
) -> Delivery:
    """Pull `sources` into one new delivery under `root`, with what the home's other sources delivered last.

    `known` names the files of growing tables that the archive has (`learning_events/moodle-….parquet`): they are in no
    further delivery. Of learners whose ids are `forgotten`, nothing else is delivered. `keep` deliveries stay, this one
    among them. A dry run leaves nothing. `on_progress` is called with the source and what it does.

    Raises UserError where a source does, or has nothing where it had something before (unless `allows_empty`), or where
    two sources have the same ids; OpcoError where another pull is at work. Nothing is delivered then.
    """
    make_folder(root)
    with _alone(root):
        for path in root.iterdir():
            if STAGING.fullmatch(path.name):
                shutil.rmtree(path)
        previous = current_delivery(root)
        name = started_at.strftime(INSTANT)
        if previous and name <= previous.name:
            raise UserError(
                f"The clock says {name}, which is not after the last delivery, {previous.name}. Set the clock right."
            )
        staging = root / f".{name}.part"
        staging.mkdir()
        try:
            if previous:
                _link_older(previous, staging, sources, known)
            reports = {}
            for source_name, source in in_order(sources.items()):
                context = PullContext(
                    name=source_name,
                    home=home,
                    started_at=started_at,
                    previous=previous,
                    staging=staging,
                    is_full=is_full,
                    on_progress=lambda step, of=source_name: on_progress(of, step),  # type: ignore[misc]
                )
                report = source.pull(context)
                _require_something(context, report, allows_empty=allows_empty)
                _put_prefix(context, source.id_prefix)
                forget_in_new_files(list(_written(context)), forgotten)
                _write_report(context, report)
                reports[source_name] = report
            _require_own_ids(staging)
            if is_dry_run:
                return Delivery(root / name, reports)
            _publish(root, staging, name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        for older in deliveries(root)[:-keep]:
            shutil.rmtree(older)
        return Delivery(root / name, reports)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    with (root / ".lock").open("a+", encoding="ascii") as stream:
        if not try_lock(stream):
            stream.seek(0)
            raise OpcoError(
                f"Another pull is at work in {root} (process {stream.read() or 'unknown'}).\n"
                "Wait for its end, then try again."
            )
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def _link_older(previous: Path, staging: Path, pulled: Collection[str], known: Collection[str]) -> None:
    """Link what stays of the last delivery: other sources' tables and state, and growing files that nobody has yet."""
    for path in sorted(previous.rglob("*")):
        relative = path.relative_to(previous)
        if not path.is_file() or relative.name == DONE:
            continue
        table = raw_tables().get(relative.parts[0]) if len(relative.parts) == 2 else None
        if table and table.is_growing:
            stays = relative.as_posix() not in known
        elif table:
            stays = path.stem not in pulled
        else:
            stays = not any(re.match(rf"_{re.escape(name)}-[^-]+$", relative.name) for name in pulled)
        if stays:
            (staging / relative).parent.mkdir(exist_ok=True)
            os.link(path, staging / relative)


def _require_something(context: PullContext, report: SourceReport, *, allows_empty: bool) -> None:
    """Raise UserError where a source that had users has none: the snapshot would mark everybody gone."""
    earlier = context.previous_state_file(REPORT)
    if allows_empty or earlier is None:
        return
    before = json.loads(earlier.read_text(encoding="utf-8"))["report"]["rows"]
    if before.get("users", 0) and not report.rows.get("users", 0):
        raise UserError(
            f"The source {context.name} has no user, and had {before['users']:,} at its last pull: this looks like the "
            "wrong database or folder. Nothing was delivered. If it is right, pull with --allow-empty; all are then "
            "gone."
        )


def _put_prefix(context: PullContext, prefix: str) -> None:
    """Put the prefix before every id of what the source has just written; what it kept has it."""
    if not prefix:
        return
    with duckdb.connect() as db:
        for path in set(_written(context)) - context.kept:
            _rewrite(db, path, raw_tables()[path.parent.name], prefix)


def _written(context: PullContext) -> Iterator[Path]:
    """Yield the files of raw tables that the source has just written."""
    for table in raw_tables():
        for name in (f"{context.name}.parquet", f"{context.name}-{context.started_at.strftime(INSTANT)}.parquet"):
            if (path := context.staging / table / name).exists():
                yield path


def _rewrite(db: duckdb.DuckDBPyConnection, path: Path, table: RawTable, prefix: str) -> None:
    delivered = {column[0] for column in db.execute(f"describe from read_parquet({quoted_literal(path)})").fetchall()}
    ids = [column.name for column in table.columns if column.kind == "id" and column.name in delivered]
    if not ids:
        return
    replaced = ", ".join(
        f"{quoted_literal(prefix)} || {quoted_identifier(one)} as {quoted_identifier(one)}" for one in ids
    )
    written = path.with_suffix(".prefixed")
    db.execute(
        f"copy (select * replace ({replaced}) from read_parquet({quoted_literal(path)})) "
        f"to {quoted_literal(written)} (format parquet, compression zstd)"
    )
    written.replace(path)


def _write_report(context: PullContext, report: SourceReport) -> None:
    content = {"source": context.name, "started_at": context.started_at.isoformat(), "report": report.to_json()}
    context.state_file(REPORT).write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")


def _require_own_ids(staging: Path) -> None:
    """Raise UserError where two sources deliver the same id of a snapshot table: one would take the other's place."""
    several = {table: parts for table in IDENTIFIED if len(parts := sorted((staging / table).glob("*.parquet"))) > 1}
    if not several:
        return
    with duckdb.connect() as db:
        for table, parts in several.items():
            key = IDENTIFIED[table]
            found = db.execute(
                f"select {key}, list(distinct filename order by filename) "
                "from read_parquet($parts, union_by_name = true, filename = true) group by all "
                "having count(distinct filename) > 1 order by all limit 1",
                {"parts": list(map(str, parts))},
            ).fetchone()
            if found:
                first, second = (Path(file).stem for file in found[1][:2])
                raise UserError(
                    f"The sources {first} and {second} both have a row of {table} with the {key} {found[0]}: nobody "
                    f'can tell them apart. Set id_prefix = "{second}-" in [sources.{second}] before its first load.'
                )


def _publish(root: Path, staging: Path, name: str) -> None:
    """Give the delivery its name once all of it is on the disk, then make it the current one."""
    (staging / DONE).touch()
    for path in sorted(staging.rglob("*"), reverse=True):
        fsync_path(path)
    fsync_path(staging)
    staging.rename(root / name)
    fsync_path(root)
    link = root / f".{name}.link"
    link.unlink(missing_ok=True)
    link.symlink_to(name)
    link.replace(root / CURRENT)
    fsync_path(root)
