"""The totals of a program session and of a learner, row by row as the marts hold them."""

from __future__ import annotations

from typing import Any

import duckdb

from warehouse.errors import UserError
from warehouse.sql import rows_of
from warehouse.why import unknown_id

Row = dict[str, Any]

SESSION = "select * from fct_program_sessions where session_id = $session_id"

LEARNERS = """
    select
        learners.last_name,
        learners.first_name,
        sessions.session_name,
        totals.*
    from fct_learner_sessions as totals
    inner join (select user_id, last_name, first_name from dim_learners) as learners using (user_id)
    inner join (select session_id, session_name, starts_at from dim_program_sessions) as sessions using (session_id)
    where
        ($session_id is null or totals.session_id = $session_id)
        and ($user_id is null or totals.user_id = $user_id)
    order by
        lower(strip_accents(learners.last_name)) nulls last,
        lower(strip_accents(learners.first_name)) nulls last,
        length(totals.user_id),
        totals.user_id,
        sessions.starts_at,
        totals.session_id
"""

LEARNER = "select user_id, last_name, first_name, person_id from dim_learners where user_id = $user_id"

ACCOUNTS = "select user_id from dim_learners where person_id = $person_id order by length(user_id), user_id"


def session_totals(db: duckdb.DuckDBPyConnection, session_id: str) -> tuple[Row, list[Row]]:
    """Return the row of a session in `fct_program_sessions`, and those of its learners in `fct_learner_sessions`.

    Raises UserError when there is no such session.
    """
    found = rows_of(db, SESSION, {"session_id": session_id})
    if not found:
        raise _unknown(db, "session_id", session_id, "dim_program_sessions")
    return found[0], rows_of(db, LEARNERS, {"session_id": session_id, "user_id": None})


def learner_totals(db: duckdb.DuckDBPyConnection, user_id: str, session_id: str | None = None) -> tuple[Row, list[Row]]:
    """Return who a learner is, with the accounts of that person, and the rows of `fct_learner_sessions`, one a session.

    Raises UserError when there is no such learner, or no such session.
    """
    found = rows_of(db, LEARNER, {"user_id": user_id})
    if not found:
        raise _unknown(db, "user_id", user_id, "dim_learners")
    if session_id is not None and not rows_of(db, SESSION, {"session_id": session_id}):
        raise _unknown(db, "session_id", session_id, "dim_program_sessions")
    accounts = db.execute(ACCOUNTS, {"person_id": found[0]["person_id"]}).fetchall()
    learner = {**found[0], "accounts_of_person": [account for (account,) in accounts]}
    return learner, rows_of(db, LEARNERS, {"session_id": session_id, "user_id": user_id})


def _unknown(db: duckdb.DuckDBPyConnection, column: str, asked: str, table: str) -> UserError:
    known = [one for (one,) in db.execute(f"select {column} from {table}").fetchall()]
    return unknown_id(f"{column} {asked}", asked, known)
