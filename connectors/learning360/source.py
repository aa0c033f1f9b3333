"""The source of `kind = "360learning"`: the platform's API, a folder of exports, or both."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx2

from connectors.learning360 import webhooks
from connectors.learning360.client import Client, ScopeError
from connectors.learning360.endpoints import LISTS
from connectors.learning360.mapping import PLATFORM_STATE, PLATFORM_TABLES, SNAPSHOT_TABLES, STATE, map_exports
from connectors.learning360.opca_logs import Exports, read_exports
from connectors.learning360.platform import NIGHTS, Earlier, Platform, read_platform
from connectors.learning360.settings import Learning360Settings
from connectors.learning360.webhooks import inbox_folder
from connectors.mapping import count_of, doubtful_encodings, left_out, row_of, unread_files, write_rows
from connectors.report import Finding, SourceReport
from connectors.settings import variable_of_secret
from connectors.source import PullContext
from warehouse.errors import UserError

# What each pull keeps for the next one: the file of the state, and the table that it is made of.
STATE_FILES = {
    "remembered_stays": ("stays.parquet", "taken_stays"),
    "delivered_connections": ("connections.parquet", "known_connections"),
}
PLATFORM_STATE_FILES = {
    "delivered_attempts": ("attempts.parquet", "attempt_digests"),
    "remembered_results": ("results.parquet", "results"),
    # Ids that were withdrawn stay so, and what was called how once stays known, also when all is read again.
    "remembered_attempts": ("attempt_connections.parquet", "attempt_connections"),
    "remembered_names": ("names.parquet", "(from known_names where kind <> 'user' or not is_current)"),
}
FORGOTTEN_BY_FULL = (*STATE_FILES, "delivered_attempts")
KEPT_LISTS = tuple(one.name for one in LISTS if one.tells_changes)
OF_EXPORTS, OF_PLATFORM = "exports", "platform"
"""Whose ids a home has: made of what exports say, or the platform's own."""
REASONS = {
    "no_email": "lines without an e-mail address: nobody knows whose they are; the setting users says it",
    "no_session": "lines without the ID of their session or of its program template",
    "no_course": "lines without a course",
    "unknown_user": "lines whose address no user of the platform has, or several have: the setting users "
    "says who it is",
    "unknown_session": "lines whose session the platform does not tell",
    "unknown_course": "lines whose course no course of the platform is called, or several are: the setting "
    "courses gives the id of a name",
    "unreadable_time": "lines whose times are in no form that is known here",
    "unreadable_time_spent": "lines whose time spent is in no form that is known here",
    "ends_before_it_starts": "lines that end before they begin",
    "contradictory_time_spent": "lines whose time spent is not that between their two ends",
    "perhaps_renamed_course": "lines that tell a stay which another export tells of another course: renamed, or two "
    "courses at once? Write the ids of both names under courses, one id if it is one course",
}


