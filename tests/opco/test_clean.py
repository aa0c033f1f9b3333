"""`opco clean` says what goes and what stays, and would say it before."""

from __future__ import annotations

import json

import pytest

from opco.cli import run
from orchestration.home.paths import Home


def test_the_lines_tell_what_went_and_what_stays(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    builds = home.published / "builds"
    builds.mkdir(parents=True)
    for day in range(1, 5):
        (builds / f"2026110{day}T000000Z-a.duckdb").write_text("x" * 2000, encoding="utf-8")

    def lines(*options: str) -> list[str]:
        assert run(["clean", "--home", str(home.folder), *options]) == 0
        return capsys.readouterr().out.splitlines()

    would = lines("--dry-run")
    assert would[:3] == [
        "Would free 2.0 kB",
        "     2.0 kB  1 earlier published build",
        "             var/published/builds/20261101T000000Z-a.duckdb",
    ]
    assert would[-1] == "Nothing was changed."
    (line,) = lines("--dry-run", "--json")
    answer = json.loads(line)
    assert list(answer) == ["command", "ok", "home", "dry_run", "bytes", "cleaned", "compacted_bytes", "kept"]
    assert answer["cleaned"]["builds"] == {"count": 1, "bytes": 2000, "names": [would[2].strip()]}
    assert answer["kept"]["published"] == 8000
    assert "     6.0 kB  var/published" in lines()
