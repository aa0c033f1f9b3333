"""`opco docs`: tables, columns and lineage of the published build, as one page that needs no web server and no web."""

from __future__ import annotations

import os
import subprocess
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from opco.options import DebugOption, HomeOption, JsonOption, app
from opco.running import open_home
from opco.terminal import HomeResult, print_result
from orchestration.defs.warehouse.dbt_project import TESTED_FILE, dbt_by_hand, project_stamp
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from warehouse.build_file import what_is_wrong
from warehouse.build_state import read_state
from warehouse.errors import OpcoError, UserError
from warehouse.files import written_atomically
from warehouse.project import PROJECT_DIR
from warehouse.published import page_of, shown_file
from warehouse.wording import size

# What dbt's page is made of stands in it; whatever else it would ask for, a browser refuses.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:; "
    "font-src data:"
)


@app.command(epilog="Examples:  opco docs --open   ·   opco docs --home ~/opco")
def docs(
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write the documentation of the published build as one page beside it: tables, columns, SQL, lineage, readers.

    It is dbt's own, works without the web, and asks nothing of it; it holds no row of any table. The first time takes a
    quarter of a minute.
    """
    home = open_home(home_folder)
    page = write_docs(home)
    print_result(DocsResult(home.folder, page, page.stat().st_size), as_json=as_json)
    if open_it:
        webbrowser.open(page.as_uri())


@dataclass(frozen=True)
class DocsResult(HomeResult, command="docs"):
    """Where the page is, and how large."""

    path: Path
    bytes: int

    def lines(self) -> list[str]:
        """Return where the page is."""
        return [f"Documentation  {self.path} ({size(self.bytes)})"]


def write_docs(home: Home) -> Path:
    """Return the page of the published build, written if it is not there yet.

    Raises UserError where nothing is published, or the build file or the project is not what was published any more,
    and OpcoError with dbt's words where dbt cannot make it.
    """
    shown = shown_file(home.published)
    if shown is None:
        raise UserError(f"There is no published warehouse at {home.warehouse}. Make one with: opco build --raw FOLDER")
    page = page_of(shown)
    if page.exists():
        return page
    settings = load_settings(home)
    built = read_state(home.build / TESTED_FILE)
    if (
        built is None
        or built.build_id != shown.stem
        or built.project != project_stamp()
        or any(built.rules.get(name) != value for name, value in settings.of_the_models().items())
        or what_is_wrong(home.build_file)
    ):
        raise UserError(
            f"The documentation of {shown.stem} is made from the build file, the models and the settings, and they are "
            "not what it was built of any more (a later build, or a change).\nBuild again (opco build), then: opco docs"
        )
    command, environment = dbt_by_hand(home, settings, ["docs", "generate", "--static"])
    done = subprocess.run(
        command, cwd=PROJECT_DIR, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    made = Path(environment["DBT_TARGET_PATH"]) / "static_index.html"
    if done.returncode != 0:
        raise OpcoError(f"dbt could not make the documentation:\n{done.stdout.strip()}\n{done.stderr.strip()}")
    text = made.read_text(encoding="utf-8")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    with written_atomically(page) as temporary:
        temporary.write_text(text.replace("<head>", f"<head>{policy}", 1), encoding="utf-8")
    made.unlink()
    return page
