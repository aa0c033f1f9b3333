"""A home is backed up by the very lines of docs/operations.md, and restored by them: nothing that counts is missing."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from reports.issuing.verify import verify
from tests.commands import Opco, result_of
from warehouse.project import PROJECT_DIR

PAGE = (PROJECT_DIR / "docs" / "operations.md").read_text(encoding="utf-8")
PLACES = re.findall(r"^\| `([\w./]+)` \| yes", PAGE, re.MULTILINE)


def run_lines(chapter: str, home: Path, backup: Path) -> None:
    """Run the lines with rsync of a chapter of the page, which must all succeed, in folders of this test."""
    text = PAGE.split(f"\n## {chapter}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("rsync ")]
    assert lines
    for line in lines:
        said = line.replace("backup:/opco", str(backup)).replace("/srv/opco", str(home))
        done = subprocess.run(["sh", "-c", said], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (said, done.stderr)


def contents(home: Path) -> dict[str, bytes]:
    """What of a home the page says to back up, by path."""
    files = [
        path for place in PLACES for path in ((home / place).rglob("*") if (home / place).is_dir() else [home / place])
    ]
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in files if path.is_file()}


@pytest.fixture(scope="module")
def home(demo_home: Path, tmp_path_factory: pytest.TempPathFactory, opco: Opco) -> Path:
    home = tmp_path_factory.mktemp("backed-up") / "home"
    shutil.copytree(demo_home, home, symlinks=True)
    result_of(opco("attest", "S-2026-MGMT-09", "--user", "u-1004", "--json", home=home))
    result_of(opco("document", "certificate", "S-2026-MGMT-09", "--user", "u-1004", "--json", home=home))
    return home


def test_the_lines_of_the_page_copy_and_restore_all_that_counts(home: Path, tmp_path: Path) -> None:
    assert len(PLACES) >= 6
    backup, restored = tmp_path / "backup", tmp_path / "restored"
    for _ in range(2):  # a backup goes over the one before
        run_lines("Back up", home, backup)
    restored.mkdir()
    run_lines("Restore", restored, backup)
    assert contents(restored) == contents(home)
    assert "var/attestations/S-2026-MGMT-09/issue-1/manifest.json" in contents(restored)
    for issued in ("attestations/S-2026-MGMT-09", "documents/certificate/S-2026-MGMT-09/session"):
        assert verify(restored / "var" / issued).is_sound


def test_a_home_that_has_issued_nothing_yet_is_backed_up_too(demo_home: Path, tmp_path: Path) -> None:
    home, backup = tmp_path / "home", tmp_path / "backup"
    shutil.copytree(demo_home / "var" / "raw", home / "var" / "raw")
    run_lines("Back up", home, backup)
    assert contents(backup) == contents(home)
