"""`opco`: the application, and how its errors are printed. Each command is a module of this folder."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from opco import options
from opco.terminal import lasting_streams, print_error, print_json, print_lines, restart_in_utf8
from orchestration.home.disk_space import explain_full_disk
from orchestration.home.paths import HOME_VARIABLE
from orchestration.runs.loading import loading
from warehouse.errors import OpcoError, UserError

app = options.app

# Commands that had another name before, with the one they have now.
RENAMED = {"alarms": "alerts"}
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


# As --help lists them, by what somebody wants to do; each with the module of this folder that holds it.
GROUPS = {
    "From a raw folder to the documents": {
        "init": "init",
        "check-source": "sources",
        "pull": "sources",
        "check": "check",
        "build": "build",
        "sessions": "sessions",
        "export": "export",
        "attest": "attest",
        "preflight": "documents",
        "document": "attest",
        "sign-off": "documents",
    },
    "What is there, and where it comes from": {
        "status": "status",
        "sources": "sources",
        "issues": "issues",
        "verify": "issues",
        "why": "why",
        "what-if": "what_if",
        "settings": "settings",
        "docs": "docs",
        "dbt": "dbt",
    },
    "Pages and services": {
        "serve": "services",
        "sign-in-link": "services",
        "mcp": "mcp",
        "runs": "runs",
        "dagster": "services",
        "health": "services",
        "nightly": "nightly",
        "alerts": "alerts",
    },
    "Going back, and taking out": {
        "rollback": "status",
        "rebuild": "build",
        "clean": "clean",
        "forget": "forget",
    },
}
MODULES = {command: module for commands in GROUPS.values() for command, module in commands.items()}


def load_commands(*commands: str) -> None:
    """Import the modules of these commands, or of all where none is given; each adds its commands to `app`.

    What the others need is half a second that a person would wait for.
    """
    for command in commands or MODULES:
        import_module(f"opco.{MODULES[command]}")
    groups = {command: group for group, listed in GROUPS.items() for command in listed}
    order = list(groups)
    names = {id(one): one.name or one.callback.__name__.replace("_", "-") for one in app.registered_commands}  # type: ignore[union-attr]
    app.registered_commands.sort(key=lambda one: order.index(names[id(one)]))
    for one in app.registered_commands:
        one.rich_help_panel = groups[names[id(one)]]


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code: 0, 2 for a mistake of the user, 1 for a failure."""
    stderr = sys.stderr
    try:
        return _run_command(arguments)
    finally:
        # The settings may have had its lines made JSON.
        sys.stderr = stderr


def _run_command(arguments: list[str]) -> int:
    if arguments and (now := RENAMED.get(arguments[0])):
        message = f"The command opco {arguments[0]} has another name now: opco {now}"
        return _failed(arguments, UserError(message), message, UserError.exit_code)
    try:
        with loading():
            load_commands(*(one for one in arguments[:1] if one in MODULES))
        code = app(arguments, standalone_mode=False, prog_name="opco")
    except (OpcoError, typer.TyperException, typer.Abort, OSError) as error:
        return _failed(arguments, error, _message(error), getattr(error, "exit_code", 1))
    except Exception as error:
        message = f"Something that was not foreseen went wrong: {type(error).__name__}: {error}\n"
        return _failed(arguments, error, message + "Run the command again with --debug to see where.", 1)
    except BaseException as error:
        # Dagster raises an exception of its own for Ctrl-C and SIGTERM.
        if not isinstance(error, KeyboardInterrupt) and "Interrupted" not in type(error).__name__:
            raise
        return _failed(arguments, error, INTERRUPTION, INTERRUPTED)
    if code == INTERRUPTED:
        # Ctrl-C outside of a run: Typer has made an exit code of it.
        return _failed(arguments, KeyboardInterrupt(), INTERRUPTION, INTERRUPTED)
    return code if isinstance(code, int) else 0


def main() -> None:
    """The console script."""
    restart_in_utf8()
    # The console script does not look for modules in the folder in which it is called; nor does Python that it starts.
    os.environ["PYTHONSAFEPATH"] = "1"
    # What Dagster and dbt keep stays to the end, and is not searched for rubbish again and again: a tenth of a build.
    gc.set_threshold(100_000, 50, 100)
    if find_spec("pandas") is None:
        # DuckDB looks for it with each value that a query is given, and again where there is none: a tenth of a page.
        sys.modules["pandas"] = None  # type: ignore[assignment]
    with lasting_streams():
        code = run(sys.argv[1:])
    # Nor is it at the end, where Python looks through all of it twice before it goes: half a second.
    gc.freeze()
    sys.exit(code)


def _message(error: BaseException) -> str:
    if isinstance(error, typer.TyperException):
        return f"{error.format_message()}\nopco --help, and --help after a command, list what there is."
    return str(error)


def _failed(arguments: list[str], error: BaseException, message: str, exit_code: int) -> int:
    """Print an error, and return the exit code."""
    home = Path(os.environ.get(HOME_VARIABLE, "."))
    message = (explain_full_disk(error, home) if exit_code == 1 and home.is_dir() else None) or message
    if "--debug" in arguments:
        traceback.print_exception(error)
    print_error(message)
    if "--json" in arguments:
        print_json({"ok": False, "error": message, "exit_code": exit_code})
    return exit_code


if __name__ == "__main__":
    main()
