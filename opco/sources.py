"""`opco pull`, `opco check-source`, `opco sources`: what the home's sources have, and taking it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from connectors.delivery import last_reports
from connectors.report import SourceReport
from opco.options import DebugOption, HomeOption, JsonOption, app
from opco.running import open_home, run
from opco.terminal import HomeResult, home_option, print_result, table
from orchestration.home.settings import home_sources
from orchestration.home.sources import SourceState, require_defined, source_of, source_states, sources_folder
from warehouse.errors import UserError

NAME = typer.Argument(metavar="NAME", help="A source: NAME of [sources.NAME] in opco.toml.")


@app.command(epilog="Examples:  opco pull moodle   ·   opco pull --all   ·   opco pull moodle --full --dry-run")
def pull(
    name: Annotated[str | None, NAME] = None,
    *,
    all_sources: Annotated[bool, typer.Option("--all", help="Pull every source of the home.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Forget where the last pull ended: read everything.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be delivered, and deliver nothing.")
    ] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Deliver a source that has no users, though it had some before.")
    ] = False,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Take what is new in a source into a delivery: the raw folder that `opco build` then builds from.

    A delivery appears whole or not at all, with the cursor of the source in it. What the sources delivered before, and
    the archive has, stays.
    """
    if (name is None) != all_sources:
        raise UserError("Name one source, or give --all: opco sources lists those of the home.")
    home = open_home(home_folder)
    require_defined(home_sources(home), [name] if name else [])
    config = {
        "sources": [name] if name else [],
        "full": full,
        "dry_run": dry_run,
        "allow_empty": allow_empty,
    }
    made = run(home, "pull", {"pull_sources": config}, debug=debug)
    pulled = {key.removeprefix("sources/"): one for key, one in made.items()}
    reports = {key: SourceReport.from_json(one["report"]) for key, one in pulled.items()}
    if not dry_run:
        # With the examples, which are in the delivery alone.
        reports = {key: report for key, (_, report) in last_reports(sources_folder(home)).items() if key in pulled}
    delivery = None if dry_run else next(iter(pulled.values()))["delivery"]
    print_result(PullResult(home.folder, delivery, reports), as_json=as_json)


@app.command(name="check-source", epilog="Example:  opco check-source moodle")
def check_source(
    name: Annotated[str, NAME],
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Look at a source: what it has, what a pull would take and leave out, and which settings would change that.

    It only reads. Exit code 1 where something would stop a pull.
    """
    home = open_home(home_folder)
    sources = home_sources(home)
    require_defined(sources, [name])
    report = source_of(name, sources[name]).check(home.folder)
    print_result(CheckSourceResult(home.folder, name, sources[name].kind, report), as_json=as_json)


@app.command(epilog="Example:  opco sources")
def sources(home_folder: HomeOption = None, as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the sources of the home: what they are, when they were pulled last, and how old their last activity is."""
    home = open_home(home_folder)
    print_result(SourcesResult(home.folder, source_states(home, home_sources(home))), as_json=as_json)


@dataclass(frozen=True)
class PullResult(HomeResult, command="pull"):
    """The delivery, None of a dry run, and the report of each source that was pulled."""

    delivery: str | None
    reports: dict[str, SourceReport]

    def facts(self) -> dict[str, Any]:
        """Return the reports as JSON has them."""
        return {"delivery": self.delivery, "reports": {name: one.to_json() for name, one in self.reports.items()}}

    def lines(self) -> Iterator[str]:
        """Yield what each source gave and what was left out, and what can be done next."""
        for name, report in self.reports.items():
            yield f"Source    {name}"
            yield from (f"  {line}" for line in report.lines())
        yield f"Delivered {self.delivery}" if self.delivery else "Nothing was delivered: it was a dry run."
        if self.delivery:
            yield "Next"
            yield f"  opco build{home_option(self.home)}"


@dataclass(frozen=True)
class CheckSourceResult(HomeResult, command="check-source"):
    """What a source has."""

    name: str
    kind: str
    report: SourceReport

    @property
    def ok(self) -> bool:
        """Whether it can be pulled."""
        return self.report.is_sound

    def facts(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        return {"name": self.name, "kind": self.kind, "report": self.report.to_json()}

    def lines(self) -> Iterator[str]:
        """Yield what was found, and whether it can be pulled."""
        yield f"Source    {self.name} ({self.kind})"
        yield from (f"  {line}" for line in self.report.lines())
        yield f"Next      opco pull {self.name}{home_option(self.home)}" if self.ok else "This stops a pull."


@dataclass(frozen=True)
class SourcesResult(HomeResult, command="sources"):
    """The sources of a home."""

    sources: list[SourceState]

    def lines(self) -> Iterator[str]:
        """Yield one line a source."""
        if not self.sources:
            yield "No source is set. Define one in opco.toml: docs/sources.md says how."
            return
        rows = [
            (
                one.name,
                one.kind,
                _instant(one.pulled_at),
                f"{one.rows:,}" if one.rows is not None else "",
                _instant(one.last_activity) + _age(one.last_activity),
            )
            for one in self.sources
        ]
        yield from table([("source", "kind", "last pull", "rows", "last activity"), *rows], right={3})


def _instant(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "never"


def _age(at: datetime | None) -> str:
    days = (datetime.now(UTC) - at).days if at else 0
    return f" ({days} days ago)" if days > 1 else ""