@dataclass(frozen=True)
class Learning360Source:
    """The API where there are credentials, and exports of connections in a folder of the home.

    `transport` and `sleep` stand in for the network and the clock in tests.
    """

    settings: Learning360Settings
    kind: str = "360learning"
    transport: httpx2.BaseTransport | None = None
    sleep: Callable[[float], None] = time.sleep

    @property
    def id_prefix(self) -> str:
        """What stands before its ids."""
        return self.settings.id_prefix

    def check(self, home: Path) -> SourceReport:
        """Say what a first pull would take, without writing anything."""
        if self.settings.client_id:
            return self._check_platform(home)
        exports = self._exports(home)
        with map_exports(exports, self.settings, {}) as db:
            counts = {table: count_of(db, table) for table in (*SNAPSHOT_TABLES, "course_connections")}
            return _report(exports, db, counts, self.settings)

    def pull(self, context: PullContext) -> SourceReport:
        """Write what the platform and the exports tell, and of connections and attempts what is new."""
        self._require_ids_of_one_kind(context)
        if self.settings.client_id:
            return self._pull_platform(context)
        exports = self._exports(context.home)
        with map_exports(exports, self.settings, self._remembered(context, STATE_FILES)) as db:
            counts = self._write(db, context, SNAPSHOT_TABLES, {"course_connections": "from new_connections"})
            self._write_state(db, context, STATE_FILES)
            context.save_state({"ids": OF_EXPORTS})
            return _report(exports, db, counts, self.settings)

    def _pull_platform(self, context: PullContext) -> SourceReport:
        exports = self._exports(context.home)
        inbox = inbox_folder(context.home, context.name)
        messages = webhooks.messages(inbox)
        earlier = self._earlier(context, messages)
        if earlier.began_at:
            webhooks.clean(inbox, earlier.began_at)
        with (
            tempfile.TemporaryDirectory(prefix=f".{context.name}-landed-", dir=context.staging.parent) as temporary,
            self._client(context.name) as client,
        ):
            platform = read_platform(
                client,
                Path(temporary),
                context.started_at,
                earlier,
                wants_members=self.settings.group_members,
                asks_all=context.is_full,
                on_progress=context.on_progress,
            )
            context.on_progress("mapping")
            remembered = self._remembered(context, STATE_FILES | PLATFORM_STATE_FILES)
            with map_exports(
                exports,
                self.settings,
                remembered,
                platform.files,
                pulled_at=context.started_at,
                is_full=context.is_full,
                former_users=context.previous_snapshot("users"),
                messages=messages,
            ) as db:
                wanted = [one for one in PLATFORM_TABLES if one != "group_members" or self.settings.group_members]
                counts = self._write(
                    db,
                    context,
                    (*wanted, "user_labels"),
                    {
                        "course_attempts": "from new_attempts",
                        "course_connections": "from new_connections union all by name from new_attempt_connections",
                        "withdrawn_connections": "from withdrawn_connections",
                        "assessment_results": "from new_results",
                    },
                )
                self._write_state(db, context, STATE_FILES | PLATFORM_STATE_FILES)
                report = _platform_report(exports, db, counts, self.settings, platform, client)
            for name in KEPT_LISTS:
                context.state_file(f"{name}.parquet").write_bytes(platform.files[name].read_bytes())
            context.state_file("asked.parquet").write_bytes(platform.asked.read_bytes())
        began_at = context.started_at.isoformat()
        whole_at = began_at if platform.is_whole else context.state()["whole_at"]
        context.save_state({"ids": OF_PLATFORM, "began_at": began_at, "whole_at": whole_at})
        return report

    def _check_platform(self, home: Path) -> SourceReport:
        """Ask for the first page of each list: what there is, and which scopes are missing."""
        exports = self._exports(home)
        facts, findings = {}, []
        with self._client(self.kind) as client:
            for endpoint in LISTS:
                pages = client.pages(endpoint.path, endpoint.scope, endpoint.filters)
                try:
                    rows = len(next(pages, []))
                except ScopeError as error:
                    findings.append(Finding(code="missing_scope", level="error", text=str(error)))
                    continue
                facts[endpoint.name.replace("_", " ").capitalize()] = f"{rows:,} on the first page"
        findings.append(
            Finding(
                code="lines_not_matched",
                level="note",
                text="who and what the lines of exports are is told by opco pull --dry-run, which knows users "
                "and courses",
            )
        )
        facts["Exports"] = f"{len(exports.files)} files, {len(exports.lines):,} lines"
        return SourceReport(facts=facts, findings=(*unread_files(exports.left_out), *findings))

    def _client(self, name: str) -> Client:
        variable = variable_of_secret(name, "client_secret")
        secret = self.settings.client_secret
        if secret is None or self.settings.client_id is None:
            raise UserError(
                f"[sources.{name}] has a client_id, and its secret is not set: put it into the variable {variable}, or "
                "into a file of that name in small letters in the folder OPCO_SECRETS."
            )
        return Client(
            region=self.settings.region,
            client_id=self.settings.client_id,
            client_secret=secret.get_secret_value(),
            secret_variable=variable,
            transport=self.transport,
            sleep=self.sleep,
        )

    def _require_ids_of_one_kind(self, context: PullContext) -> None:
        """Raise UserError where the home has ids of the other kind: nobody could tell who is who."""
        if context.previous_state_file("report.json") is None:
            return
        state = context.previous_state_file("state.json")
        before = json.loads(state.read_text(encoding="utf-8")).get("ids", OF_EXPORTS) if state else OF_EXPORTS
        if before == OF_EXPORTS and self.settings.client_id:
            raise UserError(
                f"The learners of this home have ids made of the e-mail addresses in the exports of {context.name}. "
                "The API has ids of its own, and each learner would be there twice. Begin a new home with client_id "
                "and the same exports; or take client_id out of opco.toml. Nothing was delivered."
            )
        if before == OF_PLATFORM and not self.settings.client_id:
            raise UserError(
                f"The learners of this home have the ids of 360Learning's API, and [sources.{context.name}] has no "
                "client_id any more: exports alone would make each learner anew. Set client_id again, or begin a new "
                "home. Nothing was delivered."
            )

    def _earlier(self, context: PullContext, messages: Sequence[Mapping[str, Any]]) -> Earlier:
        asked = None if context.is_full else context.previous_state_file("asked.parquet")
        lists = {name: context.previous_state_file(f"{name}.parquet") for name in KEPT_LISTS}
        state = context.state()
        return Earlier(
            began_at=_instant(state.get("began_at")),
            whole_at=_instant(state.get("whole_at")),
            lists={name: path for name, path in lists.items() if path},
            asked=asked,
            values=context.previous_snapshot("user_custom_field_values"),
            id_prefix=self.id_prefix,
            updated={one["data"]["userId"]: one["received_at"] for one in messages if one["type"] == "user.updated"},
        )

    def _remembered(self, context: PullContext, files: Mapping[str, tuple[str, str]]) -> dict[str, Path]:
        return {
            name: path
            for name, (file, _) in files.items()
            if not (context.is_full and name in FORGOTTEN_BY_FULL) and (path := context.previous_state_file(file))
        }

    def _write(
        self,
        db: duckdb.DuckDBPyConnection,
        context: PullContext,
        snapshots: tuple[str, ...],
        growing: Mapping[str, str],
    ) -> dict[str, int]:
        """Write the raw tables, those that grow where something is new; return their rows."""
        counts = {table: count_of(db, table) for table in snapshots}
        for table in snapshots:
            write_rows(db, f"from {table}", context.snapshot_file(table))
        for table, query in growing.items():
            counts[table] = count_of(db, f"({query})")
            if counts[table]:
                write_rows(db, query, context.growing_file(table))
        return counts

    def _write_state(
        self, db: duckdb.DuckDBPyConnection, context: PullContext, files: Mapping[str, tuple[str, str]]
    ) -> None:
        for name, (file, table) in files.items():
            columns = ", ".join((STATE | PLATFORM_STATE)[name].names)
            write_rows(db, f"select {columns} from {table}", context.state_file(file))

    def _exports(self, home: Path) -> Exports:
        """Return the exports of the folder; beside the API there need be none."""
        folder = home / self.settings.folder
        may_lack = bool(self.settings.client_id) and "folder" not in self.settings.model_fields_set
        if not folder.is_dir():
            if may_lack:
                return Exports()
            raise UserError(f"There is no folder {folder}. Make it, and put the exports of connections into it.")
        exports = read_exports(folder)
        if not exports.files and not self.settings.client_id:
            said = "".join(f"\n  {one.file}: {one.reason}" for one in exports.left_out)
            raise UserError(f"There is no export of connections in {folder}: put one there (.csv).{said}")
        return exports


