"""Somebody who may write to the home edits the archive or the published file: it is told, and nothing is issued."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from reports.issuing.manifest import read_manifest as read_issue
from reports.issuing.verify import verify
from tests.commands import Opco, result_of
from warehouse.archive import MANIFEST, read_manifest
from warehouse.files import sha256_of
from warehouse.project import PROJECT_DIR

pytestmark = pytest.mark.xdist_group("demo")

RAW = PROJECT_DIR / "demo/raw"
AS_OF = ("--as-of", "2026-11-10T18:00:00Z")
SESSION = "S-2026-CYB-09"


@pytest.fixture
def home(demo_home: Path, tmp_path: Path) -> Path:
    home = tmp_path / "home"
    shutil.copytree(demo_home, home, symlinks=True)
    return home


def _edit_connections(home: Path) -> Path:
    """End every archived connection of October in the evening, as pyarrow could in six lines."""
    version = next(one for one in read_manifest(home / "var/raw").files if one.file == "course_connections/2026-10.csv")
    file = home / "var/raw" / version.archive_file
    edited = "* replace (replace(disconnected_at, 'T09:', 'T19:') as disconnected_at)"
    duckdb.execute(f"copy (select {edited} from '{file}') to '{file}.new' (format parquet)")
    file.with_name(f"{file.name}.new").replace(file)
    return file


def test_an_edited_archive_is_named_and_nothing_is_built_of_it(home: Path, opco: Opco) -> None:
    published = (home / "var/published/opco.duckdb").resolve()
    file = _edit_connections(home)
    done = opco("status", "--check", home=home)
    assert done.returncode == 1
    assert f"Archive   NOT AS IT WAS: {file} (course_connections/2026-10.csv): its SHA-256 is" in done.stdout
    rebuilt = opco("rebuild", *AS_OF, home=home)
    assert rebuilt.returncode == 1
    assert f"The archive was changed by other means than opco:\n  {file}" in rebuilt.stderr
    assert (home / "var/published/opco.duckdb").resolve() == published
    # Delivered again, it is read anew, and the load says so.
    built = result_of(opco("build", "--raw", RAW, *AS_OF, "--json", home=home))
    assert any("2026-10.csv: read again" in warning for warning in built["load"]["warnings"])
    assert result_of(opco("status", "--check", "--json", home=home))["archive"]["fault"] is None


def test_a_chain_that_was_begun_anew_is_not_the_one_that_the_published_build_names(home: Path, opco: Opco) -> None:
    _edit_connections(home)
    path = home / "var/raw" / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    content.update(format=2, chain=[])
    for one in content["files"]:
        del one["archive_sha256"]
    path.write_text(json.dumps(content), encoding="utf-8")
    for command in (("rebuild", *AS_OF), ("build", "--raw", RAW, *AS_OF)):
        refused = opco(*command, home=home)
        assert refused.returncode == 1
        assert "is not the one that the published build" in refused.stderr
    assert json.loads(path.read_text(encoding="utf-8")) == content
    assert "is not the one that the published build" in opco("status", home=home).stdout


def test_an_edited_published_file_issues_nothing(home: Path, opco: Opco) -> None:
    issued = result_of(opco("attest", SESSION, "--json", home=home))
    shown = (home / "var/published/opco.duckdb").resolve()
    shown.chmod(0o640)
    with duckdb.connect(str(shown)) as connection:
        connection.execute("update fct_opco_connections set retained_seconds = retained_seconds + 36000")
        connection.execute("update fct_learner_sessions set retained_seconds = retained_seconds + 36000")
    files = sorted((home / "var/exports").rglob("*"))
    for command in (("attest", SESSION), ("export",)):
        refused = opco(*command, home=home)
        assert refused.returncode == 1
        assert f"The published file {shown} is not what was published: somebody wrote to it at" in refused.stderr
        assert "opco rebuild" in refused.stderr
    assert sorted((home / "var/exports").rglob("*")) == files
    folder = Path(issued["folder"]).parent
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "issue-1"]
    # The record that says what was published is part of it.
    shown.with_suffix(".json").unlink()
    assert "which says what was published, cannot be read" in opco("attest", SESSION, home=home).stderr


def test_an_issue_says_of_what_by_whom_and_by_which_way_it_was_made(home: Path, opco: Opco) -> None:
    first = result_of(opco("attest", SESSION, "--json", home=home))
    second = result_of(opco("attest", SESSION, "--place", "Lyon", "--json", home=home))
    manifest = read_issue(Path(second["folder"]))
    assert manifest.making is not None
    assert manifest.making.way == "command"
    assert manifest.archive_head == read_manifest(home / "var/raw").head
    assert manifest.published_sha256 == sha256_of((home / "var/published/opco.duckdb").resolve())
    assert manifest.previous_manifest_sha256 == sha256_of(Path(first["folder"]) / "manifest.json")
    assert verify(Path(second["folder"]).parent).faults == []


def test_a_date_of_issue_before_the_data_needs_a_reason_that_is_kept(home: Path, opco: Opco) -> None:
    antedated = ("attest", SESSION, "--issued-on", "2019-01-01", "--legal-representative", "Jean Dupont")
    refused = opco(*antedated, home=home)
    assert refused.returncode == 2
    assert "The date of issue, 2019-01-01, is no day from that of the data, 2026-11-10, to today" in refused.stderr
    assert "no day from that of the data" in opco("attest", SESSION, "--issued-on", "2126-01-01", home=home).stderr
    made = result_of(opco(*antedated, "--reason", "lost, made again", "--json", home=home))
    manifest = read_issue(Path(made["folder"]))
    assert (manifest.issued_on_reason, manifest.differs_from_settings) == (
        "lost, made again",
        ("legal_representative",),
    )
    found = verify(Path(made["folder"]))
    assert found.faults == []
    assert any("before the day of its data, 2026-11-10: lost, made again" in said for _, said in found.remarks)
