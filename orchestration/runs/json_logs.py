"""Logs as JSON: each line that this process, or one that it started, writes to stderr is one object."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

RUN_ID: ContextVar[str | None] = ContextVar("RUN_ID", default=None)
"""The run that this process is about: its lines name it."""

COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LEVELS = {"Error: ": "error", "Warning: ": "warning", "warning: ": "warning"}
"""What our own lines begin with where they are no plain information."""

logger = logging.getLogger("opco")


def log_as_json() -> None:
    """Make what this process writes to stderr, and all that its libraries log there, lines of JSON.

    Dagster offers JSON for some of its processes, with keys of its own and without tracebacks; so each handler that
    writes to the terminal, there already or added later by whichever library, is given our formatter.
    """
    if not isinstance(sys.stderr, JsonLines):
        sys.stderr = JsonLines(sys.stderr)
    logging.setLoggerClass(_JsonLogger)
    known = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    for handler in (one for each in (logging.root, *known) for one in each.handlers):
        _format(handler)
    logging.captureWarnings(True)
    if logging.lastResort:
        _format(logging.lastResort)
        # Else Python's warnings, captured, go nowhere.
        logging.getLogger("py.warnings").addHandler(logging.lastResort)
    sys.excepthook = lambda *error: logger.critical("This process ended with an error.", exc_info=error)
    threading.excepthook = lambda args: logger.error(
        "A thread ended with an error.",
        exc_info=(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback),
    )


class JsonFormatter(logging.Formatter):
    """A record of Python's logging, with its traceback in its message; one of a Dagster run names the run."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line of JSON, without its end."""
        of_dagster = getattr(record, "dagster_meta", None) or {}
        return json_line(
            super().format(record),
            level=record.levelname.lower(),
            seconds=record.created,
            logger_name=record.name,
            run_id=of_dagster.get("run_id"),
        )


class JsonLines(io.TextIOBase):
    """A stream for text whose lines come out on `target` as JSON; what is written in one go is one object."""

    def __init__(self, target: TextIO) -> None:
        super().__init__()
        self.target = target
        self._pending = ""

    def write(self, text: str) -> int:
        """Take `text`, and pass on what ends with its line."""
        self._pending += text
        if self._pending.endswith("\n"):
            written, self._pending = COLOURS.sub("", self._pending).strip("\n"), ""
            if written.strip():
                self.target.write((written if _is_json_line(written) else _json_line_of(written)) + "\n")
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


def json_line(
    message: str, *, level: str, seconds: float, logger_name: str | None = None, run_id: str | None = None
) -> str:
    """Return one line of the log, without its end; `seconds` is its time since the epoch."""
    line = {
        "time": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "level": level,
        "message": message,
        "logger": logger_name,
        "run_id": run_id or RUN_ID.get(),
    }
    return json.dumps({key: value for key, value in line.items() if value is not None}, ensure_ascii=False)


def _json_line_of(text: str) -> str:
    start = next((one for one in LEVELS if text.startswith(one)), "")
    return json_line(text.removeprefix(start), level=LEVELS.get(start, "info"), seconds=time.time())


def _is_json_line(text: str) -> bool:
    """Tell whether a line is one of ours already, as those of a process that this one started."""
    try:
        return text.startswith('{"time": ') and "message" in json.loads(text)
    except ValueError:
        return False


class _JsonLogger(logging.Logger):
    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 - Python's own name
        _format(hdlr)
        super().addHandler(hdlr)


def _format(handler: logging.Handler) -> None:
    if getattr(handler, "stream", None) in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        handler.setFormatter(JsonFormatter())
