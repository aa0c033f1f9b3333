"""The source of `kind = "virtual-classes"`: a folder of attendance reports, and the table that says what they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from connectors.mapping import count_of, left_out, row_of, write_rows
from connectors.report import Finding, SourceReport
from connectors.source import PullContext
from connectors.text_tables import UnreadableTableError
from connectors.virtual_classes.classes import VirtualClass, class_of, nearest, read_aliases, read_classes
from connectors.virtual_classes.mapping import HISTORY, Delivered, map_reports
from connectors.virtual_classes.reports import Attendance, read_report
from connectors.virtual_classes.settings import VirtualClassesSettings
from warehouse.errors import UserError
from warehouse.sql import quoted_identifier

HISTORY_FILE = "history.parquet"
GROWING_TABLES = ("course_connections", "withdrawn_connections")
REASONS = {
    "did_not_attend": "lines of who did not come",
    "waiting_room": "lines of the waiting room",
    "no_day": "lines whose times have no day, and the table says none: fill in its column date",
    "unreadable_time": "lines whose times are in no form that is known here",
    "another_day": "lines of another day than the table says: is it the right report?",
    "leaves_before_it_joins": "lines that leave before they join",
    "several_stays": "lines whose duration does not fill the time between join and leave: the person was away in "
    "between, and nothing says when",
    "several_users": "lines with the address of several users",
    "unknown_participant": "lines of people whose address no user has: write an alias",
}


@dataclass
class _Folder:
    """What lies in the folder: the reports that are in the table, and what is to be said of the others."""

    attendances: list[Attendance] = field(default_factory=list)
    classes: list[tuple[str, VirtualClass]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class VirtualClassesSource:
    """Attendance reports of virtual classes, whose users and sessions the other sources of the home deliver."""

    settings: VirtualClassesSettings
    kind: str = "virtual-classes"
    id_prefix: str = ""

    def check(self, home: Path) -> SourceReport:
        """Say what is in the reports, without writing anything; who is who, a pull tells, which has the users."""
        folder = self._read(home, None)
        aliases = read_aliases(home / self.settings.folder / self.settings.aliases)
        with map_reports(
            folder.attendances, folder.classes, aliases, Delivered((), ()), self.settings, datetime.now(UTC)
        ) as db:
            told = [one for one in left_out(db, "left_out_attendances", REASONS) if one.code != "unknown_participant"]
        findings = [
            *folder.findings,
            *told,
            Finding(
                code="participants_not_matched",
                level="note",
                text="who the participants are is told by opco pull --dry-run, which knows the users of other sources",
            ),
        ]
        return SourceReport(findings=tuple(findings), facts=_facts(folder))

    def pull(self, context: PullContext) -> SourceReport:
        """Write the stays that are new or were corrected."""
        delivered = _delivered(context)
        sessions = {one for (one,) in _rows(context, "program_sessions", "session_id")}
        folder = self._read(context.home, (sessions, set(delivered.course_ids)))
        history = None if context.is_full else context.previous_state_file(HISTORY_FILE)
        with map_reports(
            folder.attendances,
            folder.classes,
            read_aliases(context.home / self.settings.folder / self.settings.aliases),
            delivered,
            self.settings,
            context.started_at,
            history,
        ) as db:
            counts = {table: count_of(db, table) for table in ("courses", *GROWING_TABLES)}
            write_rows(db, "from courses", context.snapshot_file("courses"))
            for table in GROWING_TABLES:
                if counts[table]:
                    write_rows(db, f"from {table}", context.growing_file(table))
            remembered = ", ".join(map(quoted_identifier, HISTORY.names))
            write_rows(db, f"select {remembered} from connection_history", context.state_file(HISTORY_FILE))
            (last,) = row_of(
                db, "select max(coalesce(disconnected_at, connected_at)) from judged_attendances where reason is null"
            )
            return SourceReport(
                findings=(*folder.findings, *left_out(db, "left_out_attendances", REASONS)),
                rows=counts,
                last_activity=last.replace(tzinfo=UTC) if last else None,
                facts=_facts(folder),
            )

    def _read(self, home: Path, known: tuple[set[str], set[str]] | None) -> _Folder:
        path = home / self.settings.folder
        if not path.is_dir():
            raise UserError(f"There is no folder {path}. Make it, and put the attendance reports into it.")
        classes = read_classes(path / self.settings.table)
        found = _Folder()
        used = set()
        for report in sorted(one for one in path.iterdir() if one.is_file()):
            if report.name.startswith((".", "_")) or report.name in (self.settings.table, self.settings.aliases):
                continue
            virtual_class = class_of(report.name, classes)
            if virtual_class is None:
                found.findings.append(
                    _not_taken(report.name, f"is not in {self.settings.table}: add a line for it, or take it out")
                )
                continue
            used.add(virtual_class.line)
            problem = _unknown(virtual_class, known)
            try:
                lines = read_report(report)
            except UnreadableTableError as error:
                problem = str(error)
            if problem:
                found.findings.append(_not_taken(report.name, problem))
                continue
            found.attendances.extend(lines)
            found.classes.append((report.name, virtual_class))
        found.findings.extend(
            Finding(
                code="class_without_report",
                level="warning",
                text=f"{self.settings.table}, line {one.line}: there is no report {one.report} in {path}",
            )
            for one in classes
            if one.line not in used
        )
        return found


def _unknown(virtual_class: VirtualClass, known: tuple[set[str], set[str]] | None) -> str | None:
    if known is None:
        return None
    sessions, courses = known
    if virtual_class.session_id not in sessions:
        return f"its session {virtual_class.session_id} is not delivered by any source" + nearest(
            virtual_class.session_id, sessions
        )
    if virtual_class.course_id not in courses and not virtual_class.course_name:
        return (
            f"its course {virtual_class.course_id} is not delivered by any source, and course_name does not name it"
            + nearest(virtual_class.course_id, courses)
        )
    return None


def _not_taken(report: str, what: str) -> Finding:
    return Finding(code="report_left_out", level="warning", text=f"{report} is not taken: {what}")


def _delivered(context: PullContext) -> Delivered:
    users = _rows(context, "users", "user_id", "email", "first_name", "last_name")
    if not users:
        raise UserError(
            "No other source delivers users, so that nobody knows who took part. Set up the source of your LMS beside "
            "this one in opco.toml, and pull it first, or all with opco pull --all."
        )
    return Delivered(users, [course for (course,) in _rows(context, "courses", "course_id")])


def _rows(context: PullContext, table: str, *columns: str) -> list[Any]:
    parts = context.others_snapshots(table)
    if not parts:
        return []
    with duckdb.connect() as db:
        has = {
            row[0]
            for row in db.execute(
                "describe from read_parquet($parts, union_by_name = true)", {"parts": list(map(str, parts))}
            ).fetchall()
        }
        wanted = ", ".join(
            f"coalesce(cast({quoted_identifier(one)} as varchar), '')" if one in has else "''" for one in columns
        )
        return db.execute(
            f"select distinct {wanted} from read_parquet($parts, union_by_name = true)",
            {"parts": list(map(str, parts))},
        ).fetchall()


def _facts(folder: _Folder) -> dict[str, str]:
    return {
        "Reports": f"{len(folder.classes)} taken, {len(folder.attendances):,} lines",
        "Sessions": ", ".join(sorted({one.session_id for _, one in folder.classes})) or "none",
    }
