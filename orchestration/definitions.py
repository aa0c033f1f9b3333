"""Everything that Dagster shows and runs: the definitions in `defs/`, for the home that OPCO_HOME names."""

from pathlib import Path

import dagster as dg

from orchestration.home import Home
from orchestration.home_stamp import check_home
from orchestration.resources import run_resources


@dg.definitions
def defs() -> dg.Definitions:
    """Load every domain; in-process, because each process of a run would import everything again."""
    home = Home.find()
    check_home(home)
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        dg.Definitions(resources=run_resources(home), executor=dg.in_process_executor),
    )
