"""`opco build`, `opco rebuild`: from a raw folder, or the archive alone, to the published warehouse."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.commands.closing import close
from orchestration.commands.options import DebugOption, HomeOption, JsonOption, RawOption
from orchestration.commands.running import definitions_of, enter, run

app = typer.Typer()


@app.command(
    epilog="Examples:  opco build --raw /data/lms   ·   opco build --raw demo/raw --as-of 2026-11-10T06:00:00Z"
)
def build(
    raw: RawOption = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="INSTANT",
            help="The clock of the load and the build, for rebuilds that can be repeated. Default: now.",
            show_default=False,
        ),
    ] = None,
    full_refresh: Annotated[
        bool,
        typer.Option("--full-refresh", help="Make everything again from the archive, with the same result."),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Load a raw folder, compute, test and publish the warehouse.

    A build goes on from the last one: only what is new or changed is read, only learners that it touches are made
    anew. What is published changes only when every test has passed; a build that stops leaves it as it was.
    """
    from orchestration.clock import clock
    from orchestration.commands.build.closing import build_closing, build_lines

    place = enter(home)
    clock(as_of)
    load = {"raw_folder": str(raw.expanduser().resolve()) if raw else None, "as_of": as_of}
    made = run(
        place,
        lambda: definitions_of("raw", "warehouse"),
        "build",
        {"raw_tables": load, "dbt_models": {"as_of": as_of, "full_refresh": full_refresh}},
        debug=debug,
    )
    closing = build_closing(place, made)
    close(closing, build_lines(closing), as_json=as_json)


@app.command(epilog="Example:  opco rebuild")
def rebuild(
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="INSTANT",
            help="The clock of the build, for rebuilds that can be repeated. Default: now.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make everything again from the archive, test and publish it. Nothing is loaded.

    For a damaged build file or published file, and after an upgrade: the archive holds every accepted delivery, so
    losing the rest loses nothing.
    """
    from orchestration.clock import clock
    from orchestration.commands.build.closing import build_closing, build_lines

    place = enter(home)
    clock(as_of)
    made = run(
        place,
        lambda: definitions_of("warehouse"),
        "rebuild",
        {"dbt_models": {"as_of": as_of, "full_refresh": True}},
        debug=debug,
    )
    closing = build_closing(place, made, "rebuild")
    close(closing, build_lines(closing), as_json=as_json)
