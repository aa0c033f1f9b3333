"""Who is at the other end: an address of the LMS's users, or an administrator named in the settings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import duckdb

PRESENT = """
    select user_id
    from dim_learners
    where lower(email) = $person_email and not is_deleted and not is_gone
"""
"""The users of one address, in small letters, who are still there. Several may share it: they are one person."""


@dataclass(frozen=True)
class Person:
    """Someone whose address was proven, as one published build knows them.

    `email` is in small letters. `user_id` is None for an administrator whom the LMS does not know; where several
    users share the address it is the first of their ids.
    """

    email: str
    user_id: str | None
    name: str
    is_administrator: bool


def person_of(connection: duckdb.DuckDBPyConnection, email: str, administrators: Collection[str]) -> Person | None:
    """Return who `email` is in the build of `connection`; None when nobody, or nobody any more.

    `administrators` are addresses in small letters. One whom the LMS knows as deleted or gone is nobody, too.
    """
    address = email.lower()
    users = connection.execute(
        """
        select user_id, concat_ws(' ', first_name, last_name), not is_deleted and not is_gone as is_present
        from dim_learners
        where lower(email) = $person_email
        order by is_present desc, length(user_id), user_id
        """,
        {"person_email": address},
    ).fetchall()
    is_administrator = address in administrators
    if not users:
        return Person(address, None, address, True) if is_administrator else None
    user_id, name, is_present = users[0]
    return Person(address, user_id, name or address, is_administrator) if is_present else None


def may_sign_in(connection: duckdb.DuckDBPyConnection, person: Person) -> bool:
    """Tell whether there is anything for the person here: an administrator, or the instructor of some session."""
    instructs = connection.execute(
        f"select 1 from bridge_session_instructors semi join ({PRESENT}) using (user_id) limit 1",
        {"person_email": person.email},
    ).fetchone()
    return person.is_administrator or instructs is not None
