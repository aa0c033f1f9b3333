"""`opco alarms`: what is amiss."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.commands.closing import close
from orchestration.commands.options import DebugOption, HomeOption, JsonOption
from orchestration.commands.running import enter

app = typer.Typer()


@app.command(epilog="Examples:  opco alarms   ·   opco alarms --test   ·   opco alarms --run 4f1c6c0e-…")
def alarms(
    test: Annotated[
        bool, typer.Option("--test", help="Send a trial message to the recipients, to see that it arrives.")
    ] = False,
    run_id: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="RUN_ID", help="Print all that is on record of why this run failed.", show_default=False
        ),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(
            "--service",
            metavar="UNIT",
            help="Send word that this service failed, as systemd's OnFailure= does.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Tell what is amiss now, who is told of it, and which messages wait to be sent.

    Failed runs that no person started, failed checks, loads with many rejects, stale data, and proof of what the LMS
    lost. The sensor `alarms` of opco dagster sends each cause once to the setting alarms.recipients.
    """
    from orchestration.commands.alarms.closing import (
        alarms_closing,
        alarms_lines,
        run_closing,
        run_lines,
        service_closing,
        trial_closing,
    )

    del debug
    # A home whose disk has gone is no reason to be silent: the environment may say all that a message needs.
    place = enter(home, must_exist=service is None)
    if run_id is not None:
        closing = run_closing(place, run_id)
        lines = run_lines(closing)
    else:
        if service is not None:
            closing = service_closing(place, service)
        else:
            closing = trial_closing(place) if test else alarms_closing(place)
        lines = alarms_lines(closing)
    close(closing, lines, as_json=as_json)
