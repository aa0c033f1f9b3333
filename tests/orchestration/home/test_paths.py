"""Whose the files of a home are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from opco.cli import run
from orchestration.home.paths import Home, keep_from_others, open_to_others


@pytest.fixture(autouse=True)
def _a_careless_account() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {one.name: stat.S_IMODE(one.lstat().st_mode) for one in (folder, *folder.rglob("*"))}


def test_what_is_written_is_closed_to_others(home: Home) -> None:
    old = home.exports / "old.csv"
    old.parent.mkdir(parents=True)
    old.write_text("x")
    assert modes(home.folder / "var")["var"] == 0o755
    keep_from_others(home)
    home.archive.mkdir()
    (home.archive / "new.parquet").write_text("x")
    # What was there before is closed by the folder above it.
    assert modes(home.folder / "var") == {
        "var": 0o750, "exports": 0o755, "old.csv": 0o644, "raw": 0o750, "new.parquet": 0o640,
    }  # fmt: skip


def test_a_stricter_account_stays_so(home: Home) -> None:
    (home.folder / "var").mkdir(mode=0o700)
    os.umask(0o077)
    keep_from_others(home)
    assert modes(home.folder / "var") == {"var": 0o700}
    assert os.umask(0o022) == 0o077


def test_every_command_keeps_to_it(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    (home.folder / "var").mkdir()
    assert run(["settings", "--home", str(home.folder)]) == 0
    assert os.umask(0o022) == 0o027
    assert modes(home.folder / "var") == {"var": 0o750}
    capsys.readouterr()


def test_a_home_that_is_open_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.folder.chmod(0o755)
    above = {folder: folder.stat() for folder in home.folder.parents}
    closed = next((folder for folder, said in above.items() if not said.st_mode & stat.S_IXOTH), None)
    if closed is not None:
        assert open_to_others(home) is None
        real = Path.stat

        def all_open(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
            found = real(path, follow_symlinks=follow_symlinks)
            return os.stat_result((0o40755, *found[1:])) if path in above else found

        monkeypatch.setattr(Path, "stat", all_open)
    assert f"chmod o= {home.folder}" in (open_to_others(home) or "")
    home.folder.chmod(0o750)
    assert open_to_others(home) is None
