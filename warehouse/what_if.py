"""What other inactivity timeouts would retain of a session: the models' own SQL, run beside the build file.

The timeout enters in T3 alone. What a build has computed before T3 of the learners of the session is copied into
memory, and T3 to T5 are run there once a timeout. Nothing is written: neither the build file nor the published one
changes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from warehouse.contract import project_vars
from warehouse.errors import OpcoError, UserError
from warehouse.model_sql import Models
from warehouse.sql import quoted_identifier, quoted_literal
from warehouse.why import unknown_id, whole_build

TIMEOUTS = (5, 10, 15, 20, 30)
"""The timeouts, in minutes, that are compared unless others are asked for."""
LONGEST_TIMEOUT = 525_600
COMPUTED = ("int_connections__runs", "int_connections__united", "int_connections__measured")
"""The models that the timeout reaches, up to retained seconds."""
SCHEMAS = {"stg": "staging", "int": "intermediate"}


@dataclass(frozen=True)
class AtTimeout:
    """Retained seconds at one timeout, and how many more (or fewer) than at the timeout in force."""

    inactivity_timeout_minutes: int
    retained_seconds: int
    difference_seconds: int


@dataclass(frozen=True)
class LearnerWhatIf:
    """A learner of the session, with what each timeout would retain, the shortest first."""

    user_id: str
    last_name: str | None
    first_name: str | None
    at_timeouts: tuple[AtTimeout, ...]


@dataclass(frozen=True)
class WhatIf:
    """A session at several timeouts, that in force among them: each learner, by name, and all together."""

    session_id: str
    session_name: str
    minutes_in_force: int
    learners: tuple[LearnerWhatIf, ...]
    totals: tuple[AtTimeout, ...]


def what_if(build_file: Path, session_id: str, timeouts: Collection[int] = TIMEOUTS) -> WhatIf:
    """Return what each timeout, in minutes, would retain of each learner of a session, in the last whole build.

    All else is as in that build: its rows, its clock, its other settings. Raises UserError for a session that was never
    delivered, a timeout that is no setting, or when nothing is built; OpcoError when the file is locked, or when the
    models do not give what the build holds.
    """
    if wrong := [minutes for minutes in timeouts if not 1 <= minutes <= LONGEST_TIMEOUT]:
        raise UserError(f"{wrong[0]} is no inactivity timeout. Allowed: whole minutes, 1 to {LONGEST_TIMEOUT}.")
    with whole_build(build_file) as db, TemporaryDirectory(prefix="opco-what-if-") as spilled:
        ((catalog,),) = db.execute("select current_database()").fetchall()
        settings = _settings(db)
        in_force = int(settings["inactivity_timeout_minutes"])
        session_name = _session_name(db, session_id)
        published = db.execute(
            """
            select user_id, learners.last_name, learners.first_name, learner_sessions.retained_seconds
            from marts.fct_learner_sessions as learner_sessions
            inner join marts.dim_learners as learners using (user_id)
            where learner_sessions.session_id = $session_id
            order by learners.last_name nulls last, learners.first_name nulls last, length(user_id), user_id
            """,
            {"session_id": session_id},
        ).fetchall()
        db.execute(f"set temp_directory = {quoted_literal(spilled)}")
        db.execute("attach ':memory:' as what_if (read_write)")
        db.execute("use what_if")
        # With all accounts of these persons: what the others cover counts once (T5).
        identified = f"{quoted_identifier(catalog)}.intermediate.int_learners__identified"
        db.execute(
            f"""
            create table learners as
            select user_id from {identified}
            where person_id in (select person_id from {identified} where list_contains($users, user_id))
            """,
            {"users": [row[0] for row in published]},
        )
        retained = {
            minutes: _retained(db, catalog, session_id, {**settings, "inactivity_timeout_minutes": minutes})
            for minutes in sorted({*timeouts, in_force})
        }
    held = {user_id: seconds for user_id, _, _, seconds in published}
    if differing := sorted(user_id for user_id in held if retained[in_force].get(user_id, 0) != held[user_id]):
        raise OpcoError(
            f"{build_file}: at the timeout in force ({in_force} minutes) the models give other seconds than the build "
            f"holds, of {', '.join(differing[:3])}: it was made by other models. Build again: opco rebuild"
        )
    return WhatIf(
        session_id,
        session_name,
        in_force,
        tuple(
            LearnerWhatIf(
                user_id,
                last_name,
                first_name,
                tuple(
                    AtTimeout(minutes, found.get(user_id, 0), found.get(user_id, 0) - seconds)
                    for minutes, found in retained.items()
                ),
            )
            for user_id, last_name, first_name, seconds in published
        ),
        tuple(
            AtTimeout(minutes, sum(found.values()), sum(found.values()) - sum(held.values()))
            for minutes, found in retained.items()
        ),
    )


class _Recomputed(Models):
    """The models that the timeout reaches; of every other, the rows of table `learners` as the build has them."""

    def __init__(self, db: duckdb.DuckDBPyConnection, catalog: str, variables: Mapping[str, Any]) -> None:
        super().__init__(db, variables)
        self.catalog = catalog

    def table_of(self, name: str) -> str:
        if name in COMPUTED:
            return super().table_of(name)
        if name not in self.made:
            self.made.add(name)
            built = f"{quoted_identifier(self.catalog)}.{SCHEMAS.get(name.split('_')[0], 'marts')}.{name}"
            columns = [column[0] for column in self.db.execute(f"from {built} limit 0").description]
            narrowed = "where user_id in (select user_id from learners)" if "user_id" in columns else ""
            # Once for all timeouts.
            self.db.execute(f"create table if not exists {name} as select * from {built} {narrowed}")
        return name


def _retained(
    db: duckdb.DuckDBPyConnection, catalog: str, session_id: str, variables: Mapping[str, Any]
) -> dict[str, int]:
    """Return the retained seconds of the session by learner."""
    # A learner's connections in other sessions cover time of this one (T5): they are measured too.
    measured = _Recomputed(db, catalog, variables).table_of("int_connections__measured")
    rows = db.execute(
        f"""
        select user_id, cast(coalesce(sum(retained_seconds), 0) as bigint)
        from {measured}
        where session_id = $session_id
        group by user_id
        """,
        {"session_id": session_id},
    ).fetchall()
    return dict(rows)


def _settings(db: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return dbt's vars as the build was made with them."""
    names = [name for name, value in project_vars().items() if not isinstance(value, dict)]
    ((values),) = db.execute(f"select {', '.join(names)} from marts.warehouse_build").fetchall()
    return {**project_vars(), **dict(zip(names, values, strict=True))}


def _session_name(db: duckdb.DuckDBPyConnection, session_id: str) -> str:
    names = dict(db.execute("select session_id, session_name from marts.dim_program_sessions").fetchall())
    if session_id not in names:
        raise unknown_id(f"Session {session_id}", session_id, names)
    return str(names[session_id])
