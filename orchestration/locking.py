"""The lock of a home's builds: one at a time, by whichever command or server it was started."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from orchestration.home import Home
from warehouse.errors import OpcoError


@contextmanager
def build_lock(home: Home) -> Iterator[None]:
    """Hold the home's build lock. Raises OpcoError, with its process, when another one holds it.

    The kernel drops the lock with its process: one that died blocks nobody.
    """
    with _opened(home) as stream:
        if not _taken(stream):
            raise OpcoError(
                f"Another build is running in {home.folder} (process {_holder(stream) or 'unknown'}).\n"
                "Wait for its end, then try again."
            )
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def running_build(home: Home) -> int | None:
    """Return the process that builds in the home now; None when none does (0 when it has not said its number yet)."""
    if not home.build.is_dir():
        return None
    with _opened(home) as stream:
        return None if _taken(stream) else _holder(stream)


@contextmanager
def _opened(home: Home) -> Iterator[IO[str]]:
    path = home.build / "build.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="ascii") as stream:
        yield stream


def _taken(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(stream: IO[str]) -> int:
    stream.seek(0)
    said = stream.read().strip()
    return int(said) if said.isdecimal() else 0
