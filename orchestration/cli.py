"""`opco`: the application, and how errors are told. Each command stands in a folder of `orchestration/commands`.

It starts fast: the modules that say what can be asked import what is done only when it is asked for.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from orchestration.commands.alarms import command as alarms
from orchestration.commands.attest import command as attest
from orchestration.commands.build import command as build
from orchestration.commands.clean import command as clean
from orchestration.commands.export import command as export
from orchestration.commands.forget import command as forget
from orchestration.commands.issued import command as issued
from orchestration.commands.nightly import command as nightly
from orchestration.commands.published import command as published
from orchestration.commands.services import command as services
from orchestration.commands.settings import command as settings
from orchestration.commands.why import command as why
from orchestration.terminal import print_error, print_json, print_lines
from warehouse.errors import OpcoError

app = typer.Typer(
    name="opco",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Proof of distance training: raw tables of an LMS in; OPCO export, attestations and a DuckDB file out.",
    epilog="In this order: opco build --raw FOLDER, then opco export, then opco attest SESSION_ID.",
)

# What a shell reports of a program that Ctrl-C ended.
INTERRUPTED = 130
INTERRUPTION = "Interrupted: nothing was published or issued.\nRun the command again; it goes on where it can."


@app.callback(invoke_without_command=True)
def opco(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    """Print the version, or the help where no command is given."""
    if show_version:
        print_lines([f"opco {version('opco-warehouse')}"])
        raise typer.Exit
    if context.invoked_subcommand is None:
        print_lines([context.get_help()])
        raise typer.Exit


# In the order in which --help lists them.
for room in (build, published, export, attest, nightly, issued, why, alarms, forget, clean, settings, services):
    app.add_typer(room.app)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code: 0, 2 for a mistake of the user, 1 for a failure."""
    stderr = sys.stderr
    try:
        return _run_command(arguments)
    finally:
        # The settings may have had its lines made JSON.
        sys.stderr = stderr


def _run_command(arguments: list[str]) -> int:
    try:
        code = app(arguments, standalone_mode=False, prog_name="opco")
    except (OpcoError, typer.TyperException, typer.Abort, OSError) as error:
        return _said(arguments, error, _message(error), getattr(error, "exit_code", 1))
    except Exception as error:
        message = f"Something that was not foreseen went wrong: {type(error).__name__}: {error}\n"
        return _said(arguments, error, message + "Run the command again with --debug to see where.", 1)
    except BaseException as error:
        # Dagster raises an exception of its own for Ctrl-C and SIGTERM.
        if not isinstance(error, KeyboardInterrupt) and "Interrupted" not in type(error).__name__:
            raise
        return _said(arguments, error, INTERRUPTION, INTERRUPTED)
    if code == INTERRUPTED:
        # Ctrl-C outside of a run: Typer has made an exit code of it.
        return _said(arguments, KeyboardInterrupt(), INTERRUPTION, INTERRUPTED)
    return code if isinstance(code, int) else 0


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def _message(error: BaseException) -> str:
    if isinstance(error, typer.TyperException):
        return f"{error.format_message()}\nopco --help, and --help after a command, tell what can be asked."
    return str(error)


def _said(arguments: list[str], error: BaseException, message: str, exit_code: int) -> int:
    from orchestration.home import HOME_VARIABLE
    from orchestration.room import want_of_room

    home = Path(os.environ.get(HOME_VARIABLE, "."))
    message = (want_of_room(error, home) if exit_code == 1 and home.is_dir() else None) or message
    if "--debug" in arguments:
        traceback.print_exception(error)
    print_error(message)
    if "--json" in arguments:
        print_json({"ok": False, "error": message, "exit_code": exit_code})
    return exit_code


if __name__ == "__main__":
    main()