def _instant(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _platform_report(
    exports: Exports,
    db: duckdb.DuckDBPyConnection,
    counts: Mapping[str, int],
    settings: Learning360Settings,
    platform: Platform,
    client: Client,
) -> SourceReport:
    (last,) = row_of(
        db,
        "select max(seen_at) from (select max(cast(cast(last_activity_at as timestamptz) as timestamp)) as seen_at "
        "from course_attempts union all select max(coalesce(disconnected_at, connected_at)) from known_exports)",
    )
    calls = client.calls
    return SourceReport(
        findings=(*_findings_of_attempts(db, exports, platform), *_findings(exports, db, settings)),
        rows=counts,
        last_activity=last.replace(tzinfo=UTC) if last else None,
        facts={
            "Exports": f"{len(exports.files)} files, {len(exports.lines):,} lines",
            "Sessions": f"{counts['program_sessions']:,}",
            "Lists": "read whole" if platform.is_whole else "paths, sessions and courses: what changed",
            "Calls": f"{calls.total:,}: {calls.pages:,} pages, {calls.tokens} for a token, {calls.repeated} repeated",
        },
    )


def _findings_of_attempts(db: duckdb.DuckDBPyConnection, exports: Exports, platform: Platform) -> Iterator[Finding]:
    verdicts = dict(db.execute("select verdict, count(*) from judged_attempts group by verdict").fetchall())
    if count := verdicts.get("pauses"):
        yield Finding(
            code="attempts_with_pauses",
            level="warning",
            text="attempts have pauses, of which the API does not tell when they were: they prove no presence. The "
            "export of connections (OPCA logs) is what proves them: put it into the folder",
            count=count,
        )
    for verdict, text in (
        ("told_by_an_export", "attempts whose time an export of connections tells: it is the proof"),
        ("one_stay", "attempts were one stay, and are connections of the level attempt_span"),
        ("perhaps_open", "attempts with activity within a day: they are judged when they are over"),
        ("outside_sessions", "attempts outside any session, from the catalogue, prove nothing for one"),
        ("without_times", "attempts without a first and a last activity"),
    ):
        if count := verdicts.get(verdict):
            yield Finding(code=verdict, level="note", text=text, count=count)
    if not exports.files:
        yield Finding(
            code="no_export",
            level="warning",
            text="there is no export of connections (OPCA logs): the API tells no connection",
        )
    if platform.waiting:
        yield Finding(
            code="users_to_ask",
            level="note",
            text=f"learners whose custom fields were not asked for yet: one in {NIGHTS} is, each "
            "pull; --full asks for all",
            count=platform.waiting,
        )


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
    yield from unread_files(exports.left_out)
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
    yield from doubtful_encodings(exports.encodings)
    if not settings.instructors and not settings.client_id:
        yield Finding(
            code="no_instructors",
            level="note",
            text="the setting instructors names nobody: who teaches counts as a learner",
        )
    (with_seconds,) = row_of(
        db, "select coalesce(bool_or(extract('second' from connected_local) <> 0), false) from taken_stays"
    )
    if exports.files and not with_seconds:
        yield Finding(
            code="minutes_alone",
            level="note",
            text="the times have no seconds: each end stands at the beginning of its minute, so that a stay may be up "
            "to a minute shorter or longer than it was, and one within a minute has no length",
        )
