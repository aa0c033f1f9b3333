"""The folder that a cluster reaches: the archive goes there whole, and what it made comes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from warehouse.archive import FileVersion, Manifest
from warehouse.lake import bring_back, copy_folder, remove_builds, send_archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / "raw"
    for name in ("users/a.parquet", "users/b.parquet", "courses/c.parquet"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
    return folder


def manifest(*names: str) -> Manifest:
    loaded_at = "2026-11-20T08:25:00.000000Z"
    return Manifest((), tuple(FileVersion(name.split("/")[0], name, name, 1, 1, name, loaded_at, 1) for name in names))


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_without_such_a_folder_nothing_is_copied(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "spark" / "b1"
    assert send_archive(archive, manifest("users/a.parquet"), folder, None) == (str(archive), str(folder))
    copy_folder(str(folder), str(folder))
    bring_back(str(folder), folder)
    remove_builds(None)
    assert not folder.exists()


def test_files_are_sent_once_and_what_the_archive_holds_no_more_goes(archive: Path, tmp_path: Path) -> None:
    shared, build = tmp_path / "shared", tmp_path / "spark" / "b1"
    held = manifest("users/a.parquet", "users/b.parquet", "courses/c.parquet")
    url = f"file://{shared}"
    assert send_archive(archive, held, build, f"{url}/") == (f"{url}/archive", f"{url}/builds/b1")
    assert files_in(shared) == {f"archive/{one.archive_file}" for one in held.files}
    sent = shared / "archive/users/a.parquet"
    assert sent.read_text(encoding="utf-8") == "users/a.parquet"
    # A file is never written again under its name; a copy that was killed has another one.
    sent.write_text("as it was sent", encoding="utf-8")
    (shared / "archive/courses/d.parquet.part").touch()
    forgotten = replace(held.files[1], removed_at="2026-11-21T00:00:00.000000Z")
    send_archive(archive, Manifest((), (held.files[0], forgotten, held.files[2])), build, url)
    assert files_in(shared) == {"archive/users/a.parquet", "archive/courses/c.parquet"}
    assert sent.read_text(encoding="utf-8") == "as it was sent"


def test_what_was_built_comes_back_and_stays_nowhere_else(tmp_path: Path) -> None:
    shared, folder = tmp_path / "shared", tmp_path / "spark" / "b1"
    for name in ("staging/stg_users", "intermediate/int_users", "marts/dim_learners", "raw/raw_files"):
        made = shared / "builds/b1" / name
        made.mkdir(parents=True)
        (made / "part-0.parquet").write_text(name, encoding="utf-8")
    bring_back(f"file://{shared}/builds/b1", folder)
    assert files_in(folder) == {
        "staging/stg_users/part-0.parquet",
        "intermediate/int_users/part-0.parquet",
        "marts/dim_learners/part-0.parquet",
    }
    assert files_in(shared) == set()
    (shared / "builds/killed/marts").mkdir(parents=True)
    remove_builds(f"file://{shared}")
    assert not (shared / "builds").exists()
