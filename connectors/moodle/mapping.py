"""From the landed tables of Moodle to the raw tables: the statements of `sql/` and `sessions/`, run by DuckDB."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Self

import duckdb

from connectors.moodle.schema import LOG, TABLES
from warehouse.sql import quoted_literal

FOLDER = Path(__file__).parent
STEPS = ("people", "marks", "memberships", "mode", "sessions", "courses", "progress")
"""What is made of the landed tables before the events, in this order; `mode` is the session mode's file."""
SESSION_STEPS = ("memberships", "mode", "sessions")
"""Those of them in whose place `known_sessions` takes the candidates of the last pull, where they would be the same."""
RESULT_TABLES = ("course_modules_completion", "course_completions", "grade_grades", "quiz_attempts")
"""What of Moodle only the tables of `COMPARED` rest on."""
SNAPSHOTS = (
    "users",
    "custom_fields",
    "user_custom_field_values",
    "user_labels",
    "groups",
    "group_members",
    "program_templates",
    "program_sessions",
    "session_instructors",
    "enrollments",
    "courses",
    "program_steps",
    "assessments",
)
COMPARED = {"course_attempts": "attempt_id", "assessment_results": "result_id"}
"""Growing tables that are made anew at each pull, with their keys; rows that were delivered the same stay away."""
WORDS = {"fr": ("Oui", "Non"), "en": ("Yes", "No")}

PREVIOUS = {
    "marks": "log_id bigint, kind varchar, thing_id bigint, role_id bigint, user_id bigint, mark varchar, "
    "marked_at bigint",
    "candidates": "user_id bigint, course_id bigint, session_id varchar, starts_at bigint, ends_at bigint, "
    "begins_at bigint, left_at bigint",
    "read_ids": "id bigint",
    "digests": "id varchar, digest varchar",
    "users": "user_id varchar, email varchar",
    "user_custom_field_values": "user_id varchar, custom_field_id varchar, value varchar",
}
"""What the last pull left, and the columns of it that are read."""
SQL_TYPES = {"int": "bigint", "text": "varchar", "number": "varchar"}
TABLE_COLUMNS = {
    **{
        name: ", ".join(f'"{column}" {SQL_TYPES[kind]}' for column, kind in table.columns.items())
        for name, table in TABLES.items()
    },
    "activity_names": "module varchar, id bigint, name varchar",
}
"""The landed tables as `moodle.TABLE` has them; `activity_names` are the names of activities of all modules."""
STATE_FILES = ("marks", "candidates", "read_ids", "digests")
"""Those of them that only a later pull reads."""


@dataclass(frozen=True)
class MappingOptions:
    """What the settings say of the mapping; `started_at` in seconds since 1970.

    Events from log id `low` on are new, unless the last pull read them.
    """

    sessions: str
    display_timezone: str = "Europe/Paris"
    language: str = "fr"
    programs: str = "category"
    activities: str = "course"
    duration_field: str = ""
    learner_roles: tuple[str, ...] = ("student",)
    restored_events: bool = False
    cohort_labels: bool = False
    course_groups: bool = False
    session_dates: Mapping[str, tuple[date | None, date | None]] = field(default_factory=dict)
    started_at: int = 0
    low: int = 0
    observed_kinds: Collection[str] = ("cohort", "group", "role")


