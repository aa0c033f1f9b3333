"""The source of `kind = "xapi"`: an LRS, or a folder of files of statements."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.mapping import count_of, left_out, row_of, unread_files, write_rows
from connectors.report import Finding, Level, SourceReport
from connectors.source import PullContext
from connectors.text_tables import LeftOutFile, UnreadableTableError
from connectors.xapi.files import checksum, read_file, stamp_of, statement_files
from connectors.xapi.lrs import Lrs
from connectors.xapi.mapping import GROWING_TABLES, SNAPSHOT_TABLES, STATE, map_statements, open_mapping
from connectors.xapi.settings import SESSION_MODES, XapiSettings
from connectors.xapi.statements import Landing
from warehouse.errors import UserError
from warehouse.wording import counted

OVERLAP = timedelta(minutes=5)
"""How long before the last statement of the last pull the next one begins: a server may store late."""
CLOCK_TOLERANCE = timedelta(minutes=5)
CHECKED_PAGES = 10
MAPPING_VERSION = 1
"""Raised when statements already delivered would be mapped otherwise: the next pull then reads all of them again."""
REASONS = {
    "malformed": "lines that are no statement",
    "stored_in_future": "statements stored after now: a clock is wrong. They come in when their time has come",
    "voiding": "statements that void another one",
    "voided": "statements that another one voids",
    "no_actor": "statements without an actor",
    "group": "statements of a group: nobody knows who was there",
    "actor_without_id": "statements of an actor without account, address or OpenID",
    "no_verb": "statements without a verb",
    "not_an_activity": "statements about another statement or a person, or about nothing",
    "not_the_learner": "statements of the LMS, which show nobody (launched, satisfied, abandoned, waived)",
    "no_timestamp": "statements that do not say when it was: when they were stored is another time",
}


@dataclass
class _Reading:
    """What was read: facts for the report, files that cannot be read, and what the next pull has to know."""

    facts: dict[str, str] = field(default_factory=dict)
    left_out: list[LeftOutFile] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    stamps: dict[str, list[int]] = field(default_factory=dict)
    cursor: datetime | None = None


@dataclass(frozen=True)
class XapiSource:
    """Statements of an LRS, or of files."""

    settings: XapiSettings
    kind: str = "xapi"

    @property
    def id_prefix(self) -> str:
        """What stands before its ids."""
        return self.settings.id_prefix

    def check(self, home: Path) -> SourceReport:
        """Say what a first pull would take: of an LRS of its newest pages, of files of all; nothing is written."""
        with (
            tempfile.TemporaryDirectory(prefix="opco-xapi-") as temporary,
            self._landing(Path(temporary), {}, datetime.now(UTC)) as landing,
        ):
            reading = _Reading()
            if self.settings.endpoint:
                with self._lrs(self.kind, tries=1) as lrs:
                    lrs.consistent_through()
                    landing.land(lrs.newest(CHECKED_PAGES))
                read = counted(landing.count, "statement")
                reading.facts |= {"LRS": self.settings.endpoint, "Read": f"{read}, the newest where it keeps the order"}
            else:
                self._land_files(home, {}, landing, reading)
            map_statements(landing, None)
            for mode in SESSION_MODES:
                reading.facts[f'session = "{mode}"'] = _sessions_of(landing, mode)
            counts = {table: count_of(landing.db, table) for table in SNAPSHOT_TABLES}
            counts |= {table: count_of(landing.db, f"({query})") for table, query in GROWING_TABLES.items()}
            return self._report(landing, reading, counts, None)

    def pull(self, context: PullContext) -> SourceReport:
        """Write what is new, once all of it was read, and everybody and everything that was ever told of."""
        state = context.state()
        known = state if state.get("fingerprint") == self._fingerprint() else {}
        remembered = {
            name: path
            for name in STATE
            if known and (path := context.previous_state_file(f"{name}.parquet")) is not None
        }
        with ExitStack() as stack:
            temporary = stack.enter_context(
                tempfile.TemporaryDirectory(prefix=f".{context.name}-landed-", dir=context.staging.parent)
            )
            landing = stack.enter_context(self._landing(Path(temporary), remembered, context.started_at))
            reading = _Reading()
            if self.settings.endpoint:
                self._land_lrs(context, known, landing, reading)
            else:
                self._land_files(context.home, known, landing, reading)
            context.on_progress("mapping")
            map_statements(landing, reading.cursor and reading.cursor - OVERLAP)
            counts = {table: count_of(landing.db, table) for table in SNAPSHOT_TABLES}
            for table in SNAPSHOT_TABLES:
                write_rows(landing.db, f"from {table}", context.snapshot_file(table))
            for table, query in GROWING_TABLES.items():
                counts[table] = count_of(landing.db, f"({query})")
                # The first delivery has the table, so that a home without an event yet can be built.
                if counts[table] or (context.previous is None and table == "learning_events"):
                    write_rows(landing.db, query, context.growing_file(table))
            for name, (table, columns) in STATE.items():
                file = context.state_file(f"{name}.parquet")
                if name in remembered and not landing.count:
                    os.link(remembered[name], file)
                else:
                    write_rows(landing.db, f"select {', '.join(columns)} from {table}", file)
            report = self._report(landing, reading, counts, _instant_of(known.get("last_activity")))
        context.save_state(
            {
                "fingerprint": self._fingerprint(),
                "cursor": reading.cursor.isoformat() if reading.cursor else None,
                "files": reading.files,
                "stamps": reading.stamps,
                "last_activity": report.last_activity.isoformat() if report.last_activity else None,
            }
        )
        return report

    # What is read.

    @contextmanager
    def _landing(self, folder: Path, remembered: Mapping[str, Path], started_at: datetime) -> Iterator[Landing]:
        latest_stored = (started_at + CLOCK_TOLERANCE).replace(tzinfo=None)
        with open_mapping(self.settings, remembered, latest_stored, folder) as db:
            parts = folder / "statements"
            parts.mkdir()
            yield Landing(db, parts)

    def _lrs(self, name: str, **options: Any) -> Lrs:
        password = self.settings.password
        return Lrs(
            self.settings.endpoint or "",
            self.settings.username,
            password.get_secret_value() if password else None,
            name,
            **options,
        )

    def _land_lrs(self, context: PullContext, state: Mapping[str, Any], landing: Landing, reading: _Reading) -> None:
        before = _instant_of(state.get("cursor"))
        since = _text_of(before - OVERLAP) if before else None
        with self._lrs(context.name, on_progress=context.on_progress) as lrs:
            until = lrs.consistent_through()
            landing.land(lrs.statements(since, until))
        # Whatever the order of the answers: the cursor moves when all of them are there.
        (latest,) = row_of(
            landing.db,
            f"select max(stored_at) from {landing.rows} where stored_at <= getvariable('latest_stored')",
        )
        told = latest.replace(tzinfo=UTC) if latest else None
        reading.cursor = max((one for one in (before, told) if one), default=None)
        reading.facts["LRS"] = self.settings.endpoint or ""
        reading.facts["Read"] = counted(landing.count, "statement") + (f" stored since {since}" if since else "")
        if until:
            reading.facts["Consistent through"] = until

    def _land_files(self, home: Path, state: Mapping[str, Any], landing: Landing, reading: _Reading) -> None:
        """Take the files that are new, or have another content than at the last pull."""
        folder = home / self.settings.folder
        if not folder.is_dir():
            raise UserError(f"There is no folder {folder}. Make it, and put files of statements into it.")
        files, others = statement_files(folder)
        reading.left_out.extend(
            LeftOutFile(path.name, "it is no .jsonl, .jsonl.gz or .json. Export the statements as JSON lines.")
            for path in others
        )
        known, stamps = state.get("files", {}), state.get("stamps", {})
        unchanged = 0
        for path in files:
            stamp = stamp_of(path)
            is_same = path.name in known and stamp is not None and stamps.get(path.name) == stamp
            content = known[path.name] if is_same else checksum(path)
            if stamp is not None:
                reading.stamps[path.name] = stamp
            if known.get(path.name) == content:
                unchanged += 1
            else:
                try:
                    landing.land(read_file(path), path.name)
                except UnreadableTableError as error:
                    reading.left_out.append(LeftOutFile(path.name, str(error)))
                    continue
            reading.files[path.name] = content
        if not reading.files:
            said = "".join(f"\n  {one.file}: {one.reason}" for one in reading.left_out)
            raise UserError(f"There is no file of statements in {folder}: put one there (.jsonl).{said}")
        reading.facts["Files"] = f"{len(files):,}" + (f", {unchanged:,} unchanged" if unchanged else "")
        reading.facts["Read"] = counted(landing.count, "statement")

    def _fingerprint(self) -> str:
        """What must be the same for statements of an earlier pull to stay as they were mapped."""
        settings = self.settings
        mapping = [MAPPING_VERSION, settings.endpoint, settings.folder, settings.session, settings.language]
        return hashlib.sha256(json.dumps(mapping).encode()).hexdigest()[:16]

    # What is told.

    def _report(
        self,
        landing: Landing,
        reading: _Reading,
        counts: Mapping[str, int],
        last_activity: datetime | None,
    ) -> SourceReport:
        first, last = row_of(landing.db, "select min(occurred_at), max(occurred_at) from shown_statements")
        (seen,) = row_of(
            landing.db,
            "select max(occurred_at) from shown_statements where occurred_at <= getvariable('latest_stored')",
        )
        activities = (last_activity, seen.replace(tzinfo=UTC) if seen else None)
        return SourceReport(
            findings=tuple(self._findings(landing, reading)),
            rows=counts,
            last_activity=max((one for one in activities if one), default=None),
            facts={
                **reading.facts,
                "Learners": f"from {first:%Y-%m-%d} to {last:%Y-%m-%d}" if first else "no statement of one",
            },
        )

    def _findings(self, landing: Landing, reading: _Reading) -> Iterator[Finding]:
        db = landing.db
        yield from unread_files(reading.left_out)
        yield from left_out(db, "left_out_statements", REASONS)
        if (self.settings.endpoint or "").startswith("http://"):
            yield Finding(code="no_tls", level="warning", text="the password goes over the network in clear: use https")
        for code, level, text, query in _TOLD:
            count, examples = row_of(db, f"select count(*), min(example, 5) from ({query})")
            if count:
                yield Finding(code=code, level=level, text=text, count=count, examples=tuple(examples))


_TOLD: tuple[tuple[str, Level, str, str], ...] = (
    (
        "no_session",
        "warning",
        "statements without a session, where the setting session looks for one: they prove none",
        "select course_id || ' ' || verb_name as example from shown_statements where session_id is null",
    ),
    (
        "after_stored",
        "warning",
        "statements of a time after they were stored: a device's clock is wrong",
        "select statement_id || ' ' || as_exact_instant(occurred_at) || ', stored ' || as_exact_instant(stored_at) "
        "as example from shown_statements where occurred_at > stored_at",
    ),
    (
        "contradicted_duration",
        "note",
        "sessions whose own duration is more than 5 s off the time since their beginning: it is not used",
        "select statement_id || ' says ' || duration_seconds || ' s, ' || elapsed_seconds || ' s passed' as example "
        "from contradicted_durations",
    ),
    (
        "score_out_of_bounds",
        "note",
        "results whose score is below 0 or above 100 percent: they are delivered without it",
        "select statement_id as example from shown_statements inner join assessment_results "
        "on shown_statements.statement_id = assessment_results.result_id "
        "where shown_statements.score_pct not between 0 and 100",
    ),
    (
        "result_without_session",
        "note",
        "results without a session: there is no place for them",
        "select statement_id as example from shown_statements "
        "where has_score and session_id is null and verb_name in ('passed', 'failed', 'completed', 'scored')",
    ),
    (
        "told_twice",
        "note",
        "statements told more than once, which count once",
        "select statement_id as example from judged_statements where not is_first_telling",
    ),
)
"""What the report tells beside what is left out: code, level, words, and the query of its examples."""


def _sessions_of(landing: Landing, mode: str) -> str:
    """Return how many sessions a mode gives, with three examples."""
    column = "registration" if mode == "registration" else f"{mode}_id"
    count, examples = row_of(
        landing.db,
        "select count(*), arg_min(session_id, (-learners, session_id), 3) from ("
        "select session_id, count(*) as learners from ("
        f"select distinct {column} as session_id, user_id from shown_statements where {column} is not null"
        ") group by all)",
    )
    return counted(count, "session") + (f", such as {'; '.join(examples)}" if count else "")


def _instant_of(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _text_of(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
