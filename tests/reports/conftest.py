"""A published file of a few convincing rows: every case of section A that a page has to show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pytest

SEEDS = Path(__file__).parents[2] / "seeds"

# The columns of the marts that the attestations read.
TABLES = """
create table dim_learners (
    user_id varchar not null, email varchar, first_name varchar, last_name varchar, employer varchar,
    is_deleted boolean not null, labels varchar[] not null);
create table dim_program_sessions (
    session_id varchar not null, session_name varchar not null, starts_at timestamp, ends_at timestamp,
    program_template_id varchar not null, program_template_name varchar not null, planned_duration_seconds bigint);
create table fct_opco_connections (
    connection_id varchar not null, user_id varchar not null, session_id varchar not null, course_id varchar not null,
    connected_at timestamp not null, disconnected_at timestamp, end_kind varchar not null,
    evidence_level varchar not null, elapsed_seconds bigint, capped_seconds bigint, overlap_seconds bigint,
    retained_seconds bigint, is_overlapped_in_session boolean not null,
    is_overlapped_outside_session boolean not null, is_overlapped_by_other_account boolean not null,
    course_name varchar not null, flags varchar[] not null);
create table dim_custom_fields (custom_field_id varchar not null, title varchar not null, field_position bigint);
create table bridge_learner_custom_fields (
    user_id varchar not null, custom_field_id varchar not null, title varchar not null, value_type varchar not null,
    value varchar not null, value_date date);
create table fct_learner_sessions (
    user_id varchar not null, session_id varchar not null, is_enrolled boolean not null,
    is_instructor boolean not null, has_played boolean not null,
    connection_count bigint not null, open_connection_count bigint not null, elapsed_seconds bigint not null,
    capped_seconds bigint not null, overlap_seconds bigint not null, retained_seconds bigint not null,
    first_connected_at timestamp, last_connection_at timestamp, connection_day_count bigint not null,
    progress_pct decimal(9,6), score_pct decimal(9,6), progress_source varchar, score_source varchar);
create table fct_learner_session_steps (
    user_id varchar not null, session_id varchar not null, step_type varchar not null, resource_id varchar not null,
    step_number bigint not null, resource_name varchar not null, is_in_program boolean not null, is_optional boolean,
    planned_duration_seconds bigint, is_started boolean not null, connection_count bigint not null,
    retained_seconds bigint not null, progress_pct decimal(9,6), score_pct decimal(9,6), is_passed boolean,
    completed_at timestamp);
create table load_reconciliation (table_name varchar);
create table warehouse_build (
    build_id varchar not null, data_as_of timestamp not null, inactivity_timeout_minutes bigint not null,
    max_connection_minutes bigint, long_connection_minutes bigint not null, raw_timezone varchar not null,
    display_timezone varchar not null, opco_version varchar not null, rules_edition bigint not null);
