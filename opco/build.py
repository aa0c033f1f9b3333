"""`opco build`, `opco rebuild`: from a raw folder, or the archive alone, to the published warehouse."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from opco.options import AsOfOption, DebugOption, HomeOption, JsonOption, RawOption, app, field_option
from opco.running import open_home, run
from opco.terminal import HomeResult, home_option, print_result
from orchestration.home.clock import clock
from orchestration.home.paths import Home
from orchestration.home.sections.building import BuildSettings
from orchestration.home.settings import load_settings
from orchestration.home.sources import raw_folder_of
from warehouse.archive import read_manifest, require_loadable
from warehouse.build_file import GoneRows, Rejects
from warehouse.wording import counted, size

DAYS_SHOWN = 12
EngineOption = Annotated[
    Literal["duckdb", "spark"] | None,
    field_option(BuildSettings, "engine", "Default: the setting build.engine.", "--engine"),
]


@app.command(
    epilog="Examples:  opco build --raw /data/lms   ·   opco build --raw demo/raw --as-of 2026-11-10T06:00:00Z"
)
def build(
    raw: RawOption = None,
    as_of: AsOfOption = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Rebuild everything from the archive, with the same result.")
    ] = False,
    engine: EngineOption = None,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Load a raw folder, compute, test and publish the warehouse.

    Builds are incremental: only what is new or changed is read, only the learners that it affects are rebuilt, and what
    rests on nothing that changed is left as it is. What is published changes only when every test has passed; a build
    that stops leaves it as it was.
    """
    home = open_home(home_folder)
    clock(as_of)
    settings = load_settings(home)
    if folder := raw_folder_of(home, raw.expanduser().resolve() if raw else settings.build.raw_folder):
        require_loadable(folder, home.archive, settings.raw.reading())
    made = run(
        home,
        "build",
        {
            "raw_tables": load_config(raw, as_of),
            "dbt_models": {"as_of": as_of, "full_refresh": full_refresh, "engine": engine},
        },
        debug=debug,
    )
    print_result(BuildResult(**build_facts(home, made)), as_json=as_json)


