"""What a funder would send back of a session, with what the home knows: who signs, and which logs were signed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from orchestration.defs.attestations.inputs import session_inputs
from orchestration.defs.attestations.issuing import issues_folder
from orchestration.home.paths import Home
from orchestration.home.settings import Settings
from reports.attestation.queries import read_build, read_session
from reports.days import today_in
from reports.documents.preflight import Funder, Gap, find_gaps, read_funders
from reports.issuing.sign_off import log_states

OWN_PROFILES = "funders.csv"


def logs_folder(home: Home, session_id: str) -> Path:
    """Return the folder of a session's logs to sign, one folder a month below it."""
    return issues_folder(home, session_id, "log").parent


def funders(home: Home, db: duckdb.DuckDBPyConnection) -> list[Funder]:
    """Return the profiles of funders in force today, those of the home among them."""
    return read_funders(db, home.folder / OWN_PROFILES, today_in(read_build(db).display_timezone))


def preflight(
    home: Home,
    db: duckdb.DuckDBPyConnection,
    session_id: str,
    funder: str,
    settings: Settings,
    given: Mapping[str, str | None] | None = None,
) -> list[Gap]:
    """Return what the session's documents lack for a funder today; `settings` are those of the session.

    Raises UserError for an unknown session or funder, and for profiles of one's own that cannot be used.
    """
    build = read_build(db)
    read_session(db, session_id, build)
    inputs = session_inputs(home, session_id, settings, given).inputs
    signed = [
        (one.document.user_id, one.month) for one in log_states(logs_folder(home, session_id)) if one.state == "signed"
    ]
    return find_gaps(
        db,
        session_id,
        funder,
        own=home.folder / OWN_PROFILES,
        today=today_in(build.display_timezone),
        signed=signed,
        has_signatory=bool(inputs.legal_representative and inputs.name),
        has_stamp=bool(inputs.stamp),
    )
