"""`opco-dbt`: dbt as a build runs it. It ends with the build that started it, and is alone at the build file.

A build that is killed outright cannot take dbt with it, and dbt would go on writing beside the next build.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestration.home import Home
from warehouse.errors import OpcoError
from warehouse.files import try_lock

STARTED_BY_VARIABLE = "OPCO_STARTED_BY"
LOCK_VARIABLE = "OPCO_DBT_LOCK"
LOOK_EVERY_SECONDS = 0.1
PATIENCE_SECONDS = 60


def lock_file(home: Home) -> Path:
    """Return the file that a running dbt holds locked."""
    return home.build / "dbt.lock"


def variables(home: Home) -> dict[str, str]:
    """Return what `opco-dbt` reads from its environment: whom it ends with, and its lock."""
    return {STARTED_BY_VARIABLE: str(os.getpid()), LOCK_VARIABLE: str(lock_file(home))}


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="ascii") as stream:
        yield try_lock(stream)


def wait_for_an_orphan(home: Home) -> None:
    """Return once no dbt of a build that was killed is at work. Raises OpcoError when it does not end by itself."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        with _locked(lock_file(home)) as is_free:
            if is_free:
                return
        if time.monotonic() > until:
            raise OpcoError(
                f"A dbt process of a build that was killed still holds {lock_file(home)}.\n"
                f"Find it with: fuser {lock_file(home)}, end it, then run the build again."
            )
        time.sleep(LOOK_EVERY_SECONDS)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """The console script: dbt's own command line, within the two rules above."""
    parent = int(os.environ[STARTED_BY_VARIABLE])
    with _locked(Path(os.environ[LOCK_VARIABLE])) as is_free:
        if not is_free or os.getppid() != parent:
            sys.exit("opco-dbt: another dbt is at work in this home, or the build that started this one has ended.")
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        from dbt.cli.main import cli

        cli()
