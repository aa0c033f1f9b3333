"""`opco serve`, `opco dagster`, `opco health`: what runs until it is told to end."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from orchestration.commands.closing import close
from orchestration.commands.options import DebugOption, HomeOption, JsonOption
from orchestration.commands.running import enter
from orchestration.terminal import print_json
from warehouse.errors import UserError

DagsterPart = Literal["webserver", "daemon"]
Service = Literal["webserver", "daemon", "serve"]

app = typer.Typer()


@app.command(epilog="Example:  OPCO_PORTAL__SECRET=… opco serve --port 8000")
def serve(
    port: Annotated[int, typer.Option(metavar="PORT", help="Port of the web server.", min=1, max=65535)] = 8000,
    host: Annotated[str, typer.Option(metavar="HOST", help="Address to listen on.")] = "127.0.0.1",
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Serve the instructors' pages and the links that were sent by e-mail, under portal.base_url, until Ctrl-C.

    Needs the variable OPCO_PORTAL__SECRET, the one that signed the links. Put a server with TLS before it.
    """
    from orchestration.settings import load_settings
    from portal.server import serve as answer

    place = enter(home)
    said = load_settings(place)
    if said.portal.secret is None or said.portal.base_url is None:
        raise UserError(
            "opco serve needs the setting portal.base_url and the variable OPCO_PORTAL__SECRET.\n"
            "A new secret: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    if as_json:
        print_json({"command": "serve", "ok": True, "home": str(place.folder), "url": f"http://{host}:{port}"})
    answer(place, said, host=host, port=port, debug=debug)


@app.command(epilog="Example:  opco dagster --port 3001")
def dagster(
    port: Annotated[int, typer.Option(metavar="PORT", help="Port of the web server.", min=1, max=65535)] = 3000,
    host: Annotated[str, typer.Option(metavar="HOST", help="Address to listen on.")] = "127.0.0.1",
    only: Annotated[
        DagsterPart | None,
        typer.Option(help="Run this one alone, each as a service of its own. Default: both.", show_default=False),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Open Dagster's web server on this home: the same assets, runs and files, with a launchpad; and its daemon.

    Ends with Ctrl-C. Anyone who reaches the address can start runs: keep it on this machine or behind a proxy. The
    daemon starts what schedules and sensors ask for, and sends the alarms.
    """
    from orchestration.commands.services.webserver import serve

    place = enter(home)
    if as_json:
        print_json({"command": "dagster", "ok": True, "home": str(place.folder), "url": f"http://{host}:{port}"})
    raise typer.Exit(serve(place, only=only, host=host, port=port, debug=debug))


@app.command(epilog="Examples:  opco health webserver   ·   opco health daemon   ·   opco health serve --url http://…")
def health(
    service: Annotated[Service, typer.Argument(help="The service that is asked.", show_default=False)],
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address of the web server. Default: http://127.0.0.1:3000, or :8000 with the path of "
            "portal.base_url for serve.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Tell whether a service of this home is well; exit code 1 where it is not.

    A web server is well when it answers; the daemon, when each of its parts showed itself in the last five minutes.
    """
    from orchestration.commands.services.health import health_of

    del debug
    closing = health_of(enter(home), service, url)
    close(closing, [closing["said"]], as_json=as_json)
