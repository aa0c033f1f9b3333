"""Ctrl-C while libraries are loaded: it waits for their end, and is not lost where one of them catches it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from warehouse.project import PROJECT_DIR

PRESSED = """
import os, signal
from orchestration.runs.loading import loading
try:
    with loading():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            print("loaded")
        except:
            print("lost")
except KeyboardInterrupt:
    print("interrupted")
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
IGNORED = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
IN_A_THREAD = """
import signal, threading
from orchestration.runs.loading import loading
def load():
    with loading():
        print("loaded")
thread = threading.Thread(target=load)
thread.start()
thread.join()
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (PRESSED, ["loaded", "interrupted", "True"]),
        # As of a command in the background of a shell.
        (IGNORED + PRESSED, ["loaded", "False"]),
        (IN_A_THREAD, ["loaded"]),
    ],
    ids=["pressed", "ignored", "in a thread"],
)
def test_ctrl_c_waits_for_what_is_being_loaded(code: str, said: list[str]) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_DIR, capture_output=True, text=True, check=True, timeout=60
    )
    assert finished.stdout.split() == said
