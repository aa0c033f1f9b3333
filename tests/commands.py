"""`opco` as tests start it: in a process of its own, as a user would."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from warehouse.project import PROJECT_DIR

CAMPUS = PROJECT_DIR / "tests" / "data" / "campus"
OPCO = Path(sys.executable).with_name("opco")
LIMIT = 600
"""What a command may take, in seconds."""

# Processes that come out of one that has imported what commands need: half of a short command is imports.
LOADED = multiprocessing.get_context("forkserver")
LOADED.set_forkserver_preload(["tests.loaded_commands"])

Opco = Callable[..., subprocess.CompletedProcess[str]]


def run_opco(*arguments: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run `opco ARGUMENTS --home HOME` in a process of its own, without the caller's OPCO_ variables."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPCO_")}
    line = [str(OPCO), *map(str, arguments), "--home", str(home)]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = LOADED.Process(target=_command, args=(line, environment, Path.cwd(), out, err))
        process.start()
        process.join(LIMIT)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(line, LIMIT)
        return subprocess.CompletedProcess(line, process.exitcode, out.read_text("utf-8"), err.read_text("utf-8"))


def _command(line: list[str], environment: Mapping[str, str], folder: Path, out: Path, err: Path) -> None:
    """Be the console script `opco`, in a process that was just forked."""
    for number, path in ((1, out), (2, err)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = line
    from opco.cli import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()


def result_of(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return what `--json` printed, after checking that the command succeeded."""
    assert finished.returncode == 0, finished.stderr
    result: dict[str, Any] = json.loads(finished.stdout)
    return result
