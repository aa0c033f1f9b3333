"""A Moodle as a source: what a pull reads and delivers, and what a check finds."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.moodle import mapping as mapped
from connectors.moodle.connection import Database, ReplicaConflictError, open_database
from connectors.moodle.landing import land, land_activity_names, tables_with_rows
from connectors.moodle.mapping import MappingOptions, MoodleMapping
from connectors.moodle.schema import LOG, MODES, TABLES, Access, Schema, find_schema
from connectors.moodle.settings import MoodleSettings
from connectors.report import Finding, Level, SourceReport
from connectors.source import PullContext
from warehouse.errors import UserError
from warehouse.sql import quoted_literal

DAY = 86_400
LATE_COMMIT_SECONDS = DAY
"""How long before the last pull's start a request may have begun that wrote its log rows after it."""
EXPECTED_RETENTION_DAYS = 4 * 365
CLOCK_TOLERANCE_SECONDS = 300
USERS_A_QUERY = 1_000
MAPPING_VERSION = 1
"""Raised when events already delivered would be mapped otherwise: the next pull then reads all of them again."""

LEFT_OUT = {
    "origin": "Events of the command line, of scheduled tasks and of restores",
    "logged_in_as": "Events of an administrator logged in as the learner",
    "nobody": "Events of nobody",
    "anonymous": "Anonymous events",
    "guest": "Events of the guest",
    "not_by_the_user": "Events that another than their user caused, such as a grade, a message or a failed log-in",
    "deleted_course": "Events of courses that Moodle has deleted",
    "restored": "Events older than their course, copies of a restore (restored_events = true takes them)",
}
"""Why rows of the log are no events, by the reason that `sql/steps/events.sql` gives."""


@dataclass(frozen=True)
class _Log:
    """The log as the snapshot has it: its smallest and largest id, and its first and last instant (epochs)."""

    first_id: int | None
    last_id: int | None
    first_at: int | None
    last_at: int | None


@dataclass
class _Findings:
    found: list[Finding] = field(default_factory=list)

    def add(self, level: Level, code: str, text: str, count: int | None = None, examples: Iterable[str] = ()) -> None:
        self.found.append(Finding(code=code, level=level, text=text, count=count, examples=tuple(examples)))


@dataclass(frozen=True)
class _Kept:
    """What stays as the last pull left it, with the rows that its snapshot tables had.

    `content` is that of `MoodleMapping.content` now.
    """

    content: Mapping[str, str]
    rows: Mapping[str, int]
    has_sessions: bool
    has_results: bool

    @property
    def named(self) -> str:
        """What stays, in words."""
        return ", ".join(
            (["people, sessions and courses"] if self.has_sessions else []) + (["results"] if self.has_results else [])
        )


