"""`opco sessions` lists what attest and export take."""

from __future__ import annotations

from pathlib import Path

import pytest

from opco.sessions import SessionsResult, find_sessions
from orchestration.home.paths import Home
from reports.issuing.manifest import MANIFEST
from reports.issuing.naming import session_folder
from warehouse.errors import UserError


def test_the_sessions_of_the_demo_the_latest_first(demo_home: Path, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var/published").symlink_to(demo_home / "var/published")
    home = Home(tmp_path)
    issue = session_folder(home.attestations, "S-2026-MGMT-09") / "issue-3"
    issue.mkdir(parents=True)
    (issue / MANIFEST).touch()
    listed = find_sessions(home, None)
    assert [(one.session_id, one.issue_number) for one in listed] == [
        ("S-2026-MGMT-10", None),
        ("S-2026-XLS-10", None),
        ("S-2026-CYB-09", None),
        ("S-2026-MGMT-09", 3),
        ("S-2026-XLS-06", None),
    ]
    head, *_, last, total = SessionsResult(home.folder, listed).lines()
    assert head.split("  ")[0] == "Session ID"
    assert last.startswith("S-2026-XLS-06   01/06/2026  17/07/2026         8          158")
    assert last.endswith("Tableur, juin 2026")
    assert total == "5 sessions. Attest one with: opco attest S-2026-MGMT-10"


@pytest.mark.parametrize(
    ("words", "sessions"),
    [("CYBERSECURITE", ["S-2026-CYB-09"]), ("xls", ["S-2026-XLS-10", "S-2026-XLS-06"])],
)
def test_words_find_names_ids_and_templates(demo_home: Path, words: str, sessions: list[str]) -> None:
    assert [one.session_id for one in find_sessions(Home(demo_home), words)] == sessions


def test_words_that_find_nothing_say_what_lists_all(demo_home: Path) -> None:
    with pytest.raises(UserError, match=r"No program session.*'100 %'.*opco sessions"):
        find_sessions(Home(demo_home), "100 %")