@app.command(epilog="Example:  opco rebuild")
def rebuild(
    as_of: AsOfOption = None,
    engine: EngineOption = None,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Rebuild everything from the archive, test and publish it. Nothing is loaded.

    For a damaged build file or published file, and after an upgrade: the archive holds every accepted delivery, so
    losing the rest loses nothing.
    """
    home = open_home(home_folder)
    clock(as_of)
    config = {"dbt_models": {"as_of": as_of, "full_refresh": True, "engine": engine}}
    made = run(home, "rebuild", config, debug=debug)
    print_result(RebuildResult(**build_facts(home, made)), as_json=as_json)


@dataclass(frozen=True)
class LoadFacts:
    """The last load: how many rows and files it brought, and of which tables. A rebuild loads nothing."""

    number: int
    raw_folder: str
    files: int
    new_files: int
    rows: int
    tables: dict[str, int]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class BuildResult(HomeResult, command="build"):
    """What was loaded, computed, rejected and published."""

    load: LoadFacts
    full_refresh_reason: str | None
    nodes_left: int
    learners_rebuilt: int
    rejects: list[Rejects]
    gone: list[GoneRows]
    conflicting: dict[str, int]
    warehouse: str
    build: str
    builds_removed: list[str]
    bytes: int
    sha256: str
    row_counts: dict[str, int]

    def lines(self) -> Iterator[str]:
        """Yield what was loaded, built, rejected and published, and what can be done next."""
        yield from self.loaded_lines()
        yield self.built_line()
        yield rejected_line(self.rejects)
        for one in self.rejects:
            yield f"  {one.count:>9,}  {one.table_name}: {one.reason}{' (row kept)' if one.row_kept else ''}"
        if self.rejects:
            yield "  Each with its file and line is in the table rejected_rows; opco why explains any row."
        yield from gone_lines(self.gone)
        yield from conflict_lines(self.conflicting)
        yield f"Published {counted(len(self.row_counts), 'table')}, {size(self.bytes)}"
        yield from (f"  {count:>9,}  {table}" for table, count in sorted(self.row_counts.items()))
        home = home_option(self.home)
        yield f"Warehouse {self.warehouse}"
        yield "Next"
        yield f"  opco export{home}"
        yield f"  opco attest SESSION_ID{home}"
        yield f"  duckdb -readonly {shlex.quote(self.warehouse)}"

    def loaded_lines(self) -> Iterator[str]:
        """Yield what the load brought."""
        load = self.load
        yield (
            f"Loaded    {counted(load.rows, 'row')} of {counted(len(load.tables), 'table')} in "
            f"{counted(load.files, 'file')} ({load.new_files:,} new), load {load.number}"
        )
        yield f"          from {load.raw_folder}"
        yield from (f"  warning: {warning}" for warning in load.warnings)

    def built_line(self) -> str:
        """Return whether the build was incremental, or why it was a full refresh."""
        if self.full_refresh_reason:
            return f"Built     everything (full refresh): {self.full_refresh_reason}"
        line = f"Built     incrementally: {counted(self.learners_rebuilt, 'learner')} rebuilt"
        if self.nodes_left:
            line += f"; {counted(self.nodes_left, 'model or test', 'models and tests')} left as they were"
        return line


class RebuildResult(BuildResult, command="rebuild"):
    """What was computed, rejected and published of the archive."""

    def loaded_lines(self) -> Iterator[str]:
        """Yield what the archive holds."""
        yield f"Archive   of {counted(self.load.number, 'load')}; the last one from {self.load.raw_folder}"


def load_config(raw: Path | None, as_of: str | None) -> dict[str, Any]:
    """Return the configuration of a load of the raw folder `raw`, None for that of the settings."""
    return {"raw_folder": str(raw.expanduser().resolve()) if raw else None, "as_of": as_of}


def build_facts(home: Home, made: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields of a BuildResult from the metadata of a build's assets, by asset key."""
    load = read_manifest(home.archive).loads[-1]
    tables = {key.removeprefix("raw/"): one for key, one in made.items() if key.startswith("raw/")}
    published = made["published_warehouse"]
    return {
        "home": home.folder,
        "load": LoadFacts(
            number=load.load_number,
            raw_folder=load.raw_folder,
            files=sum(table["files"] for table in tables.values()),
            new_files=sum(table["new_files"] for table in tables.values()),
            rows=sum(table["dagster/row_count"] for table in tables.values()),
            tables={name: table["dagster/row_count"] for name, table in tables.items() if table["files"]},
            warnings=load.warnings,
        ),
        "full_refresh_reason": published["full_refresh_reason"] or None,
        "rejects": [Rejects(**one) for one in published["rejects"]],
        "gone": [GoneRows(**one) for one in published["gone"]],
        "warehouse": published["link"],
        "build": published["path"],
        **{
            name: published[name]
            for name in (
                *("nodes_left", "learners_rebuilt", "conflicting", "builds_removed"),
                *("bytes", "sha256", "row_counts"),
            )
        },
    }


def rejected_line(rejects: Sequence[Rejects]) -> str:
    """Return how many rows a build rejected, and how many cells it nulled."""
    counts = {kept: sum(one.count for one in rejects if one.row_kept is kept) for kept in (False, True)}
    return f"Rejected  {counted(counts[False], 'row')}; cells nulled in kept rows: {counts[True]:,}"


def gone_lines(gone: Sequence[GoneRows]) -> Iterator[str]:
    """Yield what there is to say of rows that are delivered no more: how many, of which days."""
    for is_kept, first in (
        (True, "Gone      {} that no file holds any more; kept as last delivered"),
        (False, "Lost      {} whose ids say something else now, which no delivered row says any more"),
    ):
        if these := [one for one in gone if one.is_kept is is_kept]:
            yield first.format(counted(sum(one.count for one in these), "row"))
            yield from map(_gone_line, these)
    if gone:
        yield "  Each is in the table gone_rows; opco why explains any row."


def _gone_line(gone: GoneRows) -> str:
    days = ", ".join(f"{day or 'no date'} ({count:,})" for day, count in gone.days[:DAYS_SHOWN])
    rest = len(gone.days) - DAYS_SHOWN
    more = f" and {counted(rest, 'more day')}" if rest > 0 else ""
    return f"  {gone.count:>9,}  {gone.table_name}, load {gone.load_number}: {days}{more}"


def conflict_lines(conflicting: Mapping[str, int]) -> Iterator[str]:
    """Yield the warnings of rows that say something else than another row of their key, by table."""
    for table, count in conflicting.items():
        yield (
            f"  warning: {table}: {counted(count, 'row')} with the key of another that says something else "
            "(conflicting); opco why shows both"
        )