@dataclass(frozen=True)
class MoodleSource:
    """A Moodle, read through its database."""

    settings: MoodleSettings

    @property
    def kind(self) -> str:
        """Its kind; see `Source.kind`."""
        return self.settings.kind

    @property
    def id_prefix(self) -> str:
        """What the delivery puts before every id; see `Source.id_prefix`."""
        return self.settings.id_prefix

    def pull(self, context: PullContext) -> SourceReport:
        """Write what is new of the log, and everything else as it is now; see `Source.pull`.

        A replica that ends the snapshot is asked once more.
        """
        try:
            return self._pull(context)
        except ReplicaConflictError:
            context.on_progress("the replica ended the reading: once more from the beginning")
            return self._pull(context)

    def check(self, home: Path) -> SourceReport:  # noqa: ARG002 (a Moodle has no files in the home)
        """Tell what the database has, lacks and does not grant, and what each session mode would give."""
        findings = _Findings()
        with self._open(self.kind) as database, tempfile.TemporaryDirectory(prefix="opco-moodle-") as temporary:
            schema = find_schema(database, self.settings.prefix, self.settings.log_table)
            facts = {
                "Database": f"{database.engine} {database.version}",
                "Moodle": schema.release or "release unknown",
                "Prefix": schema.prefix,
            }
            self._check_access(database, schema, findings)
            folder = Path(temporary)
            landed = self._land(database, schema, CHECKED_TABLES, folder)
            if schema.access[LOG].get("id") is Access.GRANTED:
                log = _log(database, schema)
                facts["Log"] = f"{_day(log.first_at)} to {_day(log.last_at)}" if log.last_at else "empty"
                self._check_log(database, log, landed, findings)
                self._check_left_out(database, schema, findings)
            for mode in MODES:
                facts[f'sessions = "{mode}"'] = self._sessions_of(mode, schema, landed)
            return SourceReport(
                findings=tuple(findings.found),
                facts=facts,
                last_activity=_instant(log.last_at) if schema.access[LOG].get("id") is Access.GRANTED else None,
            )

    def _open(self, name: str) -> AbstractContextManager[Database]:
        password = self.settings.password
        return open_database(
            self.settings.database,
            password.get_secret_value() if password else None,
            schema=self.settings.db_schema,
            statement_timeout=self.settings.statement_timeout,
            source=name,
        )

    def _pull(self, context: PullContext) -> SourceReport:
        findings = _Findings()
        state = context.state()
        started_at = int(context.started_at.timestamp())
        with (
            tempfile.TemporaryDirectory(prefix=f".{context.name}-landed-", dir=context.staging.parent) as temporary,
            self._open(context.name) as database,
        ):
            folder = Path(temporary)
            schema = find_schema(database, self.settings.prefix, self.settings.log_table)
            schema.require(database, self.settings.sessions)
            self._check_access(database, schema, findings)
            context.on_progress("reading tables")
            landed = self._land(database, schema, [table for table in TABLES if table != LOG], folder)
            if self.settings.activities == "activity":
                names = folder / "activity_names.parquet"
                land_activity_names(database, schema, names)
                if names.exists():
                    landed["activity_names"] = names
            log = _log(database, schema)
            self._check_log(database, log, landed, findings)
            site = _site(landed)
            low = self._first_new_id(database, schema, log, site, context, findings)
            is_new_reading = low == 0
            context.on_progress("reading the log")
            new_rows = folder / f"{LOG}-1.parquet"
            if land(database, schema, LOG, new_rows, [f"id >= {low}"] if low else []):
                landed[LOG] = new_rows
            mapping = MoodleMapping(
                landed,
                self._previous(context, is_new_reading),
                self._options(started_at, low, schema),
                folder=folder,
                id_prefix=self.id_prefix,
            )
            try:
                context.on_progress("mapping")
                kept = self._map(mapping, context, {} if is_new_reading else state)
                if not is_new_reading:
                    self._land_changed_users(database, schema, mapping, folder, low)
                mapping.run("events")
                rows = self._write(mapping, context, kept)
                self._write_state(mapping, context, started_at, kept)
                self._report_mapping(mapping, findings)
                last_activity = mapping.rows(
                    "select max(s.at) from shown as s where s.user_id in (select id from people)"
                )[0][0]
            finally:
                mapping.close()
        known_activity = max(last_activity or 0, int(state.get("last_activity", 0))) or None
        context.save_state(
            {
                "cursor": max(log.last_id or 0, 0 if is_new_reading else int(state.get("cursor", 0))),
                "site": site,
                "started_at": started_at,
                "fingerprint": self._fingerprint(),
                "last_activity": known_activity or 0,
                "content": kept.content,
                "rows": {table: rows[table] for table in mapped.SNAPSHOTS},
            }
        )
        return SourceReport(
            findings=tuple(findings.found),
            rows=rows,
            last_activity=_instant(known_activity),
            facts={
                "Moodle": schema.release or "release unknown",
                "Log": f"{_day(log.first_at)} to {_day(log.last_at)}" if log.last_at else "empty",
                "Read": "the whole log" if is_new_reading else f"the log from id {low} on",
                **({"Unchanged": kept.named} if kept.named else {}),
            },
        )

    # What is read.

    def _land(self, database: Database, schema: Schema, tables: Iterable[str], folder: Path) -> dict[str, Path]:
        """The files of those of the tables that have rows to read."""
        files = {table: folder / f"{table}.parquet" for table in tables_with_rows(database, schema, tables)}
        return {table: file for table, file in files.items() if land(database, schema, table, file)}

    def _first_new_id(
        self,
        database: Database,
        schema: Schema,
        log: _Log,
        site: str,
        context: PullContext,
        findings: _Findings,
    ) -> int:
        """The smallest id that may be new: 0 where everything is read.

        A request may write its rows after those of larger ids were read, so it lies a day before the last pull.
        """
        state = context.state()
        if not state:
            return 0
        if state["site"] != site or (log.last_id or 0) < state["cursor"]:
            what = (
                "is another site than at the last pull (config.siteidentifier)"
                if state["site"] != site
                else f"has a log that ends at id {log.last_id or 0}, and was read up to {state['cursor']}"
            )
            raise UserError(
                f"{database.place} {what}: it was restored or replaced, and ids may now mean other events. If they do, "
                f'set id_prefix = "…" in [sources.{context.name}] or use a new home. Then type: '
                f"opco pull {context.name} --full"
            )
        if state["fingerprint"] != self._fingerprint():
            findings.add("note", "settings_changed", "The settings of the mapping changed: the whole log is read again")
            return 0
        if log.first_id is not None and log.first_id > state["cursor"] + 1:
            findings.add(
                "warning",
                "retention_overtook",
                f"Moodle deleted rows of its log before they were read: ids {state['cursor'] + 1} to "
                f"{log.first_id - 1}. Pull more often than its log is cleaned",
            )
        since = state["started_at"] - LATE_COMMIT_SECONDS
        table = database.quoted(schema.real_name(LOG))
        # By the index on timecreated; a bare min(id) may walk the whole primary key.
        ((low,),) = database.rows(
            f"select min(id) from (select id from {table} where timecreated >= {since} "
            f"order by timecreated limit 1000000000) as recent"
        )
        after_cursor = int(state["cursor"]) + 1
        return max(1, min(after_cursor if low is None else int(low), after_cursor))

    def _land_changed_users(
        self, database: Database, schema: Schema, mapping: MoodleMapping, folder: Path, low: int
    ) -> None:
        """Read again what those did whose sessions changed: a member may be added after having worked."""
        users = [user for (user,) in mapping.rows("select user_id from changed_users order by user_id")]
        if not users:
            return
        file = folder / f"{LOG}-2.parquet"
        conditions = [
            f"id < {low} and userid in ({', '.join(map(str, users[start : start + USERS_A_QUERY]))})"
            for start in range(0, len(users), USERS_A_QUERY)
        ]
        if land(database, schema, LOG, file, conditions):
            mapping.land_log(folder / f"{LOG}-*.parquet")

    def _previous(self, context: PullContext, is_new_reading: bool) -> dict[str, Path]:
        """What the last pull left; memberships also where everything is read again, as Moodle forgets them."""
        wanted = ("marks",) if is_new_reading else mapped.STATE_FILES
        files = {name: context.previous_state_file(f"{name}.parquet") for name in wanted}
        files |= {name: context.previous_snapshot(name) for name in ("users", "user_custom_field_values")}
        return {name: file for name, file in files.items() if file is not None}

    def _options(self, started_at: int, low: int, schema: Schema, sessions: str = "") -> MappingOptions:
        settings = self.settings
        observed = {
            "cohort": ("cohort_members",),
            "group": ("groups_members",),
            "role": ("role_assignments", "context"),
        }
        return MappingOptions(
            sessions=sessions or settings.sessions,
            display_timezone=settings.timezone,
            language=settings.language,
            programs=settings.programs,
            activities=settings.activities,
            duration_field=settings.duration_field or "",
            learner_roles=settings.learner_roles,
            restored_events=settings.restored_events,
            cohort_labels=settings.cohort_labels,
            course_groups=settings.course_groups,
            session_dates=settings.session_dates,
            started_at=started_at,
            low=low,
            observed_kinds=tuple(kind for kind, tables in observed.items() if all(map(schema.is_readable, tables))),
        )

    def _fingerprint(self) -> str:
        """What must be the same for events of an earlier pull to stay as they were mapped."""
        settings = self.settings
        mapping = [MAPPING_VERSION, settings.sessions, settings.activities, settings.restored_events]
        return hashlib.sha256(json.dumps(mapping).encode()).hexdigest()[:16]

    # What is written.

    def _map(self, mapping: MoodleMapping, context: PullContext, state: Mapping[str, Any]) -> _Kept:
        """Map what comes before the events, and of that nothing which would be as the last pull left it in `state`."""
        content = mapping.content()
        is_whole = all(
            [
                *map(context.previous_snapshot, mapped.SNAPSHOTS),
                *(context.previous_state_file(f"{name}.parquet") for name in mapped.STATE_FILES),
            ]
        )
        before = state.get("content", {}) if is_whole else {}
        changed = {name for name, digest in content.items() if digest != before.get(name)}
        mapping.run("people")
        mapping.run("marks")
        keeps_sessions = not changed.difference(mapped.RESULT_TABLES) and not mapping.has_new_marks()
        for step in ("known_sessions",) if keeps_sessions else mapped.SESSION_STEPS:
            mapping.run(step)
        mapping.run("courses")
        keeps_results = keeps_sessions and not changed
        if not keeps_results:
            mapping.run("progress")
        return _Kept(content, state.get("rows", {}), keeps_sessions, keeps_results)

    def _write(self, mapping: MoodleMapping, context: PullContext, kept: _Kept) -> dict[str, int]:
        rows = {}
        for table in mapped.SNAPSHOTS:
            if kept.has_sessions:
                context.keep_snapshot(table)
                rows[table] = kept.rows[table]
            else:
                rows[table] = mapping.write(table, context.snapshot_file(table))
        for table in (*mapped.COMPARED, "learning_events"):
            if kept.has_results and table in mapped.COMPARED:
                rows[table] = 0
                continue
            file = context.growing_file(table)
            rows[table] = mapping.write(table, file)
            if not rows[table] and context.previous is not None:
                file.unlink()
        return rows

    def _write_state(
        self,
        mapping: MoodleMapping,
        context: PullContext,
        started_at: int,
        kept: _Kept,
    ) -> None:
        for name in ("marks", "candidates"):
            if kept.has_sessions:
                context.keep_state_file(f"{name}.parquet")
            else:
                mapping.copy(f"from {name}", context.state_file(f"{name}.parquet"))
        mapping.copy(
            "select id from activity where id >= "
            f"(select min(a.id) from activity as a where a.at >= {started_at - LATE_COMMIT_SECONDS})",
            context.state_file("read_ids.parquet"),
        )
        if kept.has_results:
            context.keep_state_file("digests.parquet")
            return
        mapping.copy(
            " union all ".join(
                f"select {key} as id, md5(cast(t as varchar)) as digest from {table} as t"
                for table, key in mapped.COMPARED.items()
            ),
            context.state_file("digests.parquet"),
        )

    # What is told.

    def _check_access(self, database: Database, schema: Schema, findings: _Findings) -> None:
        for table in TABLES.values():
            for access in (Access.DENIED, Access.MISSING):
                columns = [column for column, found in schema.unreadable(table.name).items() if found is access]
                if not columns:
                    continue
                level: Level = (
                    "error" if any(table.is_required(self.settings.sessions, column) for column in columns) else "note"
                )
                name = schema.real_name(table.name)
                what = f"the columns {', '.join(columns)} of {name}" if schema.is_readable(table.name) else name
                cure = f". Type: {schema.grant(database, table.name)}" if access is Access.DENIED else ""
                code = "not_granted" if access is Access.DENIED else "missing"
                findings.add(level, code, f"{what} {'is' if what == name else 'are'} {access.value}{cure}")

    def _check_log(
        self,
        database: Database,
        log: _Log,
        landed: Mapping[str, Path],
        findings: _Findings,
    ) -> None:
        """The log's store, its retention and its clock."""
        plugins = {f"{row['plugin']}.{row['name']}": row["value"] for row in _rows(landed.get("config_plugins"))}
        oldest_course = min(
            (row["startdate"] for row in _rows(landed.get("course")) if row["category"] and row["startdate"]),
            default=None,
        )
        stores = plugins.get("tool_log.enabled_stores")
        if stores is not None and "logstore_standard" not in stores and self.settings.log_table is None:
            raise UserError(
                f"{database.place} does not keep the standard log: its stores are {stores or 'none'}. Switch the store "
                "logstore_standard on in Moodle (Site administration > Plugins > Logging), or name the table of "
                f"logstore_database in sources.{self.kind}.log_table."
            )
        days = int(plugins.get("logstore_standard.loglifetime") or 0)
        if 0 < days < EXPECTED_RETENTION_DAYS:
            findings.add(
                "warning",
                "retention",
                f"Moodle deletes its log after {days} days, and a proof may be asked for after four years: set "
                "loglifetime to 0 (never), or pull before the rows are deleted",
            )
        if oldest_course and log.first_at and log.first_at > oldest_course:
            findings.add(
                "warning",
                "log_younger_than_courses",
                f"The log begins on {_day(log.first_at)}, the oldest course on {_day(oldest_course)}: of the time "
                "between there is no proof",
            )
        clock = "extract(epoch from now())" if database.engine == "PostgreSQL" else "unix_timestamp()"
        ((now,),) = database.rows(f"select {clock}")
        ours = datetime.now(UTC).timestamp()
        for ahead, of in (
            (float(now) - ours, "The database's clock"),
            ((log.last_at or 0) - ours, "The newest row of the log"),
        ):
            if ahead > CLOCK_TOLERANCE_SECONDS or (abs(ahead) > CLOCK_TOLERANCE_SECONDS and "clock" in of):
                findings.add(
                    "warning",
                    "clock",
                    f"{of} is {abs(ahead):,.0f} seconds {'ahead of' if ahead > 0 else 'behind'} this machine's clock. "
                    "Events of the future are refused until their time has come",
                )

    def _check_left_out(self, database: Database, schema: Schema, findings: _Findings) -> None:
        """Count what is left out of the log, in the database itself."""
        log = database.quoted(schema.real_name(LOG))
        course = database.quoted(schema.real_name("course"))
        names = ", ".join(quoted_literal(name) for name in mapped.not_by_the_user())
        restored = "false" if self.settings.restored_events else "l.courseid > 1 and l.timecreated < c.timecreated"
        reasons = {
            "origin": "l.origin is null or l.origin not in ('web', 'ws')",
            "logged_in_as": "l.realuserid is not null",
            "nobody": "coalesce(l.userid, 0) <= 0",
            "anonymous": "coalesce(l.anonymous, 0) <> 0",
            "not_by_the_user": f"l.eventname in ({names})",
            "deleted_course": "coalesce(l.courseid, 0) not in (0, 1) and c.id is null",
            "restored": restored,
        }
        case = " ".join(f"when {condition} then '{reason}'" for reason, condition in reasons.items())
        if any(schema.access[LOG][column] is not Access.GRANTED for column in ("origin", "eventname", "realuserid")):
            return
        if not schema.is_readable("course"):
            return
        found = database.rows(
            f"select case {case} else '' end as reason, count(*) from {log} as l "
            f"left join {course} as c on c.id = l.courseid group by 1"
        )
        for reason, count in found:
            if reason:
                findings.add("left_out", str(reason), LEFT_OUT[str(reason)], int(count))

    def _sessions_of(self, mode: str, schema: Schema, landed: Mapping[str, Path]) -> str:
        """How many sessions a mode gives, with three examples; else what it lacks."""
        lacking = [
            schema.real_name(table.name)
            for table in TABLES.values()
            if any(table.is_required(mode, column) for column in schema.unreadable(table.name))
        ]
        if lacking:
            return f"not to be had: {', '.join(lacking)} cannot be read"
        with MoodleMapping(landed, {}, self._options(0, 0, schema, mode)) as mapping:
            for step in mapped.STEPS[: mapped.STEPS.index("sessions") + 1]:
                mapping.run(step)
            ((count,),) = mapping.rows("select count(*) from sessions")
            examples = mapping.rows(
                "select s.session_id, s.session_name, count(distinct m.user_id) as members "
                "from sessions as s left join session_members as m using (session_id) "
                "group by all order by members desc, s.session_id limit 3"
            )
        shown = "; ".join(f"{session} {name} ({members} members now)" for session, name, members in examples)
        return f"{count:,} sessions" + (f", such as {shown}" if shown else "")

    def _report_mapping(self, mapping: MoodleMapping, findings: _Findings) -> None:
        for reason, count in mapping.rows(
            "select left_out, count(*) from activity where left_out is not null and is_new group by all order by all"
        ):
            examples: list[str] = []
            if reason == "deleted_course":
                examples = [
                    f"Course {course} ({events:,} events)"
                    for course, events in mapping.rows(
                        "select course_id, count(*) from activity where left_out = 'deleted_course' and is_new "
                        "group by all order by count(*) desc, course_id"
                    )
                ]
            findings.add("left_out", reason, LEFT_OUT[reason], count, examples)
        told: tuple[tuple[Level, str, str, str], ...] = (
            (
                "note",
                "two_sessions",
                "Events that two sessions claim alike: the one that began earlier has them",
                "select count(*) from event_sessions where is_tie",
            ),
            (
                "note",
                "suspended",
                "Suspended users, who stay active: a suspension is no invitation",
                "select count(*) from people where suspended = 1 and coalesce(deleted, 0) = 0",
            ),
            (
                "note",
                "no_session",
                "Events in a course, of people who were never in a session of it: outside any session",
                "select count(*) from shown inner join event_sessions using (id) "
                "where session_id is null and course_id not in (0, 1) and is_new",
            ),
        )
        for level, code, words, query in told:
            ((count,),) = mapping.rows(query)
            if count:
                findings.add(level, code, words, count)


CHECKED_TABLES = (
    "config",
    "config_plugins",
    "user",
    "course",
    "course_categories",
    "cohort",
    "cohort_members",
    "groups",
    "groups_members",
    "enrol",
    "context",
    "role",
    "role_assignments",
)
"""What a check reads whole: of the log it asks sums alone."""


def _log(database: Database, schema: Schema) -> _Log:
    table = database.quoted(schema.real_name(LOG))
    (ids,) = database.rows(f"select min(id), max(id) from {table}")
    (times,) = database.rows(f"select min(timecreated), max(timecreated) from {table}")
    return _Log(*(None if value is None else int(value) for value in (*ids, *times)))


def _rows(file: Path | None) -> list[dict[str, Any]]:
    """The rows of a small landed table."""
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.ParquetFile(file).read().to_pylist() if file else []
    return rows


def _site(landed: Mapping[str, Path]) -> str:
    return next((str(row["value"]) for row in _rows(landed.get("config")) if row["name"] == "siteidentifier"), "")


def _instant(epoch: int | None) -> datetime | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC)


def _day(epoch: int | None) -> str:
    return "?" if epoch is None else f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%d}"
