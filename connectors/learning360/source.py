"""The source of `kind = "360learning"`: a folder of exports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import duckdb

from connectors.learning360.mapping import SNAPSHOT_TABLES, STATE, map_exports
from connectors.learning360.opca_logs import Exports, read_exports
from connectors.learning360.settings import Learning360Settings
from connectors.mapping import count_of, left_out, row_of, write_rows
from connectors.report import Finding, SourceReport
from connectors.source import PullContext
from warehouse.errors import UserError

# What each pull keeps for the next one: the file of the state, and the table that it is made of.
STATE_FILES = {
    "remembered_stays": ("stays.parquet", "taken_stays"),
    "delivered_connections": ("connections.parquet", "known_connections"),
}
REASONS = {
    "no_email": "lines without an e-mail address: nobody knows whose they are; the setting users says it",
    "no_session": "lines without the ID of their session or of its program template",
    "no_course": "lines without a course",
    "unreadable_time": "lines whose times are in no form that is known here",
    "unreadable_time_spent": "lines whose time spent is in no form that is known here",
    "ends_before_it_starts": "lines that end before they begin",
    "contradictory_time_spent": "lines whose time spent is not that between their two ends",
    "perhaps_renamed_course": "lines that tell a stay which another export tells of another course: renamed, or two "
    "courses at once? Write the ids of both names under courses, one id if it is one course",
}


@dataclass(frozen=True)
class Learning360Source:
    """Exports of connections in a folder of the home."""

    settings: Learning360Settings
    kind: str = "360learning"

    @property
    def id_prefix(self) -> str:
        """What stands before its ids."""
        return self.settings.id_prefix

    def check(self, home: Path) -> SourceReport:
        """Say what a first pull would take of the folder, without writing anything."""
        exports, db = self._read(home, {})
        with db:
            counts = {table: count_of(db, table) for table in (*SNAPSHOT_TABLES, "course_connections")}
            return _report(exports, db, counts, self.settings)

    def pull(self, context: PullContext) -> SourceReport:
        """Write the tables of all exports, and the connections that are new or were closed since."""
        remembered = {
            name: path
            for name, (file, _) in STATE_FILES.items()
            if not context.is_full and (path := context.previous_state_file(file))
        }
        exports, db = self._read(context.home, remembered)
        with db:
            for table in SNAPSHOT_TABLES:
                write_rows(db, f"from {table}", context.snapshot_file(table))
            counts = {table: count_of(db, table) for table in SNAPSHOT_TABLES}
            counts["course_connections"] = count_of(db, "new_connections")
            if counts["course_connections"]:
                write_rows(db, "from new_connections", context.growing_file("course_connections"))
            for name, (file, table) in STATE_FILES.items():
                write_rows(db, f"select {', '.join(STATE[name].names)} from {table}", context.state_file(file))
            return _report(exports, db, counts, self.settings)

    def _read(self, home: Path, remembered: Mapping[str, Path]) -> tuple[Exports, duckdb.DuckDBPyConnection]:
        folder = home / self.settings.folder
        if not folder.is_dir():
            raise UserError(f"There is no folder {folder}. Make it, and put the exports of connections into it.")
        exports = read_exports(folder)
        if not exports.files:
            said = "".join(f"\n  {one.file}: {one.reason}" for one in exports.left_out)
            raise UserError(f"There is no export of connections in {folder}: put one there (.csv).{said}")
        return exports, map_exports(exports, self.settings, remembered)


def _report(
    exports: Exports, db: duckdb.DuckDBPyConnection, counts: Mapping[str, int], settings: Learning360Settings
) -> SourceReport:
    first, last = row_of(
        db,
        "select min(connected_at), max(coalesce(disconnected_at, connected_at)) from judged_lines where reason is null",
    )
    return SourceReport(
        findings=tuple(_findings(exports, db, settings)),
        rows=counts,
        last_activity=last.replace(tzinfo=UTC) if last else None,
        facts={
            "Exports": f"{len(exports.files)} files, {len(exports.lines):,} lines",
            "Sessions": ", ".join(
                session for (session,) in db.execute("select session_id from program_sessions order by 1").fetchall()
            )
            or "none",
            "Learners": f"from {first:%Y-%m-%d} to {last:%Y-%m-%d}" if first else "none",
        },
    )


def _findings(exports: Exports, db: duckdb.DuckDBPyConnection, settings: Learning360Settings) -> Iterator[Finding]:
    for one in exports.left_out:
        yield Finding(code="file_left_out", level="warning", text=f"{one.file} is not read: {one.reason}")
    yield from left_out(db, "left_out_lines", REASONS)
    (ambiguous,) = row_of(db, "select count(*) from taken_stays where is_ambiguous")
    if ambiguous:
        yield Finding(
            code="ambiguous_hour",
            level="warning",
            text="stays in the hour that exists twice, which nothing settles, are taken as the later hour",
            count=ambiguous,
            examples=tuple(
                example
                for (example,) in db.execute(
                    "select file || ':' || line || ' ' || trim(last_name || ' ' || first_name) from taken_stays "
                    "where is_ambiguous order by file, line limit 10"
                ).fetchall()
            ),
        )
    for file, position in db.execute(
        "select file, position from file_fields where title = '' order by file, position"
    ).fetchall():
        yield Finding(
            code="field_without_title",
            level="warning",
            text=f"{file}: the custom field {position} has no title and is not taken",
        )
    for file, encoding in exports.encodings.items():
        if encoding == "windows-1252":
            yield Finding(
                code="encoding",
                level="note",
                text=f"{file} is not UTF-8 and was read as Windows-1252: look at its accents",
            )
    if not settings.instructors:
        yield Finding(
            code="no_instructors",
            level="note",
            text="the setting instructors names nobody: who teaches counts as a learner",
        )
    (with_seconds,) = row_of(
        db, "select coalesce(bool_or(extract('second' from connected_local) <> 0), false) from taken_stays"
    )
    if not with_seconds:
        yield Finding(
            code="minutes_alone",
            level="note",
            text="the times have no seconds: each end stands at the beginning of its minute, so that a stay may be up "
            "to a minute shorter or longer than it was, and one within a minute has no length",
        )
