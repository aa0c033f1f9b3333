"""What `run_opco` has imported before it forks a command: nothing here opens a home or reads a setting."""

import dagster_dbt  # noqa: F401
import dbt.adapters.duckdb
import dbt.cli.main  # noqa: F401

import orchestration.definitions
import orchestration.runs.jobs  # noqa: F401
from opco.cli import load_commands

load_commands()
