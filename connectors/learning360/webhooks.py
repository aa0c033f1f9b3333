"""What 360Learning sends by itself: verified by its signature, kept on the disk before it is answered, read by a pull.

Signatures are those of the Standard Webhooks specification: an HMAC-SHA256 over `id.timestamp.body`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from warehouse.errors import OpcoError
from warehouse.files import fsync_path, make_folder

TOLERANCE = timedelta(minutes=5)
"""How old, or how far ahead, a message may be: an old one that somebody recorded is not taken."""

KEPT = timedelta(days=7)
"""How long a message stays after the pull that took it: a pull that failed reads it again."""

WANTED: Mapping[str, Mapping[str, type]] = {
    "user.assessment.corrected": {
        **dict.fromkeys(("userId", "sessionId", "assessmentId", "name", "correctedAt"), str),
        "success": bool,
        "score": float,
    },
    "course.attempt.closed": {"attemptId": str},
    "user.updated": {"userId": str},
}
"""The messages that a pull can use, and what is kept of them: nothing that names a person."""

MAX_BYTES = 256 * 2**10
SECRET_PREFIX = "whsec_"  # noqa: S105 (what such a secret begins with)
ID = re.compile(r"[!-~]{1,200}")


class BadMessageError(OpcoError):
    """A message that is not signed as it must be; the text says what is wrong, for the log."""


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """Return the id of a message whose signature is right. Raises BadMessageError for any other.

    `secret` is as the platform shows it, with or without `whsec_`; `now` is aware.
    """
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not ID.fullmatch(message_id) or not re.fullmatch(r"\d{1,12}", timestamp):
        raise BadMessageError("no id or no timestamp")
    if abs(now - datetime.fromtimestamp(int(timestamp), UTC)) > TOLERANCE:
        raise BadMessageError("a timestamp more than five minutes away")
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise BadMessageError("the secret that is set is no base64") from None
    expected = base64.b64encode(hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")).decode()
    given = [one.partition(",") for one in headers.get("webhook-signature", "").split()]
    if not any(version == "v1" and hmac.compare_digest(one.encode(), expected.encode()) for version, _, one in given):
        raise BadMessageError("a signature that is not right")
    return message_id


@dataclass
class Inbox:
    """The messages that came and wait for a pull: a file of JSON lines for each day (UTC) in `folder`."""

    folder: Path
    _known: set[str] | None = None
    _lock: Lock = field(default_factory=Lock)

    def keep(self, message_id: str, body: bytes, received_at: datetime) -> bool:
        """Write a message to the disk, if it is wanted and not there yet; whether it was.

        Raises BadMessageError for one that is no message.
        """
        try:
            content = json.loads(body)
            kind, data = content["type"], content["data"]
            wanted = {name: data.get(name) for name in WANTED.get(kind, ())}
        except (ValueError, TypeError, KeyError, AttributeError):
            raise BadMessageError("no message with a type and data") from None
        if not wanted:
            return False
        if odd := [name for name, value in wanted.items() if not _is(value, WANTED[kind][name])]:
            raise BadMessageError(f"{kind} with another {odd[0]} than described")
        line = json.dumps({"id": message_id, "received_at": received_at.isoformat(), "type": kind, "data": wanted})
        with self._lock:
            if self._known is None:
                self._known = {one["id"] for one in messages(self.folder)}
            if message_id in self._known:
                return False
            make_folder(self.folder)
            path = self.folder / f"{received_at:%Y-%m-%d}.jsonl"
            is_new = not path.exists()
            with path.open("ab") as stream:
                # A line that a killed server left half written ends here.
                starts_anew = stream.tell() > 0 and not _ends_with_line(path)
                stream.write(b"\n" * starts_anew + line.encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            if is_new:
                fsync_path(self.folder)
            self._known.add(message_id)
        return True


def inbox_folder(home: Path, source: str) -> Path:
    """Return where the messages for a source of a home wait."""
    return home / "var" / "sources" / source / "hooks"


def messages(folder: Path) -> list[dict[str, Any]]:
    """Return the messages that wait, in the order in which they came, each id once; half a line is none."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else ():
        for line in path.read_bytes().splitlines():
            try:
                one = json.loads(line)
            except ValueError:
                continue
            if isinstance(one, dict) and {"id", "received_at", "type", "data"} <= one.keys():
                found.setdefault(str(one["id"]), one)
    return list(found.values())


def clean(folder: Path, pulled_at: datetime) -> None:
    """Remove the days whose messages a pull that was delivered has taken, a week after it; `pulled_at` is its start."""
    last_day = f"{pulled_at - KEPT:%Y-%m-%d}"
    for path in folder.glob("*.jsonl") if folder.is_dir() else ():
        if path.stem < last_day:
            path.unlink()


def _is(value: object, wanted: type) -> bool:
    if wanted is float:
        # Not every assessment has a score.
        return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    return isinstance(value, wanted)


def _ends_with_line(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"
