"""`opco init`: the few questions whose answers make a home with a source."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.report import SourceReport
from connectors.settings import variable_of_secret
from opco.options import DebugOption, HomeOption, JsonOption, app
from opco.running import open_home
from opco.terminal import HomeResult, home_option, print_result
from orchestration.home.sources import read_sources, source_of
from warehouse.errors import OpcoError, UserError
from warehouse.files import written_atomically

# What is asked of each kind: the key, the question, an answer that fits most.
QUESTIONS: dict[str, tuple[tuple[str, str, str | None], ...]] = {
    "moodle": (
        (
            "database",
            "Address of Moodle's database, such as postgresql://opco@db.example.fr/moodle",
            None,
        ),
        ("sessions", "What a program session is: course, group or cohort", "course"),
    ),
    "360learning": (
        ("folder", "Folder of the exports, relative to the home", "imports/360learning"),
        ("client_id", "Id of the API's credentials; empty for the exports alone", ""),
        ("region", "Where the platform is, of the API: eu (app.360learning.com) or us (app.us.360learning.com)", "eu"),
    ),
    "moodle-log": (("folder", "Folder of the downloads, relative to the home", "imports/moodle"),),
    "virtual-classes": (("folder", "Folder of the attendance reports, relative to the home", "imports/classes"),),
    "xapi": (
        ("endpoint", "Address of the LRS, such as https://lrs.example.fr/xapi; empty for files of statements", ""),
        ("username", "User, or key, that the LRS knows; empty for files", ""),
        (
            "session",
            "Where a statement has its session: parent, grouping, registration, or the IRI of an extension",
            "parent",
        ),
    ),
}
NEEDED = {"region": "client_id"}
"""Keys that are asked for where another one before them has an answer."""
HEAD = "# Settings of this home; docs/settings.md explains them, opco settings shows them with their values.\n"


@app.command(
    epilog="Examples:  opco init --home ~/opco   ·   opco init moodle --database mysql://opco@db/moodle --home ~/opco"
)
def init(
    kind: Annotated[
        str | None, typer.Argument(metavar="KIND", help=f"What the source is: {', '.join(QUESTIONS)}.")
    ] = None,
    *,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the source in opco.toml. Default: its kind.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="Of moodle: the address of its database, without the password.")
    ] = None,
    sessions: Annotated[
        str | None, typer.Option(metavar="course/group/cohort", help="Of moodle: what a program session is.")
    ] = None,
    folder: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Of files: their folder, relative to the home.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="Of xapi: the address of the LRS; without it, files are read.")
    ] = None,
    username: Annotated[
        str | None, typer.Option(metavar="USER", help="Of xapi: the user, or key, that the LRS knows.")
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="PLACE", help="Of xapi: where a statement has its session.")
    ] = None,
    client_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Of 360learning: the id of the API's credentials; without it, files are read."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="eu/us", help="Of 360learning's API: where the platform is.")
    ] = None,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Set up a source: ask the few questions, write the answers into opco.toml, and check the source.

    A home that does not exist is made. What opco.toml holds stays; a source that it has already is not changed. What is
    not given as an option is asked for on a terminal.
    """
    if home_folder is not None:
        home_folder.expanduser().mkdir(parents=True, exist_ok=True)
    home = open_home(home_folder)
    kind = kind or _ask("What the source is: " + ", ".join(QUESTIONS), "moodle-log", "KIND")
    if kind not in QUESTIONS:
        raise UserError(f"{kind!r} is no kind of source. Known: {', '.join(QUESTIONS)}.")
    name = name or kind
    given = {
        "database": database,
        "sessions": sessions,
        "folder": folder,
        "endpoint": endpoint,
        "username": username,
        "session": session,
        "client_id": client_id,
        "region": region,
    }
    asked = [key for key, *_ in QUESTIONS[kind]]
    if unfit := [key for key, value in given.items() if value is not None and key not in asked]:
        raise UserError(f"A source of the kind {kind} has no {unfit[0]}. It has: {', '.join(asked)}.")
    before = home.settings_file.read_text(encoding="utf-8") if home.settings_file.exists() else HEAD
    if name in tomllib.loads(before).get("sources", {}):
        raise UserError(
            f"{home.settings_file} has a source [sources.{name}] already; it was not changed.\n"
            "Edit it there, or name another one: --name NAME"
        )
    answers: dict[str, str] = {}
    for key, question, usual in QUESTIONS[kind]:
        if (needed := NEEDED.get(key)) and not answers[needed]:
            if given[key]:
                raise UserError(f"--{key} is of no use without --{needed.replace('_', '-')}.")
            continue
        answers[key] = given[key] or _ask(question, usual, f"--{key.replace('_', '-')}")
    table = {**({} if name == kind else {"kind": kind}), **{key: answer for key, answer in answers.items() if answer}}
    (settings,) = read_sources(home.settings_file, {name: table}).values()
    lines = [f"[sources.{name}]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items())]
    with written_atomically(home.settings_file) as temporary:
        temporary.write_text(before.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    if (kept := getattr(settings, "folder", None)) and not answers.get("endpoint"):
        (home.folder / kept).mkdir(parents=True, exist_ok=True)
    report, fault = None, None
    try:
        report = source_of(name, settings).check(home.folder)
    except OpcoError as error:
        fault = str(error)
    secrets = tuple(variable_of_secret(name, secret) for secret in settings.wanted_secrets())
    print_result(InitResult(home.folder, home.settings_file, name, secrets, report, fault), as_json=as_json)


@dataclass(frozen=True)
class InitResult(HomeResult, command="init"):
    """The source that was set up, the variables that its secrets come from, and what it has, or why it has not."""

    settings_file: Path
    name: str
    secrets: tuple[str, ...]
    report: SourceReport | None
    fault: str | None

    def facts(self) -> dict[str, Any]:
        """Return them, with the report as JSON has it."""
        return {
            "settings_file": self.settings_file,
            "name": self.name,
            "secrets": self.secrets,
            "report": self.report.to_json() if self.report else None,
            "fault": self.fault,
        }

    def lines(self) -> Iterator[str]:
        """Yield what was written, what the source has, and what comes next."""
        yield f"Written   [sources.{self.name}] in {self.settings_file}"
        yield from (f"  {line}" for line in (self.report.lines() if self.report else ()))
        home = home_option(self.home)
        yield "Next"
        if self.fault or not (self.report and self.report.is_sound):
            yield from (f"  {line}" for line in (self.fault or "").splitlines())
            yield from (f"  set {variable}" for variable in self.secrets)
            yield f"  opco check-source {self.name}{home}"
        yield f"  opco pull {self.name}{home}"
        yield f"  opco build{home}"
        yield f"  opco export{home}"


def _ask(question: str, usual: str | None, option: str) -> str:
    """Return the answer of somebody at a terminal. Raises UserError where there is none."""
    if not sys.stdin.isatty():
        if usual is not None and option != "KIND":
            return usual
        raise UserError(f"Nobody can be asked here: give {option}. ({question})")
    return str(typer.prompt(question, default=usual))
