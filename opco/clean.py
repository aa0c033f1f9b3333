"""`opco clean`: what the home may lose without losing anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opco.options import DebugOption, HomeOption, JsonOption, app
from opco.running import open_home
from opco.terminal import HomeResult, TerminalProgress, print_result
from orchestration.home.clock import calendar_day
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from warehouse.wording import counted, size

if TYPE_CHECKING:
    from orchestration.defs.cleaning.cleaning import Cleaned

TITLES = {
    "builds": ("earlier published build", "earlier published builds"),
    "exports": ("export file past its retention", "export files past their retention"),
    "deliveries": ("copy behind a link that has expired", "copies behind links that have expired"),
    "leftovers": ("file that a killed process left", "files that killed processes left"),
    "orders": (
        "record of what was asked for on a page, past its retention",
        "records of what was asked for on pages, past their retention",
    ),
    "audit": ("line of the audit log past its retention", "lines of the audit log past their retention"),
    "uploads": ("image that was sent and nothing names", "images that were sent and nothing names"),
    "runs": ("record of a run past its retention", "records of runs past their retention"),
    "archive": ("superseded version in the archive", "superseded versions in the archive"),
    "attestations": ("superseded issue: its documents", "superseded issues: their documents"),
}


@app.command(epilog="Examples:  opco clean --dry-run   ·   opco clean --issues-of S-2026-MGMT-09")
def clean(
    superseded_before: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Of the archive too: earlier versions of files that nothing rests on, last delivered before this day.",
        ),
    ] = None,
    issues_of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SESSION_ID",
            help="Of the documents too: those of this session's superseded issues, of every kind. Repeatable.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, with its size, and change nothing.")
    ] = False,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Remove earlier builds, exports past their retention, expired copies, leftovers, and old records of runs.

    The archive and what was issued lose nothing unless they are named, and then nothing that a build reads or that
    is in force; what went stays on record. The retentions are the settings of \\[cleaning].
    """
    home, progress = open_home(home_folder), TerminalProgress()
    day = calendar_day(superseded_before, "--superseded-before")
    with progress.shown():
        progress.stage("Starting", 1, "loading Dagster")
        from orchestration.defs.cleaning.cleaning import Named
        from orchestration.defs.cleaning.cleaning import clean as clean_home
        from orchestration.runs.jobs import open_instance

        progress.step()
        cleaned = clean_home(
            home,
            load_settings(home).cleaning,
            records=open_instance(home),
            now=datetime.now(UTC),
            progress=progress,
            named=Named(datetime.combine(day, time(), UTC) if day else None, tuple(issues_of or ())),
            dry_run=dry_run,
        )
    print_result(CleanResult(home.folder, cleaned), as_json=as_json)


@dataclass(frozen=True)
class CleanResult(HomeResult, command="clean"):
    """What went, or would go, and what is kept."""

    cleaned: Cleaned

    def facts(self) -> dict[str, Any]:
        """Return the home, and what went and what is kept beside it."""
        return {"home": self.home, **asdict(self.cleaned)}

    def lines(self) -> Iterator[str]:
        """Yield what went, by kind, and what each folder of `var` holds now."""
        cleaned = self.cleaned
        yield f"{'Would free' if cleaned.dry_run else 'Freed'} {size(cleaned.bytes)}"
        for kind, one in cleaned.cleaned.items():
            yield f"  {size(one.bytes):>9}  {counted(one.count, *TITLES[kind])}"
            if cleaned.dry_run:
                yield from (f"             {name}" for name in one.names)
        if cleaned.compacted_bytes:
            yield f"  {size(cleaned.compacted_bytes):>9}  Dagster's files, made smaller"
        yield f"{'Now on the disk' if cleaned.dry_run else 'Kept'} {size(sum(cleaned.kept.values()))}"
        home = Home(self.home)
        for name, count in cleaned.kept.items():
            if count:
                yield f"  {size(count):>9}  {getattr(home, name).relative_to(self.home)}"
        if cleaned.dry_run:
            yield "Nothing was changed."
