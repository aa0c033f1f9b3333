"""The audit log: who signed in, made or fetched what, and when. Each line holds the hash of the one before it.

So a line that is changed or deleted is found out, and, as the hash of the last one stands beside the log, so are lines
that are cut off its end. Who can write both can make another log: a note of `head` elsewhere tells them apart.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestration.home.paths import Home
from warehouse.errors import OpcoError
from warehouse.files import written_atomically

INSTANT = "%Y-%m-%dT%H:%M:%S.%fZ"
FILE, HEAD = "audit.jsonl", "audit.head"
PREVIOUS, CUT = "previous", "audit_log_cut"
WINDOW_BYTES = 64 * 1024


@dataclass(frozen=True)
class AuditLog:
    """The log in the file `path`, one JSON object a line.

    `previous` of a line is the SHA-256 of all that stands between the beginning of the last such line and this one: of
    that line, and of what a machine that stopped in the middle of another has left. In the first it is the hash of
    what an older program wrote, or null.
    """

    path: Path
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @classmethod
    def of(cls, home: Home, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> AuditLog:
        """Return the audit log of a home."""
        return cls(home.portal / FILE, now)

    def add(self, action: str, *, email: str | None, client: str, **facts: Any) -> None:
        """Add a line and wait until it is on the disk. Raises OSError when it cannot be kept."""
        line = self._line(action, email=email, client=client, **facts)
        with self._alone() as descriptor:
            size = os.fstat(descriptor).st_size
            # The machine stopped in the middle of a line, which stays as it is.
            mend = b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""
            link = _encoded({**line, PREVIOUS: _hash(_last_link(descriptor, size, mend))})
            if os.write(descriptor, mend + link) != len(mend + link):
                # A full disk takes a part: a line is whole or not there.
                os.ftruncate(descriptor, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            os.fsync(descriptor)
            try:
                self._note_head(link)
            except OSError:
                os.ftruncate(descriptor, size)
                raise

    def older(self, before: datetime) -> list[bytes]:
        """Return the lines that `cut` takes: those of before `before`, of an older program only all or none."""
        lines = self._lines() if self.path.exists() else []
        limit = f"{before.astimezone(UTC):{INSTANT}}"
        # What an earlier cut has put at the beginning goes with what was behind it, and not by itself.
        begin = 1 if lines and _action(lines[0]) == CUT else 0
        young = (number for number, one in enumerate(lines) if number >= begin and _instant(one) >= limit)
        count = next(young, len(lines))
        is_torn_apart = lines[count:] and _read(lines[count]) is None
        return [] if count == begin or is_torn_apart else lines[:count]

    def cut(self, before: datetime, *, by: str, reason: str) -> int:
        """Take the lines that are `older` off the beginning, in one step, and return how many there were.

        What is left begins with a line that says so, and with which hash the rest goes on; a line at the end holds the
        hash of that one. Raises OpcoError where the log is not what it was: then nothing is taken away.
        """
        with self._alone():
            self._check()
            gone = self.older(before)
            if not gone:
                return 0
            kept = self._lines()[len(gone) :]
            if kept and not kept[-1].endswith(b"\n"):
                kept[-1] += b"\n"
            goes_on = next((link[PREVIOUS] for one in kept if (link := _read(one))), None)
            facts = {"reason": reason, "lines": len(gone), "until": _instant(gone[-1])}
            entry = self._line(CUT, email=None, client=by, **facts)
            first = _encoded({**entry, "goes_on": goes_on, PREVIOUS: None})
            rest = [first, *kept]
            begins = max(number for number, one in enumerate(rest) if _read(one) is not None)
            before_it = _hash(b"".join(rest[begins:]))
            last = _encoded({**entry, "first_line": _hash(first), PREVIOUS: before_it})
            with written_atomically(self.path) as temporary:
                temporary.touch(mode=0o600)
                temporary.write_bytes(b"".join([*rest, last]))
            self._note_head(last)
            return len(gone)

    def fault(self) -> str | None:
        """Return what is not as it was written; None where all is, or nothing was written yet."""
        try:
            with self._alone(only_read=True):
                self._check()
        except FileNotFoundError:
            return f"{self.path} is gone, and {HEAD} beside it says that it was there" if self.head else None
        except PermissionError:
            # An account that may not read it has nothing to say of it.
            return None
        except OSError as error:
            return f"{self.path} cannot be read: {error.strerror or error}"
        except OpcoError as error:
            return str(error)
        return None

    @property
    def head(self) -> str | None:
        """The hash of the last line, which stands for the whole log; None where there is none."""
        try:
            return str(json.loads(self.path.with_name(HEAD).read_text(encoding="utf-8"))["head"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _check(self) -> None:
        """Raise OpcoError naming the first line that is not what it was, or does not follow the one before it."""
        before, expected = b"", None
        cut: str | None = None
        stated: str | None = None
        heads: list[str | None] = []
        for number, line in enumerate(self._lines(), start=1):
            entry = _read(line)
            if entry is None:
                before += line
                continue
            if number == 1 and entry.get("action") == CUT:
                cut, expected = _hash(line), entry.get("goes_on")
            elif entry[PREVIOUS] != (expected or _hash(before)):
                raise OpcoError(f"{self.path}, line {number}: what stands before it is not what it was")
            else:
                expected = None
                stated = str(entry.get("first_line")) if entry.get("action") == CUT else stated
            before = line
            heads.append(_hash(line))
        if cut != stated:
            raise OpcoError(f"{self.path}, line 1: lines before it went, and what it says of that is not what it was")
        if heads and before.count(b"\n") > 1:
            raise OpcoError(f"{self.path}: its last line was written by something else")
        # A machine that stops, or a copy of both files, may leave the hash of an earlier line.
        if heads and self.head not in heads:
            raise OpcoError(f"{self.path}: lines are missing at its end, or {HEAD} beside it is not what it was")
        if not heads and self.head:
            raise OpcoError(f"{self.path}: all its lines are missing")

    def _lines(self) -> list[bytes]:
        return self.path.read_bytes().splitlines(keepends=True)

    def _line(self, action: str, *, email: str | None, client: str, **facts: Any) -> dict[str, Any]:
        return {"at": f"{self.now():{INSTANT}}", "action": action, "email": email, "client": client, **facts}

    def _note_head(self, line: bytes) -> None:
        with written_atomically(self.path.with_name(HEAD)) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(json.dumps({"head": _hash(line)}) + "\n", encoding="utf-8")

    @contextmanager
    def _alone(self, *, only_read: bool = False) -> Iterator[int]:
        """Yield the log's descriptor while no other process writes."""
        if not only_read:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_RDONLY if only_read else os.O_RDWR | os.O_APPEND | os.O_CREAT
        while True:
            descriptor = os.open(self.path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH if only_read else fcntl.LOCK_EX)
                # While this one waited, the log may have been cut, which puts another file in its place.
                if os.fstat(descriptor).st_ino == self.path.stat().st_ino:
                    yield descriptor
                    return
            finally:
                os.close(descriptor)


