"""Deliveries as they arrive in the raw folder: whether one is complete, by its files' names, sizes and times."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

DONE_FILE = "_DONE"


@dataclass(frozen=True)
class FolderSnapshot:
    """The raw folder at one moment: digests of its files and of the file `_DONE` (empty where there is none).

    `done_is_last` says whether `_DONE` came after every other file.
    """

    files: str
    done: str
    done_is_last: bool
    file_count: int


@dataclass(frozen=True)
class ArrivalState:
    """What is remembered between snapshots: the folder as it was last and since when, and what was taken."""

    files: str = ""
    done: str = ""
    since: str = ""
    taken: str = ""
    taken_files: str = ""

    def as_text(self) -> str:
        """Return the state as text, for `parse_state`."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Decision:
    """Whether a delivery is complete; `delivery` names it, and `reason` says what is waited for where it is not."""

    state: ArrivalState
    delivery: str | None
    reason: str

    def taken(self) -> ArrivalState:
        """Return the state in which this delivery does not count as complete again."""
        return replace(self.state, taken=self.delivery, taken_files=self.state.files) if self.delivery else self.state


def parse_state(text: str | None) -> ArrivalState:
    """Return what `ArrivalState.as_text` made; the first state where that is no longer readable."""
    try:
        return ArrivalState(**json.loads(text or "{}"))
    except (ValueError, TypeError):
        return ArrivalState()


def snapshot_of(folder: Path) -> FolderSnapshot:
    """Return a snapshot of the raw folder. Raises OSError when it cannot be read."""
    found = []
    latest = 0
    for path in _files(folder):
        stat = path.lstat()
        found.append((path.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns))
        latest = max(latest, stat.st_ctime_ns)
    done, done_is_last = "", False
    marker = folder / DONE_FILE
    if marker.is_file():
        stat = marker.stat()
        done = _digest([stat.st_size, stat.st_mtime_ns])
        # The time of the inode is that of the arrival here, whatever time a copy has kept of the original.
        done_is_last = stat.st_ctime_ns >= latest
    return FolderSnapshot(_digest(sorted(found)), done, done_is_last, len(found))


def decide(
    state: ArrivalState,
    snapshot: FolderSnapshot,
    now: datetime,
    complete_when: Literal["done_file", "quiet"],
    quiet: timedelta,
) -> Decision:
    """Return whether a delivery that was not taken yet is complete at `now` (aware).

    With `done_file` it is complete with a new `_DONE`, once two snapshots show the same files; where files came after
    it, as when a copy goes by the alphabet, once they have been the same for `quiet`. With `quiet` it is complete once
    the files have been the same for that long.
    """
    is_same = (snapshot.files, snapshot.done) == (state.files, state.done)
    since = state.since if is_same and state.since else now.isoformat()
    seen = replace(state, files=snapshot.files, done=snapshot.done, since=since)
    delivery = snapshot.done if complete_when == "done_file" else snapshot.files
    if not snapshot.file_count:
        return Decision(seen, None, "The raw folder is empty.")
    if not delivery:
        return Decision(seen, None, f"The raw folder has no file {DONE_FILE}: the delivery is not complete.")
    if delivery == state.taken and snapshot.files != state.taken_files:
        return Decision(seen, None, f"Files changed since the last {DONE_FILE}: a new one is waited for.")
    if delivery == state.taken:
        return Decision(seen, None, "No new delivery.")
    has_been_quiet = now - datetime.fromisoformat(since) >= quiet
    if has_been_quiet or (complete_when == "done_file" and snapshot.done_is_last and is_same):
        return Decision(seen, delivery, "A delivery is complete.")
    return Decision(seen, None, f"A delivery arrives: {snapshot.file_count:,} files, the same since {since[:19]} UTC.")


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of the folder at any depth; names with a dot too, under which copies grow."""
    for parent, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith("_")]
        # What stands beside the tables with a _ is about the delivery, and no part of it.
        yield from (Path(parent, name) for name in files if parent != str(folder) or not name.startswith("_"))


def _raise(error: OSError) -> None:
    raise error


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]
