"""The lock of a home's builds: one at a time, by whichever command or server it was started."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from orchestration.home import Home
from orchestration.home_stamp import stamp_home
from warehouse.errors import OpcoError
from warehouse.files import try_lock


@contextmanager
def build_lock(home: Home, *, wait_minutes: int = 0) -> Iterator[None]:
    """Hold the home's build lock. Raises OpcoError, with its process, when another one holds it that long."""
    with _opened(home) as stream:
        give_up_at = time.monotonic() + wait_minutes * 60
        while not (is_taken := try_lock(stream)) and time.monotonic() < give_up_at:
            time.sleep(1)
        if not is_taken:
            raise OpcoError(
                f"Another build is running in {home.folder} (process {_holder(stream) or 'unknown'}).\n"
                "Wait for its end, then try again."
            )
        with suppress(OSError):  # the number is for a message: a full disk keeps nobody from cleaning
            stream.truncate(0)
            stream.write(str(os.getpid()))
            stream.flush()
        stamp_home(home)
        yield


def running_build(home: Home) -> int | None:
    """Return the process that builds in the home now; None when none does (0 when it has not said its number yet)."""
    if not home.build.is_dir():
        return None
    with _opened(home) as stream:
        return None if try_lock(stream) else _holder(stream)


@contextmanager
def _opened(home: Home) -> Iterator[IO[str]]:
    path = home.build / "build.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="ascii") as stream:
        yield stream


def _holder(stream: IO[str]) -> int:
    stream.seek(0)
    said = stream.read().strip()
    return int(said) if said.isdecimal() else 0
