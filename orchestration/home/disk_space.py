"""Space on the disk and in memory: checked before a run, and named where a run ends for lack of it."""

from __future__ import annotations

import errno
import re
import shutil
from pathlib import Path

from orchestration.home.paths import Home
from warehouse.errors import HalfDoneError, OpcoError
from warehouse.wording import size

# Dagster's records, dbt's artifacts and log: what the smallest run writes.
SPACE_TO_BEGIN = 32 * 1000 * 1000
# What the operating system, DuckDB and SQLite say about a full disk.
WORDS = ("no space left on device", "database or disk is full", "disk quota exceeded", "disk i/o error")

# DuckDB's own advice, of settings that nobody can set here.
ADVICE = re.compile(
    r"\s*(?:Database is launched in in-memory mode.*?)?\s*Possible solutions:.*(?:See also \S+|\Z)", re.DOTALL
)
OUT_OF_MEMORY = "Out of Memory Error"


def check_disk_space(home: Home) -> None:
    """Raise OpcoError when the home's disk has less space than the smallest run takes."""
    free = shutil.disk_usage(home.folder).free
    if free < SPACE_TO_BEGIN:
        raise OpcoError(
            f"The disk of {home.folder} is full: {size(free)} are free, and a run needs at least "
            f"{size(SPACE_TO_BEGIN)}.\n{remedy()}"
        )


def explain_full_disk(error: BaseException, home: Path) -> str | None:
    """Return in a person's words that `error` comes from a full disk; None when it does not, or says so itself."""
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
            line = next((one for one in str(cause).splitlines() if any(word in one.lower() for word in WORDS)), "")
            return (
                f"The disk ran full; of that of {home}, {size(free)} are free now. {line.strip()}\n"
                f"Nothing was published or issued, what was published before stays.\n{remedy()}"
            )
        cause = cause.__cause__ or cause.__context__
    return None


def remedy() -> str:
    """Return what to do about a full disk."""
    return "Make room (the setting build.keep_builds says how many builds are kept), then run the command again."


def without_advice(message: str) -> str:
    """Return DuckDB's message without its advice on too little memory."""
    return ADVICE.sub("", message) if OUT_OF_MEMORY in message else message
