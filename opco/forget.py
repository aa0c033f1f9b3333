"""`opco forget`: a learner's personal data leaves the home."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opco.options import DebugOption, HomeOption, JsonOption, app
from opco.running import at_work, open_home
from opco.terminal import HomeResult, print_result
from orchestration.home.settings import load_settings
from portal.identity.store import FILE, forget_addresses
from warehouse.errors import UserError
from warehouse.wording import counted

if TYPE_CHECKING:
    from orchestration.defs.cleaning.forgetting import Forgetting


@app.command(epilog="Example:  opco forget u-1004 --reason 'asked by letter of 2 March' --dry-run")
def forget(
    user_id: Annotated[str, typer.Argument(metavar="USER_ID", help="The learner, by id.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the record; without the learner's name.")],
    override: Annotated[
        bool, typer.Option("--override", help="Although the proof must still be kept (forgetting.retention_years).")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what holds the data, and change nothing.")] = False,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Take a learner's personal data out of the home: name, e-mail, custom fields, labels. Times stay under the id.

    Archive, build and published file are rebuilt without it, earlier published builds go, later deliveries bring
    nothing back. Export files and attestations that hold it are listed: they are for a person to decide about.
    """
    home = open_home(home_folder)
    if not reason.strip():
        raise UserError("--reason is empty: the record has to say why.")
    years = load_settings(home).forgetting.retention_years
    with at_work(home, debug=debug) as (instance, progress):
        from orchestration.defs.cleaning import forgetting
        from orchestration.runs.jobs import run_job

        def rebuild() -> str:
            config = {"dbt_models": {"full_refresh": True}}
            progress.stage("Starting the build", 1, "reading the project")
            made = run_job(home, "rebuild", config, instance=instance, progress=progress, debug=debug)
            return Path(made["published_warehouse"]["path"]).stem

        progress.step()
        done = forgetting.forget(
            home,
            forgetting.Request(user_id, reason.strip(), override, years, datetime.now(UTC)),
            instance=instance,
            progress=progress,
            build_again=rebuild,
            end_sign_ins=partial(forget_addresses, home.portal / FILE),
            dry_run=dry_run,
        )
    print_result(ForgetResult(home.folder, done), as_json=as_json)


@dataclass(frozen=True)
class ForgetResult(HomeResult, command="forget"):
    """What was forgotten, or would be, and what is left for a person to decide."""

    done: Forgetting

    def facts(self) -> dict[str, Any]:
        """Return the record without the files of the archive, of which rows are counted by table."""
        done, left = self.done, self.done.left
        record = asdict(done.record)
        del record["rewritten"]
        return {
            "home": self.home,
            "dry_run": done.dry_run,
            "was_done": done.was_done,
            **record,
            "archive_files": done.archive_files,
            "archive_rows": done.archive_rows,
            "left": None
            if left is None
            else [{"file": one.path, "place": one.place, "rows": one.rows} for one in left],
        }

    def lines(self) -> Iterator[str]:
        """Yield what went, by place, what is for a person to decide about, and what else holds the data."""
        done, record, would = self.done, self.done.record, self.done.dry_run
        if done.was_done:
            yield f"{record.user_id} was forgotten on {(record.completed_at or '')[:10]} ({record.reason})."
            return
        rows = ", ".join(f"{count:,} of {name}" for name, count in done.archive_rows.items()) or "no row"
        yield f"{'Would forget' if would else 'Forgotten'} {record.user_id}: {record.reason}"
        yield f"Archive   {rows}, in {counted(done.archive_files, 'file')}"
        if record.is_overridden:
            yield f"  warning: the proof was to be kept until {(record.retained_until or '')[:10]} (--override)"
        if not would:
            yield f"Published build {record.build_id}; {counted(len(record.removed_builds), 'earlier build')} removed"
        yield f"Dagster   {counted(record.removed_runs, 'run')} whose records held the data"
        for title, names in (
            (("export file with the data", "export files with the data"), record.exports),
            (("copy behind a link (var/deliveries)", "copies behind links (var/deliveries)"), record.deliveries),
            (("document in an issue", "documents in issues"), record.attestations),
        ):
            if names:
                yield f"For you to decide: {counted(len(names), *title)}"
                yield from (f"  {name}" for name in names)
        if done.left:
            yield "Other places that hold a text by which the learner is known; look whether it is theirs:"
            yield from (f"  {one.path} {one.place}: {counted(one.rows, 'row')}".rstrip() for one in done.left)
        elif not would and done.left is not None:
            yield "Nothing else in the home holds the data: every other file was searched."
        if would:
            yield "Nothing was changed."
        else:
            yield "Copies elsewhere are yours to see to: backups, the LMS and its deliveries, files that were sent."
