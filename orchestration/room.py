"""Room on the disk: looked at before a run, and told for what it is when a run ends for want of it."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from orchestration.home import Home
from orchestration.terminal import size
from warehouse.errors import HalfDoneError, OpcoError

# Dagster's records, dbt's artifacts and log: what the smallest run writes.
ROOM_TO_BEGIN = 32 * 1000 * 1000
# What the operating system, DuckDB and SQLite say of a full disk.
WORDS = ("no space left on device", "database or disk is full", "disk quota exceeded", "disk i/o error")


def check_room(home: Home) -> None:
    """Raise OpcoError when the home's disk has less room than the smallest run takes."""
    free = shutil.disk_usage(home.folder).free
    if free < ROOM_TO_BEGIN:
        raise OpcoError(
            f"The disk of {home.folder} is full: {size(free)} are free, and a run needs at least "
            f"{size(ROOM_TO_BEGIN)}.\n{remedy()}"
        )


def want_of_room(error: BaseException, home: Path) -> str | None:
    """Return in a person's words that `error` comes of a full disk; None when it does not, or tells by itself."""
    if isinstance(error, HalfDoneError):
        return None
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(
            word in str(cause).lower() for word in WORDS
        ):
            free = shutil.disk_usage(home).free
            said = next((line for line in str(cause).splitlines() if any(word in line.lower() for word in WORDS)), "")
            return (
                f"The disk ran full; of that of {home}, {size(free)} are free now. {said.strip()}\n"
                f"Nothing was published or issued, what was published before stays.\n{remedy()}"
            )
        cause = cause.__cause__ or cause.__context__
    return None


def remedy() -> str:
    """Return what to do about a full disk."""
    return "Make room (the setting build.keep_builds says how many builds are kept), then run the command again."
