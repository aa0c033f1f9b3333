"""`opco issues` lists what was issued for a session, whatever kind of document it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opco.cli import run
from orchestration.home.paths import Home
from reports.issuing.manifest import FORMAT_OF_KINDS
from tests.issuing import write_empty_issue


def issued(folder: Path, session_id: str, number: int, kind: str = "attestation", month: str | None = None) -> None:
    """Write the manifest of an issue without documents."""
    write_empty_issue(folder, session_id, number, kind=kind, month=month, format=FORMAT_OF_KINDS)


def test_every_kind_of_document_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = Home(tmp_path)
    issued(home.attestations / "S-1", "S-1", 1)
    issued(home.documents / "certificate/S-1/session", "S-1", 1, kind="certificate")
    for number in (1, 2):
        issued(home.documents / "log/S-1/2026-09", "S-1", number, kind="log", month="2026-09")
    issued(home.documents / "log/S-10/2026-09", "S-10", 1, kind="log", month="2026-09")

    assert run(["issues", "S-1", "--home", str(tmp_path), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["issues"]
    assert [(one["kind"], one["month"], one["issue_number"]) for one in listed] == [
        ("attestation", None, 1),
        ("certificate", None, 1),
        ("log", "2026-09", 1),
        ("log", "2026-09", 2),
    ]
    assert run(["issues", "S-1", "--home", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "log 2026-09" in shown
    assert str(home.documents / "log/S-1/2026-09/issue-2") in shown.replace("\n", "")

    assert run(["issues", "S-2", "--home", str(tmp_path)]) == 2
    assert "Sessions with issues: S-1, S-10." in capsys.readouterr().err
