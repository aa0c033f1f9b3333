"""Previews of attestations: made in one process beside the server, kept in memory for those who asked for them."""

from __future__ import annotations

import multiprocessing
import secrets
import tempfile
import threading
from collections import OrderedDict
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from reports.attestation.preview import Preview, preview_attestation
from warehouse.errors import OpcoError

KEPT = 40
MOST_WAITING = 4
LONGEST_SECONDS = 60
"""A learner with thousands of connections takes some seconds."""


class BusyError(OpcoError):
    """Too many previews are being made."""


@dataclass(frozen=True)
class _Kept:
    owner: str
    session_id: str
    preview: Preview


class Previews:
    """Makes previews, one at a time, and keeps the latest ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: ProcessPoolExecutor | None = None
        self._waiting = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def make(self, owner: str, session_id: str, **asked: Any) -> str:
        """Make a preview for `owner` (`asked` as for `preview_attestation`), and return the key it is found by.

        Raises UserError as `preview_attestation`, BusyError where too many wait, OpcoError where it took too long.
        """
        with self._lock:
            if self._waiting >= MOST_WAITING:
                raise BusyError("Too many previews are being made. Try again in a moment.")
            self._waiting += 1
        process = self._started()
        try:
            preview = process.submit(_preview, session_id=session_id, **asked).result(LONGEST_SECONDS)
        except (BrokenProcessPool, TimeoutError) as error:
            self._stop(process)
            raise OpcoError("The preview could not be made: its process died or took too long.") from error
        finally:
            with self._lock:
                self._waiting -= 1
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
                self._process = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
            return self._process

    def _stop(self, process: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._process is process:
                self._process = None
        for child in list((process._processes or {}).values()):
            child.kill()
        process.shutdown(wait=False, cancel_futures=True)


def _preview(**asked: Any) -> Preview:
    # WeasyPrint removes its fonts when Python comes to collect them, which a process that is killed never does.
    with tempfile.TemporaryDirectory(prefix="opco-preview-") as tempfile.tempdir:
        try:
            return preview_attestation(**asked)
        finally:
            tempfile.tempdir = None


def _nothing() -> None:
    """Be there."""
