"""What a build takes of the issues' manifests, and the table that it makes of them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from orchestration.defs.warehouse.issued import read_issued
from orchestration.home.paths import Home
from reports.issuing.manifest import CancelledDocument, IssuedDocument, Making, Manifest, State
from warehouse.archive import Load, write_manifest
from warehouse.archive import Manifest as Archive
from warehouse.build_file import BuildIdentity, open_build_file, prepare_build_file
from warehouse.contract import project_vars
from warehouse.model_sql import Models

AT = datetime(2026, 11, 10, tzinfo=UTC)


def document(number: str, issue: int, seconds: int, state: State, replaces: str | None = None) -> IssuedDocument:
    return IssuedDocument(
        file="a.pdf",
        user_id=number.split("/")[1],
        learner="MARTIN Anne",
        number=number,
        issue_number=issue,
        issued_on="2026-10-01",
        data_as_of="2026-09-30T22:00:00.000000Z",
        sha256="ab",
        bytes=1,
        pages=2,
        total_seconds=seconds,
        state=state,
        printed={},
        replaces={"number": replaces} if replaces else None,
    )


def issue(
    folder: Path,
    number: int,
    *documents: IssuedDocument,
    cancelled: tuple[CancelledDocument, ...] = (),
    month: str = "",
) -> None:
    manifest = Manifest(
        session_id="s",
        session_name="Session",
        program_template_id="p",
        program_template_name="Programme",
        issue_number=number,
        previous_issue=number - 1 or None,
        issued_on="2026-10-01",
        data_as_of="2026-09-30T22:00:00.000000Z",
        build_id=f"build-{number}",
        opco_version="1",
        asked_for=(),
        inputs={},
        settings={},
        documents=documents,
        cancelled=cancelled,
        left_out=(),
        rules_edition=2,
        making=Making(f"2026-10-0{number}T08:00:00.000000Z", "a", "command"),
        kind="log" if month else "attestation",
        month=month or None,
        format=3 if month else 2,
    )
    (folder / f"issue-{number}").mkdir(parents=True)
    (folder / f"issue-{number}" / "manifest.json").write_bytes(manifest.to_json())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Two issues of a session's attestations, and one of its logs of a month."""
    home = Home(tmp_path)
    gone = CancelledDocument("v", "GIRARD Ali", "s/v/1", "2026-10-01", 20, 2, "left_the_session")
    issue(home.attestations / "s", 1, document("s/u/1", 1, 10, "new"), document("s/v/1", 1, 20, "new"))
    issue(home.attestations / "s", 2, document("s/u/2", 2, 15, "replaced", "s/u/1"), cancelled=(gone,))
    issue(home.documents / "log/s/2026-09", 1, document("s/u/RC-2026-09/1", 1, 5, "new"), month="2026-09")
    return home


def test_what_was_attested_is_in_the_build(home: Home) -> None:
    write_manifest(home.archive, Archive((Load(1, "2026-11-09T00:00:00.000000Z", "raw", ()),)), "load", "a test")
    listed = read_issued(home, pytest.fail)
    prepare_build_file(home.archive, home.build_file, BuildIdentity("b", AT, AT, AT, 1), issued=listed)
    with open_build_file(home.build_file) as db:
        made = Models(db, project_vars()).table_of("fct_issued_documents")
        rows = db.execute(
            f"""
            select document_id, document_kind, month, build_id, attested_seconds, page_count, is_in_force, ended_at,
                replacing_document_id, cancelled_reason, issued_on
            from {made} order by document_id
            """
        ).fetchall()
    ended_at, day = datetime(2026, 10, 2, 8), date(2026, 10, 1)  # noqa: DTZ001 - as DuckDB gives it
    assert rows == [
        ("s/u/1", "attestation", None, "build-1", 10, 2, False, ended_at, "s/u/2", None, day),
        ("s/u/2", "attestation", None, "build-2", 15, 2, True, None, None, None, day),
        ("s/u/RC-2026-09/1", "log", "2026-09", "build-1", 5, 2, True, None, None, None, day),
        ("s/v/1", "attestation", None, "build-1", 20, 2, False, ended_at, None, "left_the_session", day),
    ]


def test_a_manifest_that_cannot_be_read_is_named_and_stops_nothing(home: Home) -> None:
    (home.attestations / "s/issue-2/manifest.json").write_text("{", encoding="utf-8")
    warnings: list[str] = []
    assert {one.document_id for one in read_issued(home, warnings.append)} == {"s/u/1", "s/v/1", "s/u/RC-2026-09/1"}
    (warning,) = warnings
    assert "issue-2/manifest.json" in warning
