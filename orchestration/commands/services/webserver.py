"""Dagster's web server and daemon on one home, together or each as a service of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Literal

from orchestration.home import HOME_VARIABLE, IDENTITY_VARIABLE, Home
from orchestration.log_lines import JsonLines, retell
from orchestration.runs import open_instance
from orchestration.settings import load_settings
from portal.listening import listen
from warehouse.project import PROJECT_DIR

Part = Literal["webserver", "daemon"]
CODE = ["-m", "orchestration.definitions"]


def serve(home: Home, *, only: Part | None, host: str, port: int, debug: bool) -> int:
    """Run Dagster's web server and daemon, or one of them, until they are told to end, and return their exit code.

    Raises OpcoError when the address cannot be listened on, as Dagster's daemon would go on without its web server,
    and when Dagster's database cannot be reached.
    """
    if only != "daemon":
        listen(host, port).close()
    # Its tables are made here, before two services could make them at once.
    with open_instance(home):
        pass
    as_json = load_settings(home).logs.format == "json"
    environment = {
        **os.environ,
        HOME_VARIABLE: str(home.folder),
        IDENTITY_VARIABLE: home.identity(),
        "DAGSTER_HOME": str(home.dagster),
        # What it says comes by a pipe where it is retold, and would wait there.
        "PYTHONUNBUFFERED": "1",
    }
    sys.stderr.write(f"{_opening(only, host, port)} on the home {home.folder}; Ctrl-C ends it.\n")
    # A shell's background process ignores Ctrl-C, and Dagster would then ignore the order to end as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        _command(only, host, port, "debug" if debug else "warning" if only is None else "info", as_json=as_json),
        cwd=PROJECT_DIR,
        env=environment,
        stdout=subprocess.PIPE if as_json else None,
        stderr=subprocess.STDOUT if as_json else None,
    ) as server:
        # The terminal tells the server of Ctrl-C by itself; a supervisor tells only this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        if server.stdout is not None:
            retell(server.stdout.fileno(), sys.stderr.target if isinstance(sys.stderr, JsonLines) else sys.stderr)
        return server.wait()


def _opening(only: Part | None, host: str, port: int) -> str:
    return "Dagster's daemon runs" if only == "daemon" else f"Dagster opens at http://{host}:{port}"


def _command(only: Part | None, host: str, port: int, level: str, *, as_json: bool) -> list[str]:
    address = ["-h", host, "-p", str(port)]
    command = {
        None: ["dagster", "dev", *CODE, *address, "--log-level", level],
        "webserver": ["dagster_webserver", *CODE, *address, "--dagster-log-level", level],
        "daemon": ["dagster._daemon", "run", *CODE, "--log-level", level],
    }[only]
    return [sys.executable, "-m", *command, *(["--log-format", "json"] if as_json else [])]