def _encoded(line: dict[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False, default=str).encode() + b"\n"


def _hash(content: bytes) -> str | None:
    return hashlib.sha256(content).hexdigest() if content else None


def _read(line: bytes) -> dict[str, Any] | None:
    """Return a line that is a link of the chain; None of another, or of a part of one."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    is_link = isinstance(entry, dict) and PREVIOUS in entry and line.endswith(b"\n")
    return entry if is_link else None


def _instant(line: bytes) -> str:
    """Return when a line was written; of a part of a line, which has the age of those around it, nothing."""
    try:
        return str(json.loads(line)["at"])
    except (ValueError, KeyError, TypeError):
        return ""


def _action(line: bytes) -> str | None:
    entry = _read(line)
    return None if entry is None else entry.get("action")


def _last_link(descriptor: int, size: int, end: bytes) -> bytes:
    """Return the log, with `end` behind it, from the beginning of its last link; all of it where it has none."""
    window = WINDOW_BYTES
    while True:
        begin = max(0, size - window)
        content = os.pread(descriptor, size - begin, begin) + end
        lines = content.splitlines(keepends=True)
        # The first one read may be a part of a line.
        whole = lines if begin == 0 else lines[1:]
        for number in reversed(range(len(whole))):
            if _read(whole[number]) is not None:
                return b"".join(whole[number:])
        if begin == 0:
            return content
        window *= 4