class MoodleMapping:
    """The landed tables in a DuckDB of their own: `moodle.TABLE`, what the last pull left as `previous.NAME`."""

    def __init__(
        self,
        landed: Mapping[str, Path],
        previous: Mapping[str, Path],
        options: MappingOptions,
        *,
        folder: Path | None = None,
        id_prefix: str = "",
        memory_limit: str = "1GB",
    ) -> None:
        self.db = duckdb.connect(":memory:", config={"memory_limit": memory_limit, "threads": 1})
        # Progress is the command's to show.
        self.db.execute("set enable_progress_bar = false")
        if folder is not None:
            self.db.execute(f"set temp_directory = {quoted_literal(folder / 'duckdb')}")
        self.db.execute("set timezone = 'UTC'; set preserve_insertion_order = false")
        self._options = options
        self._id_prefix = id_prefix
        # One call: each has its price, and there are dozens of them.
        self.db.execute(
            ";\n".join(
                [
                    *(f"set variable {name} = {_literal(value)}" for name, value in self._variables().items()),
                    "create schema moodle; create schema previous",
                    *(
                        _view(f'previous."{name}"', previous.get(name), columns, id_prefix)
                        for name, columns in PREVIOUS.items()
                    ),
                    "create view previous_candidates as from previous.candidates",
                    *(_view(f'moodle."{name}"', landed.get(name), columns) for name, columns in TABLE_COLUMNS.items()),
                    "create table session_dates (session_id varchar, starts_on date, ends_on date)",
                ]
            )
        )
        if options.session_dates:
            self.db.executemany(
                "insert into session_dates values ($1, $2, $3)",
                [[session, *days] for session, days in options.session_dates.items()],
            )
        self.run("macros")

    def _variables(self) -> dict[str, str | int | Collection[str]]:
        options = self._options
        yes, no = WORDS.get(options.language, WORDS["en"])
        return {
            "sessions": options.sessions,
            "programs": options.programs,
            "activities": options.activities,
            "duration_field": options.duration_field,
            "display_timezone": options.display_timezone,
            "language": options.language,
            "yes": yes,
            "no": no,
            "learner_roles": options.learner_roles,
            "restored_events": options.restored_events,
            "cohort_labels": options.cohort_labels,
            "course_groups": options.course_groups,
            "started_at": options.started_at,
            "low": options.low,
            "observed_kinds": options.observed_kinds,
        }

    def land_log(self, files: Path) -> None:
        """Take the rows of other files, named by a pattern, for the log."""
        self.db.execute(_view(f'moodle."{LOG}"', files, TABLE_COLUMNS[LOG]))

    def content(self) -> dict[str, str]:
        """Return what tells whether anything changed: of each table but the log its rows as one number, in any order.

        Beside them, as `mapping`, what else the raw tables rest on: settings and statements.
        """
        sums = (
            f"select '{name}', concat(count(*), ' ', sum(hash(t))) from moodle.\"{name}\" as t"
            for name in TABLE_COLUMNS
            if name != LOG
        )
        found = dict(self.rows(" union all ".join(sums)))
        settings = {**self._variables(), "dates": self._options.session_dates, "started_at": 0, "low": 0}
        statements = sorted((FOLDER / "sql").rglob("*.sql")) + sorted((FOLDER / "sessions").glob("*.sql"))
        digest = hashlib.sha256(repr((duckdb.__version__, self._id_prefix, sorted(settings.items()))).encode())
        for file in statements:
            digest.update(file.read_bytes())
        return {"mapping": digest.hexdigest(), **found}

    def has_new_marks(self) -> bool:
        """Whether the log tells of a membership that the last pull did not know; after the step `marks`."""
        ((found,),) = self.rows(
            "select exists (from logged_marks where log_id not in "
            "(select log_id from previous.marks where log_id is not null))"
        )
        return bool(found)

    def run(self, step: str) -> None:
        """Run the statements of a step."""
        if step == "mode":
            file = FOLDER / "sessions" / f"{self._options.sessions}.sql"
        elif step == "macros":
            file = FOLDER / "sql/macros.sql"
        else:
            file = FOLDER / "sql/steps" / f"{step}.sql"
        self.db.execute(file.read_text(encoding="utf-8"))

    def write(self, table: str, file: Path) -> int:
        """Write a raw table as Parquet, and return how many rows it has."""
        query = (FOLDER / "sql" / f"{table}.sql").read_text(encoding="utf-8")
        if table in COMPARED:
            self.db.execute(f"create table {table} as {query}")
            query = (
                f"select t.* from {table} as t left join previous.digests as p "
                f"on t.{COMPARED[table]} = p.id and p.digest = md5(cast(t as varchar)) where p.id is null"
            )
        return self.copy(query, file)

    def copy(self, query: str, file: Path) -> int:
        """Write the rows of a query as Parquet, and return how many there are."""
        written = self.db.execute(
            f"copy ({query}) to {quoted_literal(file)} (format parquet, compression zstd)"
        ).fetchone()
        return int(written[0]) if written else 0

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.db.execute(query).fetchall()

    def close(self) -> None:
        """Give the memory back."""
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _view(place: str, file: Path | None, columns: str, id_prefix: str = "") -> str:
    """The statement that makes a view of a Parquet file; without one it has no rows."""
    if file is None:
        return f"create or replace view {place} as from (select {_nulls(columns)}) limit 0"
    # Ids of a delivered table have the prefix that the delivery put before them.
    bare = ", ".join(
        f"substr({column}, {len(id_prefix) + 1}) as {column}"
        for column in re.findall(r"\b(?:user_id|custom_field_id)\b(?= varchar)", columns)
    )
    replaced = f" replace ({bare})" if id_prefix and bare else ""
    return f"create or replace view {place} as select *{replaced} from read_parquet({quoted_literal(file)})"


def _nulls(columns: str) -> str:
    """One null a column, typed."""
    named = (column.strip().rsplit(" ", 1) for column in columns.split(","))
    return ", ".join(f"cast(null as {kind}) as {name}" for name, kind in named)


def _literal(value: str | int | Collection[str]) -> str:
    """A setting as SQL."""
    if isinstance(value, str):
        return quoted_literal(value)
    if isinstance(value, int):
        return str(value)
    return f"cast([{', '.join(map(quoted_literal, value))}] as varchar[])"


def not_by_the_user() -> list[str]:
    """Return the names of events whose user is set by hand, as `sql/steps/events.sql` lists them."""
    events = (FOLDER / "sql/steps/events.sql").read_text(encoding="utf-8")
    return re.findall(r"\('(\\[^']+)'\)", events)
