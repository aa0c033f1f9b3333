"""Log lines as JSON: whatever this process, or one that it started, says becomes one object a line."""

from __future__ import annotations

import io
import json
import os
import re
import select
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

RUN_ID: ContextVar[str | None] = ContextVar("RUN_ID", default=None)
"""The run that this process is about: its lines say so."""

# How long a record of several lines, such as a traceback, may pause within; and how long it may be.
PAUSE_SECONDS = 0.3
LONGEST_RECORD = 1_000_000
CHUNK = 65_536

COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LEVELS = "DEBUG|INFO|WARNING|ERROR|CRITICAL"
INSTANT = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?"
HEADS = (
    # Dagster: time, zone, logger, level
    re.compile(
        rf"(?P<time>{INSTANT} [+-]\d{{4}}) - (?P<logger>[\w.-]+) - (?P<level>{LEVELS}) - (?P<message>.*)", re.DOTALL
    ),
    # Python's logging where nobody set it up
    re.compile(rf"(?P<level>{LEVELS}):(?P<logger>[\w.-]+):(?P<message>.*)", re.DOTALL),
    # Python's logging as `opco serve` sets it up
    re.compile(rf"(?P<time>{INSTANT}) (?P<level>{LEVELS}) (?P<message>.*)", re.DOTALL),
    re.compile(r"(?P<level>Error|Warning|error|warning): (?P<message>.*)", re.DOTALL),
)
RUN = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


def record(said: str) -> dict[str, Any]:
    """Return what was said as a record: time (UTC), level, message, and logger and run_id where they are known.

    Understands the JSON and the text of Dagster, and the text of this project; anything else is a message of level
    `info`, of now.
    """
    text = COLOURS.sub("", said).strip("\n")
    if structured := _structured(text):
        return structured
    parts: dict[str, str] = {}
    for head in HEADS:
        if found := head.fullmatch(text):
            parts = found.groupdict()
            break
    message = parts.get("message", text)
    from_dagster = parts.get("logger", "").startswith("dagster")
    return _made(
        parts.get("time"),
        parts.get("level", "info"),
        message,
        {"logger": parts.get("logger"), "run_id": _run_in(message) if from_dagster else None},
    )


def _structured(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        said = json.loads(text)
    except ValueError:
        return None
    if not isinstance(said, dict) or "event" not in said:
        return None
    message = str(said.pop("event"))
    more = {"logger": said.pop("logger", None), "run_id": _run_in(message)}
    return _made(said.pop("timestamp", None), str(said.pop("level", "info")), message, {**more, **said})


def _made(time: str | None, level: str, message: str, more: dict[str, Any]) -> dict[str, Any]:
    instant = datetime.now(UTC)
    if time is not None:
        try:
            # Without a zone it is this machine's.
            instant = datetime.fromisoformat(time.replace(",", ".").replace(" +", "+").replace(" -", "-"))
        except ValueError:
            more = {**more, "said_at": time}
    more["run_id"] = more.get("run_id") or RUN_ID.get()
    return {
        "time": instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "level": level.lower(),
        "message": message,
        **{name: value for name, value in more.items() if value is not None},
    }


def _run_in(message: str) -> str | None:
    found = RUN.search(message)
    return found[0] if found else None


def line(said: str) -> str:
    """Return what was said as one line of JSON, without its end."""
    return json.dumps(record(said), ensure_ascii=False, default=str)


class JsonLines(io.TextIOBase):
    """A stream for text whose lines come out on `target` as JSON; what is written in one go is one record."""

    def __init__(self, target: TextIO) -> None:
        super().__init__()
        self.target = target
        self._said = ""

    def write(self, text: str) -> int:
        """Take `text`, and pass on what ends with its line."""
        self._said += text
        if self._said.endswith("\n"):
            said, self._said = self._said, ""
            if said.strip():
                self.target.write(line(said) + "\n")
                self.target.flush()
        return len(text)

    def flush(self) -> None:
        """Flush the target; a line without an end waits for it."""
        self.target.flush()

    def fileno(self) -> int:
        """Return the target's descriptor."""
        return self.target.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The target's encoding."""
        return self.target.encoding


def say_as_json() -> None:
    """Make everything that this process writes to stderr lines of JSON."""
    if not isinstance(sys.stderr, JsonLines):
        sys.stderr = JsonLines(sys.stderr)


def retell(source: int, target: TextIO) -> None:
    """Read text from the descriptor `source` to its end, and write it to `target` as lines of JSON.

    Lines that begin no record of their own, as those of a traceback, go with the record before them.
    """
    rest, pending = b"", ""
    while True:
        if pending and not select.select([source], [], [], PAUSE_SECONDS)[0]:
            pending = _told(pending, target)
            continue
        chunk = os.read(source, CHUNK)
        # The last line may lack its end.
        *lines, rest = (rest + chunk).split(b"\n") if chunk else (rest, b"")
        for one in (raw.decode("utf-8", errors="replace") for raw in lines):
            if pending and (_begins(one) or len(pending) > LONGEST_RECORD):
                pending = _told(pending, target)
            pending = f"{pending}\n{one}" if pending else one
        if not chunk:
            break
    _told(pending, target)


def _begins(text: str) -> bool:
    bare = COLOURS.sub("", text)
    return bare.startswith("{") or any(head.fullmatch(bare) for head in HEADS)


def _told(said: str, target: TextIO) -> str:
    if said.strip():
        target.write(line(said) + "\n")
        target.flush()
    return ""
