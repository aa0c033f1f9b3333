"""`opco nightly`: what a night does, at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from opco.build import BuildResult, build_facts, conflict_lines, gone_lines, load_config
from opco.options import AsOfOption, DebugOption, HomeOption, JsonOption, RawOption, app
from opco.running import open_home, run
from opco.terminal import print_result
from orchestration.home.clock import clock
from orchestration.home.settings import home_sources, load_settings
from warehouse.wording import counted, size

NAMED = 20


@app.command(epilog="Examples:  opco nightly   ·   opco nightly --raw /data/lms --wait 120")
def nightly(
    raw: RawOption = None,
    as_of: AsOfOption = None,
    wait: Annotated[
        int, typer.Option(metavar="MINUTES", help="How long to wait for a build that is under way.", min=0)
    ] = 0,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Do at once what a night does: load, build, test, publish, make the default exports, issue attestations.

    The settings of \\[nightly] say which exports, and how many days after a session's end its attestations are issued.
    What fails for one export or session keeps no other from being made, and ends the command with exit code 1.
    """
    from orchestration.runs.resources import WAIT_TAG

    home = open_home(home_folder)
    steps: dict[str, dict[str, Any]] = {"raw_tables": load_config(raw, as_of), "dbt_models": {"as_of": as_of}}
    if home_sources(home):
        # A raw folder that is named comes from elsewhere.
        steps["pull_sources"] = {"skip": raw is not None}
    if as_of is not None:
        day = clock(as_of).astimezone(ZoneInfo(load_settings(home).rules.display_timezone)).date().isoformat()
        steps |= {"nightly_exports": {"today": day}, "nightly_attestations": {"issued_on": day}}
    made = run(
        home,
        "nightly",
        steps,
        tags={WAIT_TAG: str(wait)},
        continue_on_failure=True,
        debug=debug,
    )
    exports, attestations = (made[f"nightly_{name}"]["outcomes"] for name in ("exports", "attestations"))
    result = NightlyResult(**build_facts(home, made), exports=exports, attestations=attestations)
    print_result(result, as_json=as_json)


@dataclass(frozen=True)
class NightlyResult(BuildResult, command="nightly"):
    """What a build did, and what became of each export and session: its name, a state, and why in words."""

    exports: list[dict[str, str]]
    attestations: list[dict[str, str]]

    def lines(self) -> Iterator[str]:
        """Yield what was loaded, built and published, then the exports and sessions."""
        load = self.load
        yield (
            f"Loaded    {counted(load.rows, 'row')} in {counted(load.files, 'file')} ({load.new_files:,} new), "
            f"load {load.number}"
        )
        yield from (f"  warning: {warning}" for warning in load.warnings)
        yield self.built_line()
        yield f"Rejected  {counted(sum(one.count for one in self.rejects if not one.row_kept), 'row')}"
        yield from gone_lines(self.gone)
        yield from conflict_lines(self.conflicting)
        yield f"Published {self.build} ({size(self.bytes)})"
        yield f"Exports   {_counts(self.exports)}"
        yield from (f"  {one['name']}: {one['detail']}" for one in self.exports)
        yield f"Sessions  {_counts(self.attestations)}"
        changed = [one for one in self.attestations if one["state"] != "unchanged"]
        yield from (f"  {one['name']}: {one['detail']}" for one in changed[:NAMED])
        if len(changed) > NAMED:
            yield f"  and {counted(len(changed) - NAMED, 'more session')}"


def _counts(outcomes: list[dict[str, str]]) -> str:
    counts = Counter(one["state"] for one in outcomes)
    return ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items())) or "none due"
