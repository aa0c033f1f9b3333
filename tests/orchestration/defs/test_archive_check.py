"""An archive that is another one than that of the builds and issues of its home is told of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.defs.raw.archive_check import archive_fault, issues_of_another_archive, require_known_archive
from orchestration.home.paths import Home
from reports.issuing.manifest import Making, Manifest
from warehouse.archive import load_delivery, read_manifest
from warehouse.errors import OpcoError
from warehouse.published import BuildRecord, write_record

NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.fixture
def make_home(raw_folder: Path, tmp_path: Path) -> Callable[[str], Home]:
    """Make a home with a load, and a published build and an issue that name its head, or none."""

    def make(named: str) -> Home:
        home = Home(tmp_path / "home")
        load_delivery(raw_folder, home.archive, loaded_at=NOON)
        head = read_manifest(home.archive).head
        build = home.published / "builds/b1.duckdb"
        build.parent.mkdir(parents=True)
        build.touch()
        write_record(build, BuildRecord("b1", "", "", 0, "", {}, head if named == "build" else None))
        issue = home.attestations / "S-1/issue-1"
        issue.mkdir(parents=True)
        manifest = Manifest(
            "S-1", "", "", "", 1, None, "2026-11-05", "2026-11-05T12:00:00.000000Z", "b1", "", (), {}, {}, (), (), (),
            making=Making("2026-11-05T12:00:00.000000Z", "opco", "night"),
            archive_head=head if named == "issue" else None,
        )  # fmt: skip
        (issue / "manifest.json").write_bytes(manifest.to_json())
        return home

    return make


@pytest.mark.parametrize("named", ["build", "issue"])
def test_an_archive_that_was_begun_anew(make_home: Callable[[str], Home], raw_folder: Path, named: str) -> None:
    home = make_home(named)
    manifest = read_manifest(home.archive)
    assert (archive_fault(home, manifest), issues_of_another_archive(home, manifest)) == (None, [])
    shutil.rmtree(home.archive)
    load_delivery(raw_folder, home.archive, loaded_at=NOON)
    manifest = read_manifest(home.archive)
    if named == "issue":
        assert issues_of_another_archive(home, manifest) == ["var/attestations/S-1/issue-1"]
        return
    assert archive_fault(home, manifest) == "it is not the one that the published build b1 was made of"
    with pytest.raises(OpcoError, match="does not hold the entry that the build names"):
        require_known_archive(home, manifest)


def test_a_manifest_that_was_edited(make_home: Callable[[str], Home]) -> None:
    home = make_home("build")
    path = home.archive / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["loads"][0]["raw_folder"] = "/elsewhere"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert "its manifest was changed" in str(archive_fault(home, read_manifest(home.archive)))
