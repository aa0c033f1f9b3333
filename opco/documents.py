"""`opco preflight` and `opco sign-off`: what a funder would send back, and what came back of logs to sign."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from opco.options import DebugOption, HomeOption, JsonOption, SessionArgument, app
from opco.running import open_home
from opco.terminal import HomeResult, print_result, table
from orchestration.defs.attestations.issuing import checked_month
from orchestration.defs.documents.preflight import funders, logs_folder, preflight
from orchestration.home.settings import load_settings
from reports.attestation.wording import display_name
from reports.documents.preflight import Funder, Gap
from reports.issuing.sign_off import LogState, log_states, record_sign_off
from warehouse.account import account
from warehouse.archive import INSTANT
from warehouse.errors import UserError
from warehouse.published import open_published

# What each field of a requirement asks for, as a sentence says that it is missing.
LACKS = {
    "learner_name": "last name or first name",
    "employer": "employer",
    "session_dates": "first and last day of the session",
    "dates_within_session": "connections outside the session's dates",
    "credited_hours": "credited hours: nothing completed, or without a planned duration",
    "activity_durations": "planned duration of a completed activity",
    "required_steps": "required activities that are not completed",
    "evaluation": "an assessment taken",
    "exam": "a certification exam passed",
    "assistance": "an interaction with a tutor",
    "modality_split": "synchronous and asynchronous hours: the platform does not tell",
    "connections": "connections",
    "closed_connections": "connections whose end is not known",
    "signed_log": "log signed by the learner, months",
    "signatory": "who signs: organisation.legal_representative and organisation.name",
    "stamp": "stamp and signature: organisation.stamp",
}


@app.command(name="preflight", epilog="Example:  opco preflight --funder agefice S-2026-MGMT-09")
def preflight_command(
    session_id: SessionArgument,
    *,
    funder: Annotated[
        str | None, typer.Option(metavar="NAME", help="The funder. Without it, those whose requirements are known.")
    ] = None,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List what a funder would send a session's documents back for, learner by learner, before anything is made.

    Each gap is named with who asks for it and when that was read. Exit code 1 where something required is missing or
    contradictory. Profiles of one's own go into funders.csv of the home.
    """
    home = open_home(home_folder)
    with closing(open_published(home.warehouse)) as db:
        known = funders(home, db)
        if funder is None:
            names = ", ".join(one.funder for one in known)
            raise UserError(f"Name the funder: --funder NAME. Known: {names}.")
        gaps = preflight(home, db, session_id, funder, load_settings(home, session_id=session_id))
    (profile,) = (one for one in known if one.funder == funder)
    print_result(PreflightResult(home.folder, session_id, profile, gaps), as_json=as_json)


@dataclass(frozen=True)
class PreflightResult(HomeResult, command="preflight"):
    """What is missing for a funder."""

    session_id: str
    funder: Funder
    gaps: list[Gap]

    @property
    def ok(self) -> bool:
        """Whether nothing required is missing."""
        return not any(one.is_required for one in self.gaps)

    def facts(self) -> dict[str, Any]:
        """Return the gaps as they are."""
        gaps = [asdict(one) | {"read_on": one.read_on.isoformat()} for one in self.gaps]
        return {"session_id": self.session_id, "funder": asdict(self.funder), "gaps": gaps}

    def lines(self) -> Iterator[str]:
        """Yield what each learner lacks, and where it is asked for."""
        yield f"Funder    {self.funder.label}: {self.funder.note}"
        if self.funder.is_transcribed:
            yield "          Its requirements are a third party's transcription: check them with the funder."
        if not self.gaps:
            yield "Nothing is missing."
            return
        before = None
        for gap in self.gaps:
            if gap.user_id != before:
                yield f"Learner   {display_name(gap.user_id, gap.last_name, gap.first_name)} ({gap.user_id})"
                before = gap.user_id
            mark = "missing" if gap.is_required else "remark "
            detail = f": {gap.detail}" if gap.detail else ""
            yield f"  {mark}  {gap.document}: {LACKS[gap.field]}{detail}"
        yield "Asked for by"
        for source, read_on in sorted({(one.source, one.read_on) for one in self.gaps}):
            yield f"  {source} (read on {read_on:%d/%m/%Y})"


@app.command(
    name="sign-off",
    epilog="Examples:  opco sign-off S-2026-MGMT-09   ·   "
    "opco sign-off S-2026-MGMT-09 --user u-1001 --month 2026-09 --signed log.pdf",
)
def sign_off(
    session_id: SessionArgument,
    *,
    user: Annotated[str | None, typer.Option(metavar="USER", help="The learner, by user_id.")] = None,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="The month of the log.")] = None,
    signed: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The signed log as it came back: it is kept with its SHA-256.")
    ] = None,
    refused: Annotated[str | None, typer.Option(metavar="REASON", help="Why the learner does not sign.")] = None,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Record that a log came back signed, or that it was refused; without options, list which logs are to be signed.

    A log that another one has replaced since is to be signed again; what came back of it stays on record.
    """
    home = open_home(home_folder)
    folder = logs_folder(home, session_id)
    if user is not None or signed is not None or refused is not None:
        if user is None or month is None:
            raise UserError("Name whose log it is: --user USER --month YYYY-MM")
        at = datetime.now(UTC).strftime(INSTANT)
        file = signed.expanduser() if signed else None
        if file is not None and not file.is_file():
            raise UserError(f"There is no file {signed}.")
        record_sign_off(folder, user, checked_month(month) or "", file=file, reason=refused, by=account(), at=at)
    states = log_states(folder)
    if not states:
        raise UserError(
            f"No log of {session_id!r} was made yet. Make those of a month: "
            f"opco document log {session_id} --month YYYY-MM"
        )
    print_result(SignOffResult(home.folder, session_id, states), as_json=as_json)


@dataclass(frozen=True)
class SignOffResult(HomeResult, command="sign-off"):
    """The logs in force, and what came back of them."""

    session_id: str
    logs: list[LogState]

    def facts(self) -> dict[str, Any]:
        """Return one entry a log."""
        logs = [
            {
                "month": one.month,
                "user_id": one.document.user_id,
                "learner": one.document.learner,
                "number": one.document.number,
                "state": one.state,
                "sign_off": asdict(one.sign_off) if one.sign_off else None,
            }
            for one in self.logs
        ]
        return {"session_id": self.session_id, "logs": logs}

    def lines(self) -> Iterator[str]:
        """Yield one line a log."""
        rows = [
            (
                one.month,
                one.state.replace("_", " "),
                (one.sign_off.at[:10] if one.sign_off else ""),
                one.document.learner,
                one.document.number,
            )
            for one in self.logs
        ]
        yield from table([("Month", "State", "On", "Learner", "No."), *rows])
