"""One partition a program session of the published warehouse."""

from pathlib import Path
from urllib.parse import quote, unquote

import dagster as dg

from reports.attestation.queries import read_build, read_session
from warehouse.published import open_published

NAME = "program_session"
SESSIONS = dg.DynamicPartitionsDefinition(name=NAME)
# Dagster takes no key with these in it; a session's id may be any text.
NOT_IN_KEYS = ("...", "\a", "\b", "\f", "\n", "\r", "\t", "\v", "\0")


def partition_key(session_id: str) -> str:
    """Return the partition key of a session: its id, percent-encoded where Dagster would refuse it."""
    if "%" not in session_id and not any(part in session_id for part in NOT_IN_KEYS):
        return session_id
    return quote(session_id, safe="").replace(".", "%2E")


def session_of(key: str) -> str:
    """Return the session id of a partition key."""
    return unquote(key)


def add_session(instance: dg.DagsterInstance, warehouse: Path, session_id: str) -> str:
    """Return the partition key of one session, adding it where it is missing.

    Raises UserError naming the nearest sessions when the published warehouse holds none of this id.
    """
    key = partition_key(session_id)
    # Partitions are kept those of the published sessions: only what has none yet is looked for there.
    if not instance.has_dynamic_partition(NAME, key):
        with open_published(warehouse) as db:
            read_session(db, session_id, read_build(db))
        instance.add_dynamic_partitions(NAME, [key])
    return key


def partitions_out_of_step(instance: dg.DagsterInstance, warehouse: Path) -> tuple[list[str], list[str]]:
    """Return the keys of the published sessions without a partition, and those of partitions without such a session.

    A session that the LMS has closed or deleted is published as long as it holds proof, and so keeps its partition.
    """
    with open_published(warehouse) as db:
        rows = db.execute("select session_id from dim_program_sessions order by session_id").fetchall()
    wanted = [partition_key(session_id) for (session_id,) in rows]
    there = instance.get_dynamic_partitions(NAME)
    return sorted(set(wanted) - set(there)), sorted(set(there) - set(wanted))


def keep_in_step(instance: dg.DagsterInstance, warehouse: Path) -> None:
    """Make the partitions those of the published sessions."""
    missing, surplus = partitions_out_of_step(instance, warehouse)
    instance.add_dynamic_partitions(NAME, missing)
    for key in surplus:
        instance.delete_dynamic_partition(NAME, key)
