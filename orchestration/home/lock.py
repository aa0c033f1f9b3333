"""The lock of a home's builds: one at a time, by whichever command or server it was started."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from orchestration.home.paths import Home
from orchestration.home.stamp import stamp_home
from warehouse.account import account
from warehouse.errors import OpcoError
from warehouse.files import try_lock

# Longer than anybody needs who only checks whether the lock is taken.
LOOK_SECONDS = 0.5


@contextmanager
def build_lock(home: Home, *, wait_minutes: int = 0) -> Iterator[None]:
    """Hold the home's build lock. Raises OpcoError, with its process, when another one holds it that long.

    So it does where this account may not write to the home.
    """
    with _opened(home) as stream:
        give_up_at = time.monotonic() + (wait_minutes * 60 or LOOK_SECONDS)
        while not (is_taken := try_lock(stream)) and time.monotonic() < give_up_at:
            time.sleep(1 if wait_minutes else LOOK_SECONDS / 20)
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
    """Return the process that builds in the home now; None when none does (0 when it has not written its number yet).

    This takes no right to write, and keeps nobody else who checks from seeing the same.
    """
    try:
        stream = _path(home).open(encoding="ascii")
    except FileNotFoundError:
        return None
    with stream:
        return None if try_lock(stream, shared=True) else _holder(stream)


def _path(home: Home) -> Path:
    return home.build / "build.lock"


@contextmanager
def _opened(home: Home) -> Iterator[IO[str]]:
    path = _path(home)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+", encoding="ascii")
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise OpcoError(
            f"The account {account()} may not write to {path} ({error.strerror}), so it can change nothing in "
            f"the home {home.folder}.\nRun this as the account to which the home belongs; see that its disk is not "
            "mounted for reading only."
        ) from error
    with stream:
        yield stream


def _holder(stream: IO[str]) -> int:
    stream.seek(0)
    number = stream.read().strip()
    return int(number) if number.isdecimal() else 0
