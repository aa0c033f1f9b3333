"""How a command opens its home and runs a job there; Dagster is loaded by the run alone."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opco.terminal import TerminalProgress
from orchestration.home.paths import HOME_VARIABLE, Home, keep_from_others
from orchestration.home.settings import load_settings, variable_of
from orchestration.home.stamp import check_home
from orchestration.runs.json_logs import log_as_json
from orchestration.runs.loading import loading

if TYPE_CHECKING:
    import dagster as dg


def open_home(option: Path | None, options: Mapping[str, str | None] | None = None, *, must_exist: bool = True) -> Home:
    """Return the home, with its settings checked; processes that this one starts find it by OPCO_HOME."""
    if os.environ.get(variable_of("logs.format")) == "json":
        log_as_json()
    home = Home.find(option, must_exist=must_exist)
    check_home(home)
    keep_from_others(home)
    os.environ[HOME_VARIABLE] = str(home.folder)
    if load_settings(home, options).logs.format == "json":
        log_as_json()
    return home


@contextlib.contextmanager
def at_work(home: Home, *, debug: bool) -> Iterator[tuple[dg.DagsterInstance, TerminalProgress]]:
    """Yield Dagster's instance of the home, and where the work reports to. Errors as `open_instance`.

    What dbt and the steps print would stand between a command's own lines: it goes nowhere, or with `debug` to stderr.
    """
    progress = TerminalProgress()
    with progress.shown(), contextlib.ExitStack() as stack:
        quiet = sys.stderr if debug else stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
        stack.enter_context(contextlib.redirect_stdout(quiet))
        progress.stage("Starting", 3, "loading Dagster")
        with loading():
            from orchestration.runs.jobs import open_instance

        progress.step("opening its records of runs")
        instance = stack.enter_context(open_instance(home))
        progress.step("reading the project")
        yield instance, progress


def run(
    home: Home,
    job: str,
    config: Mapping[str, Any],
    *,
    session_id: str | None = None,
    tags: Mapping[str, str] | None = None,
    output: Path | None = None,
    continue_on_failure: bool = False,
    debug: bool,
) -> dict[str, dict[str, Any]]:
    """Run a job of the home, with its progress on the terminal, and return what it made, as `run_job`."""
    with at_work(home, debug=debug) as (instance, progress):
        from orchestration.runs.jobs import run_job

        return run_job(
            home,
            job,
            config,
            instance=instance,
            progress=progress,
            session_id=session_id,
            tags=tags,
            output=output,
            continue_on_failure=continue_on_failure,
            debug=debug,
        )
