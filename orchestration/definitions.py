"""Everything that Dagster shows and runs: the definitions in `defs/`, for the home that OPCO_HOME names."""

from pathlib import Path

import dagster as dg

from orchestration.home.paths import Home, keep_from_others
from orchestration.home.settings import load_settings
from orchestration.home.stamp import check_home
from orchestration.runs.json_logs import log_as_json
from orchestration.runs.resources import run_resources


@dg.definitions
def defs() -> dg.Definitions:
    """Load every domain; in-process, because each process of a run would import everything again."""
    home = Home.find()
    check_home(home)
    keep_from_others(home)
    if load_settings(home).logs.format == "json":
        log_as_json()
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        dg.Definitions(resources=run_resources(home), executor=dg.in_process_executor),
    )
