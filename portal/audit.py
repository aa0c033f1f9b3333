"""The audit log: who signed in, made or fetched what, and when. Lines are only ever added."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request

from portal.security import client_of

FILE = "audit.jsonl"


@dataclass(frozen=True)
class AuditLog:
    """The log in the file `path`, one JSON object a line."""

    path: Path
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def add(self, action: str, *, email: str | None, client: str, **facts: Any) -> None:
        """Add a line and wait until it is on the disk. Raises OSError when it cannot be kept."""
        line = {
            "at": f"{self.now():%Y-%m-%dT%H:%M:%S.%fZ}",
            "action": action,
            "email": email,
            "client": client,
            **facts,
        }
        content = json.dumps(line, ensure_ascii=False, default=str).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                # The machine stopped in the middle of a line, which stays as it is.
                content = b"\n" + content
            if os.write(descriptor, content) != len(content):
                # A full disk takes a part: a line is whole or not there.
                os.ftruncate(descriptor, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def record(request: Request, action: str, **facts: Any) -> None:
    """Add to the log that the person who signed in does `action`.

    To be called before it is done: what cannot be recorded does not happen. Errors as `AuditLog.add`.
    """
    person = getattr(request.state, "person", None)
    log: AuditLog = request.app.state.identity.audit
    log.add(action, email=person.email if person else None, client=client_of(request), **facts)
