"""How processes of their own begin, that make documents or read them: forked from one that is ready (decision 185)."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import tempfile
import threading
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext

PRINTING, READING = "reports.issuing.loaded", "reports.issuing.verify"
# A process is asked to fork by a socket below the temporary folder, whose path may be of so many bytes.
LONGEST_SOCKET, SOCKET_NAME = 107, len("/pymp-01234567/listener-01234567")


def context(loaded: str = PRINTING) -> BaseContext:
    """Return how processes begin: forked from one that has loaded a module and does nothing else.

    It begins to load as it is asked for first, and there is one of it. A child of this process would inherit locks that
    its other threads hold, those of a database at work among them.
    """
    if len(os.fsencode(tempfile.gettempdir())) + SOCKET_NAME > LONGEST_SOCKET:
        return multiprocessing.get_context("spawn")
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload([loaded])
    if forkserver._forkserver._forkserver_pid is None:  # type: ignore[attr-defined]
        atexit.register(_end_server)
    # Ctrl-C reaches the whole group: this process ends that one, which would end with its own words while it loads.
    # What watches over both would let it through again, if it began later.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return forked


def _end_server() -> None:
    """End the process that others are forked from, which would go on loading though nobody wants it any more."""
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    if server is not None:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)


def begin() -> None:
    """Have this process, which another one began, end with that one, and when it says so."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Ctrl-C reaches the whole group: the parent ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
