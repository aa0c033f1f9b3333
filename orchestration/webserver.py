"""Dagster's web server and daemon on one home."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from orchestration.home import HOME_VARIABLE, Home
from orchestration.home_stamp import stamp_home
from orchestration.runs import write_instance_settings
from portal.listening import listen
from warehouse.project import PROJECT_DIR


def serve(home: Home, *, host: str, port: int, debug: bool) -> int:
    """Run Dagster's web server and daemon until they are told to end, and return their exit code.

    Raises OpcoError when the address cannot be listened on: Dagster's daemon would go on without its web server.
    """
    listen(host, port).close()
    stamp_home(home)
    write_instance_settings(home)
    environment = {**os.environ, HOME_VARIABLE: str(home.folder), "DAGSTER_HOME": str(home.dagster)}
    command = [sys.executable, "-m", "dagster", "dev", "-m", "orchestration.definitions", "-h", host, "-p", str(port)]
    level = ["--log-level", "debug" if debug else "warning"]
    sys.stderr.write(f"Dagster opens at http://{host}:{port} on the home {home.folder}; Ctrl-C ends it.\n")
    # A shell's background process ignores Ctrl-C, and Dagster would then ignore the order to end as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen([*command, *level], cwd=PROJECT_DIR, env=environment) as server:
        # The terminal tells the server of Ctrl-C by itself; a supervisor tells only this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        return server.wait()