"""

COURSES = {
    "C1": "Prévenir les risques professionnels",
    "C2": "Accueillir un client en situation de handicap : posture, vocabulaire et solutions d’aménagement",
    "C3": "Sécurité incendie",
}


class Campus:
    """Writes the rows of a published file, one statement a case."""

    def __init__(self, path: Path) -> None:
        """Make an empty published file at `path`."""
        self.path = path
        self.connection = duckdb.connect(str(path))
        self.connection.execute(TABLES)
        for seed in ("end_kinds", "evidence_levels", "connection_flags"):
            self.connection.execute(f"create table {seed} as from read_csv('{SEEDS / seed}.csv', header = true)")
        self._connection_number = 0

    def build(self, cap: int | None = None, timeout: int = 15) -> None:
        """Say which build this is: data as of 15 January 2027, 02:00 UTC."""
        self.connection.execute(
            """
            insert into warehouse_build
            values ('b-1', '2027-01-15 02:00:00', ?, ?, 480, 'UTC', 'Europe/Paris', '0.1.0', 1)
            """,
            [timeout, cap],
        )

    def session(
        self, session_id: str, name: str, starts: str | None, ends: str | None, planned: int | None = None
    ) -> None:
        """Add a session of one template."""
        self.connection.execute(
            "insert into dim_program_sessions values (?, ?, ?, ?, 'TPL-7', 'Santé et sécurité au travail', ?)",
            [session_id, name, starts, ends, planned],
        )

    def learner(
        self, user_id: str, last: str | None, first: str | None, employer: str | None = None, deleted: bool = False
    ) -> None:
        """Add a learner, with an e-mail and a label that no document may show."""
        self.connection.execute(
            "insert into dim_learners values (?, ?, ?, ?, ?, ?, ['Étiquette secrète'])",
            [user_id, f"{user_id}@example.org", first, last, employer, deleted],
        )

    def connected(
        self,
        user_id: str,
        session_id: str,
        course_id: str,
        start: str,
        end: str | None,
        kind: str = "left",
        overlap: int = 0,
        capped: int = 0,
        inside: bool = False,
        outside: bool = False,
        other_account: bool = False,
        evidence: str = "native_log",
        name: str | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        """Add a connection (UTC); retained is what overlap and cap leave of the elapsed seconds."""
        self._connection_number += 1
        self.connection.execute(
            """
            insert into fct_opco_connections
            select
                $id, $user, $session, $course, $start::timestamp, $end::timestamp, $kind, $evidence,
                elapsed, $capped + elapsed * 0, $overlap + elapsed * 0, elapsed - $capped - $overlap,
                $inside, $outside, $other_account, $name, $flags
            from (select floor(epoch($end::timestamp) - epoch($start::timestamp))::bigint as elapsed)
            """,
            {
                "id": f"K{self._connection_number}",
                "user": user_id,
                "session": session_id,
                "course": course_id,
                "start": start,
                "end": end,
                "kind": kind,
                "evidence": evidence,
                "capped": capped,
                "overlap": overlap,
                "inside": inside,
                "outside": outside,
                "other_account": other_account,
                "name": name or COURSES[course_id],
                "flags": list(flags),
            },
        )

    def enrolled(
        self,
        user_id: str,
        session_id: str,
        progress: str | None = None,
        score: str | None = None,
        enrolled: bool = True,
        instructor: bool = False,
        sources: tuple[str | None, str | None] = ("platform", "platform"),
    ) -> None:
        """Add the learner's totals in the session, summed from the connections."""
        self.connection.execute(
            """
            insert into fct_learner_sessions
            select
                $user, $session, $enrolled, $instructor, count(*) > 0, count(*),
                count(*) filter (where disconnected_at is null),
                coalesce(sum(elapsed_seconds), 0), coalesce(sum(capped_seconds), 0), coalesce(sum(overlap_seconds), 0),
                coalesce(sum(retained_seconds), 0), min(connected_at), max(coalesce(disconnected_at, connected_at)),
                count(distinct timezone('Europe/Paris', connected_at at time zone 'UTC')::date),
                $progress::decimal(9,6), $score::decimal(9,6),
                case when $progress is not null then $progress_source end,
                case when $score is not null then $score_source end
            from fct_opco_connections where user_id = $user and session_id = $session
            """,
            {
                "user": user_id,
                "session": session_id,
                "progress": progress,
                "score": score,
                "enrolled": enrolled,
                "instructor": instructor,
                "progress_source": sources[0],
                "score_source": sources[1],
            },
        )

    def steps(self, user_id: str, session_id: str, rows: Sequence[Sequence[object]]) -> None:
        """Add step rows: type, id, name, in program, optional, planned, started, progress, score, passed, completed."""
        for number, row in enumerate(rows, start=1):
            step_type, resource_id, name, in_program, optional, planned, started, progress, score, passed, done = row
            self.connection.execute(
                """
                insert into fct_learner_session_steps
                select
                    $user, $session, $type, $id, $number, $name, $in_program, $optional, $planned, $started,
                    count(*), coalesce(sum(retained_seconds), 0), $progress::decimal(9,6), $score::decimal(9,6),
                    $passed, $done::timestamp
                from fct_opco_connections
                where user_id = $user and session_id = $session and course_id = $id and $type = 'course'
                """,
                {
                    "user": user_id,
                    "session": session_id,
                    "type": step_type,
                    "id": resource_id,
                    "number": number,
                    "name": name,
                    "in_program": in_program,
                    "optional": optional,
                    "planned": planned,
                    "started": started,
                    "progress": progress,
                    "score": score,
                    "passed": passed,
                    "done": done,
                },
            )

    def close(self) -> Path:
        """Close the file and return its path."""
        self.connection.close()
        return self.path


@pytest.fixture
def campus(tmp_path: Path) -> Iterator[Campus]:
    """Return an empty campus; the test fills it and closes it."""
    campus = Campus(tmp_path / "opco.duckdb")
    yield campus
    campus.close()
