"""How a command enters its home and runs a job there; Dagster is loaded by the run alone."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

    from orchestration.home import Home
    from orchestration.progress import Progress


def enter(option: Path | None, options: Mapping[str, str | None] | None = None, *, must_exist: bool = True) -> Home:
    """Return the home, with its settings checked; processes that this one starts find it by OPCO_HOME."""
    from orchestration.home import HOME_VARIABLE, Home
    from orchestration.home_stamp import check_home
    from orchestration.log_lines import say_as_json
    from orchestration.settings import load_settings, variable_of

    if os.environ.get(variable_of("logs.format")) == "json":
        say_as_json()
    home = Home.find(option, must_exist=must_exist)
    check_home(home)
    os.environ[HOME_VARIABLE] = str(home.folder)
    if load_settings(home, options).logs.format == "json":
        say_as_json()
    return home


def definitions_of(*domains: str) -> dg.Definitions:
    """Return the definitions of some domains only: dbt is not loaded where it is not needed."""
    from importlib import import_module

    import dagster as dg

    return dg.Definitions.merge(*(import_module(f"orchestration.defs.{domain}.assets").defs() for domain in domains))


@contextlib.contextmanager
def at_work(home: Home, *, debug: bool) -> Iterator[tuple[dg.DagsterInstance, Progress]]:
    """Yield Dagster's instance of the home, and where the work reports to. Errors as `open_instance`.

    What dbt and the steps print would stand between the closing lines: it goes nowhere, or with `debug` to stderr.
    """
    from orchestration.terminal_progress import TerminalProgress

    progress = TerminalProgress()
    with progress.shown(), contextlib.ExitStack() as stack:
        quiet = sys.stderr if debug else stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
        stack.enter_context(contextlib.redirect_stdout(quiet))
        progress.stage("Starting")
        from orchestration.runs import open_instance

        yield stack.enter_context(open_instance(home)), progress


def run(
    home: Home,
    definitions: Callable[[], dg.Definitions],
    job: str,
    ops: Mapping[str, Any],
    *,
    tags: Mapping[str, str] | None = None,
    session_id: str | None = None,
    goes_on: bool = False,
    debug: bool,
) -> dict[str, dict[str, Any]]:
    """Run a job of the home and return what it made, as `run_job`; `session_id` is the partition of a session's job.

    Raises OpcoError as well when the disk has no room for a run.
    """
    from orchestration.room import check_room

    check_room(home)
    with at_work(home, debug=debug) as (instance, progress):
        from orchestration.runs import run_job

        key = None
        if session_id is not None:
            from orchestration.defs.attestations.partitions import add_session

            key = add_session(instance, home.warehouse, session_id)
        return run_job(
            home,
            definitions(),
            job,
            instance=instance,
            progress=progress,
            ops=ops,
            tags=tags,
            partition_key=key,
            goes_on=goes_on,
            debug=debug,
        )
