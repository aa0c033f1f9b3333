"""Who is at the other end: an address of the LMS's users, or an administrator named in the settings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import duckdb


@dataclass(frozen=True)
class Person:
    """Someone whose address was proven, as one published build knows them.

    `email` is in small letters. `user_ids` are those of the users who have this address and are still there: none for
    an administrator whom the LMS does not know, several where users share it, who are then one person.
    """

    email: str
    user_ids: tuple[str, ...]
    name: str
    is_administrator: bool


def person_of(db: duckdb.DuckDBPyConnection, email: str, administrators: Collection[str]) -> Person | None:
    """Return who `email` is in the build of `connection`; None when nobody, or nobody any more.

    `administrators` are addresses in small letters. They are by the settings, and nothing that the LMS says of an
    account with their address ends that; of others, who is deleted or gone is nobody any more.
    """
    address = email.lower()
    # As many bytes: no letter outside of ASCII becomes one of the address; and most of 100,000 users are out at once.
    users = db.execute(
        """
        select user_id, concat_ws(' ', first_name, last_name), not is_deleted and not is_gone as is_present
        from dim_learners
        where strlen(email) = strlen($person_email) and lower(email) = $person_email
        order by length(user_id), user_id
        """,
        {"person_email": address},
    ).fetchall()
    is_administrator = address in administrators
    present = [(user_id, name) for user_id, name, is_present in users if is_present]
    if not present:
        return Person(address, (), address, True) if is_administrator else None
    return Person(address, tuple(user_id for user_id, _ in present), present[0][1] or address, is_administrator)


def left_administrators(db: duckdb.DuckDBPyConnection, administrators: Collection[str]) -> list[str]:
    """Return the addresses of administrators whose accounts in the LMS are all deleted or gone."""
    found = db.execute(
        """
        select address
        from prepared.left_addresses
        where list_contains($administrators::varchar[], address)
        order by address
        """,
        {"administrators": list(administrators)},
    ).fetchall()
    return [address for (address,) in found]


def may_sign_in(db: duckdb.DuckDBPyConnection, person: Person) -> bool:
    """Tell whether there is anything for the person here: an administrator, or the instructor of some session."""
    instructs = db.execute(
        "select 1 from bridge_session_instructors where list_contains($person_user_ids::varchar[], user_id) limit 1",
        {"person_user_ids": list(person.user_ids)},
    ).fetchone()
    return person.is_administrator or instructs is not None
