"""Issuing attestations as runs do: with the inputs that the settings hold, of one session or of those that ended."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from orchestration.defs.attestations.inputs import input_warnings, session_inputs
from orchestration.home.paths import Home
from orchestration.home.sections.building import NightlySettings
from orchestration.home.sections.kinds import bytes_of
from orchestration.home.settings import Settings, load_settings
from orchestration.runs.asker import Asker
from reports.attestation.inputs import GivenInputs
from reports.attestation.model import Build
from reports.attestation.queries import read_build
from reports.days import today_in
from reports.issuing.issue import IssueSummary, issue_documents
from reports.issuing.kinds import ATTESTATION, KINDS
from reports.issuing.manifest import Making, issue_folders, read_manifest
from reports.issuing.naming import session_folder, session_name
from reports.issuing.processes import context
from reports.issuing.workers import Limits
from reports.printing.images import begin_to_read
from reports.sessions import sessions_ended
from warehouse.archive import INSTANT
from warehouse.archive import read_manifest as read_archive_manifest
from warehouse.errors import OpcoError, UserError
from warehouse.published import open_published, require_as_published
from warehouse.steps import TellStep, tell_nobody

# The folder of documents about a whole session, beside those about months.
WHOLE = "session"


@dataclass(frozen=True)
class EndedSessions:
    """Ids of sessions whose attestations are due, and of those that wait for data delivered after their end."""

    due: tuple[str, ...]
    waiting: tuple[str, ...]


def begin_early(home: Home, session_id: str, job: str, config: Mapping[str, Any]) -> None:
    """Begin to load what makes documents and to decode their images, while this process loads what runs the job.

    `config` is that of the job's asset. What is wrong with it, the run says.
    """
    context()
    kind = job if job in KINDS else ATTESTATION
    with suppress(OpcoError):
        inputs = session_inputs(
            home,
            session_id,
            load_settings(home, session_id=session_id),
            {name: config.get(name) for name in GivenInputs.model_fields},
            from_settings=bool(config.get("from_settings")),
            folder=issues_folder(home, session_id, kind, config.get("month")),
        )
        begin_to_read(home.assets, inputs.inputs.images)


def issue_session(
    home: Home,
    session_id: str,
    *,
    kind: str = ATTESTATION,
    month: str | None = None,
    asker: Asker,
    issued_on: date | None = None,
    issued_on_reason: str | None = None,
    given: Mapping[str, str | None] | None = None,
    from_settings: bool = False,
    users: Sequence[str] = (),
    force: bool = False,
    reuse_inputs: bool = False,
    allow_missing_letters: bool = False,
    on_progress: TellStep = tell_nobody,
) -> IssueSummary:
    """Issue the documents of a kind of one session, of a `month` (YYYY-MM) or of the whole of it.

    `given` and `from_settings` are as for `session_inputs`.
    `asker` is on record in the manifest; the date of issue is today in the display time zone, unless given. With
    `reuse_inputs` the inputs of the session's latest issue win over all, and are no reason to replace a document.
    Raises UserError where readers see older data than the latest issue is made of, unless `force`, and where the date
    of issue is no day from that of the data to today, without a reason; OpcoError where the published file is not what
    was published. Other errors as `load_settings` and `issue_documents`.
    """
    settings = load_settings(home, session_id=session_id)
    folder = issues_folder(home, session_id, kind, month)
    # The link may be replaced meanwhile: all is read from one build.
    with closing(open_published(home.warehouse)) as db:
        build = read_build(db)
        today = today_in(build.display_timezone)
        issued_on = issued_on or today
        if not force:
            _refuse_older_data(home, session_id, folder, build)
        if not issued_on_reason:
            _refuse_another_date(issued_on, build.data_as_of_local.date(), today)
        inputs = session_inputs(home, session_id, settings, given, from_settings=from_settings, folder=folder)
        summary = issue_documents(
            db,
            session_id,
            inputs.inputs,
            kind=kind,
            month=month,
            folder=folder,
            assets=home.assets,
            issued_on=issued_on,
            users=users,
            force=force,
            reuse_inputs=reuse_inputs,
            issued_on_reason=issued_on_reason,
            usual=inputs.usual,
            allows_missing_letters=allow_missing_letters or settings.attestations.allow_missing_letters,
            making=Making(datetime.now(UTC).strftime(INSTANT), asker.name, asker.way),
            as_published=require_as_published,
            workers=settings.attestations.processes or os.cpu_count() or 1,
            limits=document_limits(settings),
            on_progress=on_progress,
        )
    warnings = () if reuse_inputs else input_warnings(home, session_id, inputs)
    return replace(summary, warnings=(*warnings, *summary.warnings))


def issues_folder(home: Home, session_id: str, kind: str = ATTESTATION, month: str | None = None) -> Path:
    """Return the folder of a session's issues of a kind, of a month or of the whole session."""
    if kind == ATTESTATION:
        return session_folder(home.attestations, session_id)
    return home.documents / kind / session_name(session_id) / (month or WHOLE)


