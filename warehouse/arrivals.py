"""Deliveries as they arrive in the raw folder: whether one is complete, told from files' names, sizes and times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

DONE_FILE = "_DONE"


@dataclass(frozen=True)
class Look:
    """One look at the raw folder: digests of its files and of the file `_DONE` (empty where there is none).

    `done_is_last` tells whether `_DONE` came after every other file.
    """

    files: str
    done: str
    done_is_last: bool
    file_count: int


@dataclass(frozen=True)
class Watch:
    """What is remembered from look to look: the folder as it was seen last and since when, and what was taken."""

    files: str = ""
    done: str = ""
    since: str = ""
    taken: str = ""
    taken_files: str = ""

    def as_text(self) -> str:
        """Return the watch as a text for `watch_of`."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Verdict:
    """Whether a delivery is complete; `delivery` names it, and `reason` says what is waited for where it is not."""

    watch: Watch
    delivery: str | None
    reason: str

    def taken(self) -> Watch:
        """Return the watch that does not tell this delivery as complete again."""
        return replace(self.watch, taken=self.delivery, taken_files=self.watch.files) if self.delivery else self.watch


def watch_of(text: str | None) -> Watch:
    """Return what `Watch.as_text` made; a watch that has seen nothing where that is no longer readable."""
    try:
        return Watch(**json.loads(text or "{}"))
    except (ValueError, TypeError):
        return Watch()


def look_at(folder: Path) -> Look:
    """Look at the raw folder. Raises OSError when it cannot be read."""
    found = []
    latest = 0
    for path in _files(folder):
        state = path.stat()
        found.append((path.relative_to(folder).as_posix(), state.st_size, state.st_mtime_ns))
        latest = max(latest, state.st_ctime_ns)
    done, done_is_last = "", False
    marker = folder / DONE_FILE
    if marker.is_file():
        state = marker.stat()
        done = _digest([state.st_size, state.st_mtime_ns])
        # The time of the inode is that of the arrival here, whatever time a copy has kept of the original.
        done_is_last = state.st_ctime_ns >= latest
    return Look(_digest(sorted(found)), done, done_is_last, len(found))


def judge(
    watch: Watch, look: Look, now: datetime, complete_when: Literal["done_file", "quiet"], quiet: timedelta
) -> Verdict:
    """Return whether a delivery that was not taken yet is complete at `now` (aware).

    With `done_file` it is complete with a new `_DONE`, once two looks find the same files; where files came after it,
    as when a copy goes by the alphabet, once they have been the same for `quiet`. With `quiet` it is complete
    once the files have been the same for that long.
    """
    is_same = (look.files, look.done) == (watch.files, watch.done)
    since = watch.since if is_same and watch.since else now.isoformat()
    seen = replace(watch, files=look.files, done=look.done, since=since)
    delivery = look.done if complete_when == "done_file" else look.files
    if not look.file_count:
        return Verdict(seen, None, "The raw folder is empty.")
    if not delivery:
        return Verdict(seen, None, f"The raw folder has no file {DONE_FILE}: the delivery is not complete.")
    if delivery == watch.taken and look.files != watch.taken_files:
        return Verdict(seen, None, f"Files changed since the last {DONE_FILE}: a new one is waited for.")
    if delivery == watch.taken:
        return Verdict(seen, None, "No new delivery.")
    has_been_quiet = now - datetime.fromisoformat(since) >= quiet
    if has_been_quiet or (complete_when == "done_file" and look.done_is_last and is_same):
        return Verdict(seen, delivery, "A delivery is complete.")
    return Verdict(seen, None, f"A delivery arrives: {look.file_count:,} files, the same since {since[:19]} UTC.")


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of the folder and of its tables' folders; names with a dot too, under which copies grow."""
    for path in folder.iterdir():
        if path.name.startswith("_"):
            continue
        if path.is_dir():
            yield from (part for part in path.iterdir() if part.is_file())
        else:
            yield path


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]
