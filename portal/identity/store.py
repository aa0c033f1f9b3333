"""What has to outlive a restart: links that were sent and are not used yet, and who is signed in, until when."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from warehouse.errors import tells_of_damage

logger = logging.getLogger("portal")

FILE = "identity.sqlite"
LINK_LIFETIME = timedelta(minutes=15)
BETWEEN_SIGHTINGS = timedelta(minutes=1)
"""How long a stay is not written down again: most requests then write nothing."""

SCHEMA = """
create table if not exists sign_in_links (
    key_hash text primary key, email text not null, next_page text not null, sent_at real not null, used_at real
) strict;
create table if not exists stays (
    key_hash text primary key, email text not null, way text not null, began_at real not null, seen_at real not null
) strict;
create index if not exists stays_of_email on stays (email);
"""


def forget_addresses(path: Path, is_theirs: Callable[[str], bool]) -> None:
    """Take the stays and links of addresses out of the database `path`, if there is one, and out of its bytes."""
    if not path.exists():
        return
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as database:
        for table in ("stays", "sign_in_links"):
            for (email,) in database.execute(f"select distinct email from {table}").fetchall():
                if is_theirs(email):
                    database.execute(f"delete from {table} where email = ?", (email,))
        database.execute("vacuum")


@dataclass(frozen=True)
class SignInLink:
    """A link that can still be used: whose it is, and the page that was wanted."""

    email: str
    next_page: str


@dataclass(frozen=True)
class IdentityStore:
    """The database `path`. Keys are kept as their keyed hash: whoever reads the file can use none of them.

    A stay ends `idle` after it was last seen, and `longest` after it began.
    """

    path: Path
    secret: str = field(repr=False)
    idle: timedelta
    longest: timedelta

    def keep_link(self, email: str, next_page: str, now: datetime) -> str:
        """Return the key of a new link for `email`, good for `LINK_LIFETIME`."""
        key = secrets.token_urlsafe(32)
        with self._transaction() as database:
            database.execute(
                "insert into sign_in_links values (?, ?, ?, ?, null)",
                (self._hash(key), email, next_page, now.timestamp()),
            )
        return key

    def link(self, key: str, now: datetime) -> SignInLink | None:
        """Return what `key` stands for, or None: unknown, used, expired."""
        with self._transaction() as database:
            found = database.execute(
                "select email, next_page from sign_in_links where key_hash = ? and used_at is null and sent_at > ?",
                (self._hash(key), (now - LINK_LIFETIME).timestamp()),
            ).fetchone()
        return SignInLink(*found) if found else None

    def use_link(self, key: str, now: datetime) -> SignInLink | None:
        """Use `key` up and return what it stood for; None when it is unknown, used or expired.

        Of two that come at once, one gets it. The other links of the address are used up, too.
        """
        with self._transaction() as database:
            found = database.execute(
                """
                update sign_in_links set used_at = ?
                where key_hash = ? and used_at is null and sent_at > ?
                returning email, next_page
                """,
                (now.timestamp(), self._hash(key), (now - LINK_LIFETIME).timestamp()),
            ).fetchone()
            if found:
                database.execute(
                    "update sign_in_links set used_at = ? where email = ? and used_at is null",
                    (now.timestamp(), found[0]),
                )
        return SignInLink(*found) if found else None

    def begin_stay(self, email: str, way: str, now: datetime) -> str:
        """Return the key of a new stay of `email`; `way` is how the address was proven."""
        key = secrets.token_urlsafe(32)
        with self._transaction() as database:
            database.execute(
                "insert into stays values (?, ?, ?, ?, ?)",
                (self._hash(key), email, way, now.timestamp(), now.timestamp()),
            )
            self._forget(database, now)
        return key

    def email_of_stay(self, key: str, now: datetime) -> str | None:
        """Return whose stay `key` is, or None: unknown, ended."""
        with self._transaction() as database:
            found = database.execute(
                "select email, seen_at from stays where key_hash = ? and seen_at > ? and began_at > ?",
                (self._hash(key), (now - self.idle).timestamp(), (now - self.longest).timestamp()),
            ).fetchone()
        if found and found[1] < (now - BETWEEN_SIGHTINGS).timestamp():
            self._see(key, now)
        return str(found[0]) if found else None

    def end_stay(self, key: str) -> None:
        """End a stay, if it is one."""
        with self._transaction() as database:
            database.execute("delete from stays where key_hash = ?", (self._hash(key),))

    def end_stays_of(self, email: str) -> int:
        """End all stays of an address, use up its links, and return how many stays there were."""
        with self._transaction() as database:
            database.execute("delete from sign_in_links where email = ?", (email,))
            return database.execute("delete from stays where email = ?", (email,)).rowcount

    def _see(self, key: str, now: datetime) -> None:
        """Write down that a stay was seen; a full disk shortens stays rather than closing every page."""
        try:
            with self._transaction() as database:
                database.execute("update stays set seen_at = ? where key_hash = ?", (now.timestamp(), self._hash(key)))
        except sqlite3.OperationalError as error:
            logger.error("a stay could not be written down as seen: %s", error)

    def _forget(self, database: sqlite3.Connection, now: datetime) -> None:
        database.execute(
            "delete from stays where seen_at <= ? or began_at <= ?",
            ((now - self.idle).timestamp(), (now - self.longest).timestamp()),
        )
        # A day longer than they live: so that a used link can be told from one that never existed.
        database.execute(
            "delete from sign_in_links where sent_at <= ?", ((now - LINK_LIFETIME - timedelta(days=1)).timestamp(),)
        )

    def _hash(self, key: str) -> str:
        return hmac.new(self.secret.encode(), key.encode(), hashlib.sha256).hexdigest()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(self._sound()) as database:
            try:
                with database:
                    yield database
            except sqlite3.DatabaseError as error:
                if tells_of_damage(error):
                    # This request fails; the next one starts with a new file.
                    self._remove(error)
                raise

    def _sound(self) -> sqlite3.Connection:
        """Return the database, open; a new one where a torn copy or a failing disk left one that is none."""
        try:
            return self._opened()
        except sqlite3.DatabaseError as error:
            if not tells_of_damage(error):
                raise
            self._remove(error)
            return self._opened()

    def _opened(self) -> sqlite3.Connection:
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.touch(mode=0o600)
        database = sqlite3.connect(self.path, timeout=10)
        try:
            if not database.execute("select 1 from sqlite_schema where name = 'stays'").fetchone():
                database.executescript(SCHEMA)
        except sqlite3.DatabaseError:
            database.close()
            raise
        return database

    def _remove(self, error: sqlite3.DatabaseError) -> None:
        """Remove a damaged database: that everybody signs in again is better than that nobody can."""
        logger.error("%s is damaged (%s): a new one is made, and everybody has to sign in again", self.path, error)
        # What SQLite left to roll back belongs to the damaged one alone.
        self.path.with_name(f"{self.path.name}-journal").unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