def checked_month(month: str | None) -> str | None:
    """Return a month as YYYY-MM; None for none. Raises UserError for what is no month."""
    if month and not re.fullmatch(r"(19|20)\d\d-(0[1-9]|1[0-2])", month.strip()):
        raise UserError(f"The month {month!r} is none. Write it as YYYY-MM, such as 2026-09.")
    return (month or "").strip() or None


def _refuse_another_date(issued_on: date, first: date, today: date) -> None:
    if not (first <= issued_on <= today or issued_on == today):
        raise UserError(
            f"The date of issue, {issued_on}, is no day from that of the data, {first}, to today, {today}. Choose one "
            "of these. Who has to date it otherwise says why, and the reason is kept with the issue: --reason TEXT"
        )


def document_limits(settings: Settings) -> Limits:
    """Return what one document may take."""
    allowed = settings.attestations
    return Limits(allowed.document_seconds, bytes_of(allowed.document_memory))


def _refuse_older_data(home: Home, session_id: str, folder: Path, build: Build) -> None:
    """Raise UserError where readers see a build of before the latest issue, though the archive holds later loads.

    That is so after `opco rollback`. A load whose clock went back is the newest there is, and no reason to refuse.
    """
    issues = issue_folders(folder)
    loads = read_archive_manifest(home.archive).loads
    if not issues or not loads:
        return
    shown, (number, latest) = build.data_as_of.strftime(INSTANT), issues[-1]
    issued = read_manifest(latest).data_as_of
    if shown < issued and shown != loads[-1].loaded_at:
        raise UserError(
            f"Readers see a build with data as of {shown}, and issue {number} of session {session_id} is made of later "
            f"ones, as of {issued}: its documents would give way to some of older data. Nothing was made.\n"
            "Show the newest data first (opco rollback BUILD_ID, or opco build); or, where those of the issue were "
            "wrong, ask for it with --force."
        )


def ended_sessions(home: Home, nightly: NightlySettings, today: date) -> EndedSessions:
    """Return the sessions whose last day lies so far before `today` as the settings ask for.

    A session waits while all that is published came before its end: its last connections cannot be among it.
    """
    last = today - timedelta(days=nightly.attest_after_days)
    first = last - timedelta(days=nightly.attest_for_days)
    ended, newest = sessions_ended(home.warehouse, first, last), _newest_data(home)
    due = tuple(session_id for session_id, ends_at in ended.items() if ends_at.strftime(INSTANT) <= newest)
    return EndedSessions(due, tuple(session_id for session_id in ended if session_id not in due))


def _newest_data(home: Home) -> str:
    """Return the start (UTC, as text) of the last load that brought anything new into the published build."""
    with closing(open_published(home.warehouse)) as db:
        data_as_of = read_build(db).data_as_of.strftime(INSTANT)
    loads = (version.loaded_at for version in read_archive_manifest(home.archive).files)
    return max((loaded for loaded in loads if loaded <= data_as_of), default=data_as_of)
