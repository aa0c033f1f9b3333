"""Runs whose process was killed: nobody was left to record their end, so the next one does."""

from __future__ import annotations

import os
import socket

import dagster as dg

from warehouse.files import is_alive

HOST_TAG = "opco/host"
PROCESS_TAG = "opco/process"
UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def process_tags() -> dict[str, str]:
    """Return the tags by which a run names its process."""
    return {HOST_TAG: socket.gethostname(), PROCESS_TAG: str(os.getpid())}


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Record as failed the runs of this machine whose process lives no more, and return their ids."""
    closed = []
    # One that names its process before it starts is a command's, which starts it at once.
    statuses = [dg.DagsterRunStatus.NOT_STARTED, *UNFINISHED]
    runs = instance.get_runs(dg.RunsFilter(statuses=statuses, tags={HOST_TAG: socket.gethostname()}))
    for run in runs:
        process = run.tags.get(PROCESS_TAG, "")
        if process.isdecimal() and not is_alive(int(process)):
            instance.report_run_failed(
                run, f"Process {process} of this run was killed before its end. Nothing half-made was shown to readers."
            )
            closed.append(run.run_id)
    return closed
