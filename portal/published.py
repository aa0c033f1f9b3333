"""The published build of the moment, for the pages: one open file a build, followed without a restart."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import duckdb

from warehouse.published import changes_beside, file_of, open_published, require_as_published

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Reading:
    """One request's cursor on a build, and what was asked of this build before."""

    db: duckdb.DuckDBPyConnection
    kept: dict[Hashable, Any]

    def once(self, question: Hashable, ask: Callable[[duckdb.DuckDBPyConnection], Thing]) -> Thing:
        """Return what `ask` says of the build: asked once, and kept until another build is published.

        The answer is given to whoever asks the same `question`: it must rest on the build and the question alone.
        """
        if question not in self.kept:
            self.kept[question] = ask(self.db)
        return cast("Thing", self.kept[question])


@dataclass
class _Open:
    """A build that is open; `users` counts the requests that read it now, `kept` goes with it."""

    file: Path
    db: duckdb.DuckDBPyConnection
    users: int = 0
    kept: dict[Hashable, Any] = field(default_factory=dict)


class PublishedWarehouse:
    """The published warehouse at `path`, the link to the latest build.

    Each request reads one build from its beginning to its end. The link is resolved for each; a build that it
    leads to no more is closed when the last request that reads it has ended.
    """

    def __init__(self, path: Path, prepare: Callable[[duckdb.DuckDBPyConnection], None] = lambda _db: None) -> None:
        """`prepare` is called with each build once it is open."""
        self.path = path
        self._prepare = prepare
        self._lock = threading.Lock()
        self._current: _Open | None = None
        self._sound: tuple[object, ...] = ()

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a read-only connection, in UTC, to the build that is published now. Errors as `open_published`."""
        with self.reading() as reading:
            yield reading.db

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Give a read-only connection, in UTC, to the build that is published now, with what is kept of it."""
        used = self._enter()
        try:
            # Cursors of one file may be used by several threads at a time, one thread each.
            cursor = used.db.cursor()
            try:
                cursor.execute("set TimeZone = 'UTC'")
                yield Reading(cursor, used.kept)
            finally:
                cursor.close()
        finally:
            self._leave(used)

    def require_as_published(self, db: duckdb.DuckDBPyConnection) -> None:
        """Raise OpcoError where the build that `db` reads is not what was published: before a file is made of it.

        A file that was found sound is not read again as long as nobody wrote to it.
        """
        file = file_of(db)
        status = file.stat()
        found = (file, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if found != self._sound or changes_beside(file).exists():
            require_as_published(file)
            self._sound = found

    def close(self) -> None:
        """Close the open build, once nobody reads it."""
        with self._lock:
            self._retire(None)

    def _enter(self) -> _Open:
        with self._lock:
            file = self.path.resolve()
            used = self._current
            if used is None or used.file != file:
                # Opened before the one before is given up: where it cannot be, this request alone fails.
                # Where there is none, the error names the link, not what it leads to.
                used = _Open(file, self._opened(file if file.exists() else self.path))
                self._retire(used)
            used.users += 1
            return used

    def _opened(self, file: Path) -> duckdb.DuckDBPyConnection:
        db = open_published(file)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _leave(self, used: _Open) -> None:
        with self._lock:
            used.users -= 1
            if used is not self._current and not used.users:
                used.db.close()

    def _retire(self, successor: _Open | None) -> None:
        before, self._current = self._current, successor
        if before is not None and not before.users:
            before.db.close()
