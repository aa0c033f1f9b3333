"""Previews of attestations: made in one process beside the server, kept in memory for those who asked for them."""

from __future__ import annotations

import multiprocessing
import secrets
import tempfile
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reports.issuing.preview import Preview, preview_attestation
from reports.issuing.workers import Limits, limit_memory, time_limit
from warehouse.errors import OpcoError

KEPT = 40
LONGEST_SECONDS = 60
"""A learner with thousands of connections takes some seconds."""
LONGEST_WAIT_SECONDS = 120
"""For the previews of others; each is ended after its time."""


class BusyError(OpcoError):
    """A preview cannot be made now."""


@dataclass(frozen=True)
class _Kept:
    owner: str
    session_id: str
    preview: Preview


class Previews:
    """Makes previews, one at a time, and keeps the latest ones."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Take what one document may use from `limits`."""
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._process: ProcessPoolExecutor | None = None
        self._held: Counter[str] = Counter()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    @contextmanager
    def slot(self, who: str, most: int = 1) -> Iterator[None]:
        """Hold one of the `most` slots of `who`, for what takes a thread of the server for some time.

        Raises BusyError where all are taken: nobody keeps all threads from the others.
        """
        with self._lock:
            if self._held[who] >= most:
                raise BusyError("This person asks for more at a time than anybody may. Try again in a moment.")
            self._held[who] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[who] -= 1
                self._held += Counter()

    def make(self, owner: str, session_id: str, **asked: Any) -> str:
        """Make a preview for `owner` (`asked` as for `preview_attestation`), and return the key it is found by.

        Raises UserError as `preview_attestation`, BusyError where those of others take too long, OpcoError where it
        took too long itself.
        """
        # Its time begins with its turn: the process of one that hangs is ended without the others' previews.
        if not self._turn.acquire(timeout=LONGEST_WAIT_SECONDS):
            raise BusyError("Too many previews are being made. Try again in a moment.")
        try:
            process = self._started()
            try:
                made = process.submit(_preview, self._limits.seconds, session_id=session_id, **asked)
                preview = made.result(LONGEST_SECONDS)
            except (BrokenProcessPool, TimeoutError) as error:
                self._stop(process)
                raise OpcoError("The preview could not be made: its process died or took too long.") from error
        finally:
            self._turn.release()
        key = secrets.token_hex(16)
        with self._lock:
            self._kept[key] = _Kept(owner, session_id, preview)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return key

    def find(self, owner: str, session_id: str, key: str) -> Preview | None:
        """Return a preview that `owner` asked for in this session; None when it is another's, or gone."""
        kept = self._kept.get(key)
        return kept.preview if kept and (kept.owner, kept.session_id) == (owner, session_id) else None

    def warm(self) -> None:
        """Start the process: the first preview then comes sooner."""
        process = self._started()
        try:
            process.submit(_nothing)
        except BrokenProcessPool:
            # It was killed; the next one to ask starts another.
            self._stop(process)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._stop(self._process)

    def _started(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._process is None:
                # A forked child would inherit locks that other threads of this process hold.
                self._process = ProcessPoolExecutor(
                    1,
                    mp_context=multiprocessing.get_context("spawn"),
                    initializer=limit_memory,
                    initargs=(self._limits.memory,),
                )
            return self._process

    def _stop(self, process: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._process is process:
                self._process = None
        for child in list((process._processes or {}).values()):
            child.kill()
        process.shutdown(wait=False, cancel_futures=True)


def _preview(seconds: int, **asked: Any) -> Preview:
    # WeasyPrint removes its fonts when Python comes to collect them, which a process that is killed never does.
    with tempfile.TemporaryDirectory(prefix="opco-preview-") as tempfile.tempdir:
        try:
            with time_limit(seconds):
                return preview_attestation(**asked)
        finally:
            tempfile.tempdir = None


def _nothing() -> None:
    """Be there."""
