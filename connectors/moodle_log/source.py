"""The source of `kind = "moodle-log"`: a folder of downloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import duckdb

from connectors.mapping import count_of, doubtful_encodings, left_out, row_of, unread_files, write_rows
from connectors.moodle_log.downloads import Downloads, read_downloads
from connectors.moodle_log.mapping import SNAPSHOT_TABLES, map_downloads
from connectors.moodle_log.settings import MoodleLogSettings
from connectors.report import Finding, SourceReport
from connectors.source import PullContext
from warehouse.errors import UserError

# What each pull keeps for the next one: the file of the state, and what it is made of.
STATE = {
    "remembered_participants": (
        "participants.parquet",
        "select course_id, email, first_name, last_name from participants",
    ),
    "remembered_people": ("people.parquet", "select moodle_id, email from people where email is not null"),
    "delivered_events": ("events.parquet", "select * from known_events"),
}
REASONS = {
    "unreadable_time": "lines whose time is in no form that is known here",
    "no_user": "lines that name no user",
    "not_a_person": "lines that neither the pages nor the mobile app made (origin is not web or ws)",
    "not_the_learner": "lines that Moodle writes for somebody, who need not be there",
    "not_a_participant": "lines of people whom no list of participants names, or who share a name; a list, or the "
    "setting users, brings them in",
    "under_another_name": "lines of somebody else under a learner's number, such as an administrator logged in as one",
}


@dataclass(frozen=True)
class MoodleLogSource:
    """Logs and lists of participants that people download from Moodle into a folder of the home."""

    settings: MoodleLogSettings
    kind: str = "moodle-log"

    @property
    def id_prefix(self) -> str:
        """What stands before its ids."""
        return self.settings.id_prefix

    def check(self, home: Path) -> SourceReport:
        """Say what a first pull would take of the folder, without writing anything."""
        downloads, db = self._read(home, {})
        with db:
            counts = {table: count_of(db, table) for table in (*SNAPSHOT_TABLES, "learning_events")}
            return _report(downloads, db, counts, self.settings)

    def pull(self, context: PullContext) -> SourceReport:
        """Write the tables of all downloads, and the events that are new."""
        remembered = {
            name: path
            for name, (file, _) in STATE.items()
            if not context.is_full and (path := context.previous_state_file(file))
        }
        downloads, db = self._read(context.home, remembered)
        with db:
            for table in SNAPSHOT_TABLES:
                write_rows(db, f"from {table}", context.snapshot_file(table))
            counts = {table: count_of(db, table) for table in SNAPSHOT_TABLES}
            counts["learning_events"] = count_of(db, "new_events")
            if counts["learning_events"]:
                write_rows(db, "from new_events", context.growing_file("learning_events"))
            for file, query in STATE.values():
                write_rows(db, query, context.state_file(file))
            return _report(downloads, db, counts, self.settings)

    def _read(self, home: Path, remembered: Mapping[str, Path]) -> tuple[Downloads, duckdb.DuckDBPyConnection]:
        folder = home / self.settings.folder
        if not folder.is_dir():
            raise UserError(f"There is no folder {folder}. Make it, and put the downloads of Moodle's log into it.")
        downloads = read_downloads(folder, self.settings.files)
        for what, found in (("log", downloads.logs), ("list of participants", downloads.participant_files)):
            if not found:
                said = "".join(f"\n  {one.file}: {one.reason}" for one in downloads.left_out)
                raise UserError(f"There is no {what} in {folder}: download one from the course (.csv).{said}")
        return downloads, map_downloads(downloads, self.settings, remembered)


def _report(
    downloads: Downloads, db: duckdb.DuckDBPyConnection, counts: Mapping[str, int], settings: MoodleLogSettings
) -> SourceReport:
    first, last = row_of(db, "select min(occurred_at), max(occurred_at) from judged_lines where reason is null")
    return SourceReport(
        findings=tuple(_findings(downloads, db, settings)),
        rows=counts,
        last_activity=last.replace(tzinfo=UTC) if last else None,
        facts={
            "Logs": f"{len(downloads.logs)} files, {len(downloads.lines):,} lines",
            "Participants": f"{len(downloads.participant_files)} files",
            "Courses": ", ".join(name for (name,) in db.execute("select course_id from courses order by 1").fetchall()),
            "Learners": f"from {first:%Y-%m-%d} to {last:%Y-%m-%d}" if first else "none",
        },
    )


def _findings(downloads: Downloads, db: duckdb.DuckDBPyConnection, settings: MoodleLogSettings) -> Iterator[Finding]:
    yield from unread_files(downloads.left_out)
    yield from left_out(db, "left_out_lines", REASONS)
    (ambiguous,) = row_of(db, "select count(*) from judged_lines where reason is null and is_ambiguous")
    if ambiguous:
        yield Finding(
            code="ambiguous_hour",
            level="warning",
            text="lines in the hour that exists twice, which nothing settles, are taken as the later hour",
            count=ambiguous,
        )
    if not settings.instructors:
        yield Finding(
            code="no_instructors",
            level="warning",
            text="the setting instructors names nobody: who teaches counts as a learner",
        )
    yield from doubtful_encodings(downloads.encodings)
    (site_lines,) = row_of(db, "select count(*) from typed_lines where course_id = 'site'")
    if not site_lines:
        yield Finding(
            code="no_site_pages",
            level="note",
            text="the logs have no pages outside the courses: a stay that such a page ends counts to its last trace",
        )
    yield Finding(
        code="sessions_by_settings",
        level="note",
        text="Moodle's download knows no sessions: each course is one, but for what the settings say",
    )
