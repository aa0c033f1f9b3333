"""`opco dbt`: dbt on a home's build file, with the variables of its settings."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from opco.options import DebugOption, HomeOption, JsonOption, app
from opco.running import open_home
from opco.terminal import HomeResult, print_result
from orchestration.defs.warehouse.dbt_project import dbt_by_hand
from orchestration.home.settings import load_settings
from warehouse.project import PROJECT_DIR


@app.command(
    context_settings={"ignore_unknown_options": True},
    epilog="Examples:  opco dbt ls --select +fct_program_sessions   ·   opco dbt show --select dim_courses   ·   "
    "opco dbt test --select fct_program_sessions",
)
def dbt(
    arguments: Annotated[
        list[str], typer.Argument(metavar="ARGUMENTS", help="What dbt is asked, with dbt's own options.")
    ],
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run dbt on the build file of a home: to list, show, compile and test models, or to try a change of one.

    It gives dbt the project, the home's build file and the variables of its settings. What would make wrong tables is
    refused before anything is changed. The published file is not touched; the next opco build rebuilds all.
    """
    home = open_home(home_folder)
    command, environment = dbt_by_hand(home, load_settings(home), arguments)
    # One line of JSON is all that stdout holds then.
    output = sys.stderr if as_json else None
    code = subprocess.run(command, cwd=PROJECT_DIR, env={**os.environ, **environment}, stdout=output, check=False)
    if as_json:
        print_result(DbtCommandResult(home.folder, code.returncode), as_json=True)
    raise typer.Exit(code.returncode)


@dataclass(frozen=True)
class DbtCommandResult(HomeResult, command="dbt"):
    """How dbt ended: its exit code."""

    exit_code: int

    @property
    def ok(self) -> bool:
        """Whether dbt did all that it was asked."""
        return self.exit_code == 0

    def lines(self) -> list[str]:
        """Return nothing: dbt has said it all."""
        return []
