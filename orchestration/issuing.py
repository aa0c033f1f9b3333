"""Issuing attestations as runs do: with the inputs that the settings hold, of one session or of those that ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from orchestration.home import Home
from orchestration.sections.building import NightlySettings
from orchestration.settings import load_settings
from reports.attestation.issue import IssueSummary, issue_attestations
from reports.attestation.manifest import issue_folders, read_manifest
from reports.attestation.model import AttestationInputs
from reports.attestation.naming import session_folder
from reports.export.sessions import sessions_ended
from reports.warehouse import open_published
from warehouse.archive import INSTANT
from warehouse.archive import read_manifest as read_archive_manifest
from warehouse.errors import UserError


@dataclass(frozen=True)
class EndedSessions:
    """Ids of sessions whose attestations are due, and of those that wait for data delivered after their end."""

    due: tuple[str, ...]
    waiting: tuple[str, ...]


def issue_session(
    home: Home,
    session_id: str,
    *,
    issued_on: date,
    options: Mapping[str, str | None] | None = None,
    users: Sequence[str] = (),
    force: bool = False,
    goes_on: bool = False,
    progress: Callable[[int, int, str], None] = lambda _done, _total, _learner: None,
) -> IssueSummary:
    """Issue the attestations of one session; `options` are inputs by their settings' keys, which win over the settings.

    With `goes_on` the inputs of the session's latest issue win over both, and are no reason to replace a document.
    Raises UserError where readers see older data than the latest issue is made of, unless `force`. Other errors as
    `load_settings` and `issue_attestations`.
    """
    settings = load_settings(home, options, session_id=session_id)
    said = settings.organisation
    folder = home.attestations / session_folder(session_id)
    if not force:
        _refuse_older_data(home, session_id, folder)
    return issue_attestations(
        home.warehouse,
        session_id,
        AttestationInputs(
            organisation_name=said.name,
            legal_representative=said.legal_representative,
            capacity=said.capacity,
            training_duration=said.training_duration,
            place=said.place,
            footer=said.footer,
            language=said.language,
            logo=Path(said.logo) if said.logo else None,
            stamp=Path(said.stamp) if said.stamp else None,
        ),
        folder=folder,
        assets=home.assets,
        issued_on=issued_on,
        users=users,
        force=force,
        goes_on=goes_on,
        workers=settings.attestations.processes or os.cpu_count() or 1,
        progress=progress,
    )


def _refuse_older_data(home: Home, session_id: str, folder: Path) -> None:
    """Raise UserError where readers see a build of before the latest issue, though the archive holds later loads.

    That is so after `opco rollback`. A load whose clock went back is the newest there is, and no reason to refuse.
    """
    issues = issue_folders(folder)
    loads = read_archive_manifest(home.archive).loads
    if not issues or not loads or not home.warehouse.exists():
        return
    shown, (number, latest) = _data_as_of(home), issues[-1]
    issued = read_manifest(latest).data_as_of
    if shown < issued and shown != loads[-1].loaded_at:
        raise UserError(
            f"Readers see a build with data as of {shown}, and issue {number} of session {session_id} is made of later "
            f"ones, as of {issued}: its documents would give way to some of older data. Nothing was made.\n"
            "Show the newest data first (opco rollback BUILD_ID, or opco build); or, where those of the issue were "
            "wrong, ask for it with --force."
        )


def _data_as_of(home: Home) -> str:
    """Return the data's instant of the build that readers see, as manifests write it. Errors as `open_published`."""
    with open_published(home.warehouse) as connection:
        ((data_as_of,),) = connection.execute("select data_as_of from warehouse_build").fetchall()
    return str(data_as_of.strftime(INSTANT))


def ended_sessions(home: Home, nightly: NightlySettings, today: date) -> EndedSessions:
    """Return the sessions whose last day lies so far before `today` as the settings ask for.

    A session waits while all that is published came before its end: its last connections cannot be among it.
    """
    last = today - timedelta(days=nightly.attest_after_days)
    first = last - timedelta(days=nightly.attest_for_days)
    ended = sessions_ended(home.warehouse, first, last)
    seen = sessions_ended(home.warehouse, first, last, by=_last_new_data(home))
    return EndedSessions(seen, tuple(one for one in ended if one not in seen))


def _last_new_data(home: Home) -> datetime:
    """Return the start of the last load that brought anything new into the published build."""
    data_as_of = _data_as_of(home)
    loads = (version.loaded_at for version in read_archive_manifest(home.archive).files)
    published = [loaded for loaded in loads if loaded <= data_as_of]
    return datetime.strptime(max(published, default=data_as_of), INSTANT).replace(tzinfo=UTC)
