"""A home says which form it has: a program that is too old for it changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opco.cli import run
from orchestration.home.paths import HOME_VARIABLE, Home
from orchestration.home.stamp import HOME_FORMAT, check_home, stamp_home
from orchestration.runs.jobs import open_instance
from warehouse.errors import OpcoError


def files(home: Home) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in home.folder.rglob("*") if path.is_file()}


@pytest.fixture
def newer(home: Home) -> Home:
    """A home that a later version has written to."""
    stamp_home(home)
    home.stamp.write_text(json.dumps({"format": HOME_FORMAT + 1, "opco_version": "9.1.0"}), encoding="utf-8")
    return home


@pytest.mark.parametrize(
    "command",
    [
        ["build", "--raw", "demo/raw"],
        ["export"],
        ["attest", "S-1"],
        ["clean"],
        ["forget", "u", "--reason", "asked"],
        ["settings"],
        ["dagster"],
    ],
)
def test_every_command_refuses_a_newer_home(
    newer: Home, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    before = files(newer)
    assert run([*command, "--home", str(newer.folder)]) == 1
    output = " ".join(capsys.readouterr().err.split())
    assert "is newer than this program: opco-warehouse 9.1.0 wrote it" in output
    assert "Install opco-warehouse 9.1.0 or later" in output
    assert files(newer) == before


def test_so_do_the_definitions_that_dagster_loads(newer: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.definitions import defs

    monkeypatch.setenv(HOME_VARIABLE, str(newer.folder))
    with pytest.raises(OpcoError, match="is newer than this program"):
        defs()


def test_a_home_gets_its_stamp_with_the_first_run_and_keeps_it(home: Home) -> None:
    check_home(home)
    assert not home.stamp.exists()
    with open_instance(home):
        pass
    assert json.loads(home.stamp.read_text(encoding="utf-8")) == {"format": HOME_FORMAT, "opco_version": "0.1.0"}
    written = home.stamp.stat().st_mtime_ns
    stamp_home(home)
    assert home.stamp.stat().st_mtime_ns == written
    # An earlier version of the same form goes back and forth.
    home.stamp.write_text(json.dumps({"format": HOME_FORMAT, "opco_version": "0.0.9"}), encoding="utf-8")
    stamp_home(home)
    assert json.loads(home.stamp.read_text(encoding="utf-8"))["opco_version"] == "0.1.0"


@pytest.mark.parametrize("content", ["", "{}", '{"format": "two", "opco_version": "1"}'])
def test_a_stamp_that_cannot_be_read_is_no_stamp_of_anything(home: Home, content: str) -> None:
    stamp_home(home)
    home.stamp.write_text(content, encoding="utf-8")
    with pytest.raises(OpcoError, match=r"home\.json cannot be read"):
        check_home(home)
