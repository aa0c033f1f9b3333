"""The archive's chain: who changes a file of the archive, or its manifest, is found out."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from warehouse.archive import (
    MANIFEST,
    check_files,
    load_delivery,
    read_manifest,
    read_whole_manifest,
    remove_superseded,
    require_whole_files,
)
from warehouse.chain import digest_of
from warehouse.errors import OpcoError
from warehouse.files import sha256_of
from warehouse.forgetting import forget_in_archive, identifiers_of, rows_to_forget
from warehouse.forgotten import Forgotten, Redactor

NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)
RECORD = Forgotten("u", "by letter", "someone", "2026-11-05T12:00:00.000000Z", None, None, False, "0.1.0")


@pytest.fixture
def archive(raw_folder: Path, tmp_path: Path) -> Path:
    load_delivery(raw_folder, tmp_path / "archive", loaded_at=NOON)
    return tmp_path / "archive"


def archived(archive: Path, table: str) -> Path:
    (version,) = (one for one in read_manifest(archive).held_files if one.table_name == table)
    return archive / version.archive_file


def edit(file: Path) -> None:
    """Change what every row of an archive file says, as a person with pyarrow would."""
    duckdb.execute(f"copy (select * replace ('x' as file) from '{file}') to '{file}.new' (format parquet)")
    file.with_name(f"{file.name}.new").replace(file)


def edit_manifest(archive: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((archive / MANIFEST).read_text(encoding="utf-8"))
    change(content)
    (archive / MANIFEST).write_text(json.dumps(content), encoding="utf-8")


def forget(archive: Path) -> None:
    manifest = read_manifest(archive)
    redactor = Redactor((RECORD.user_id,), identifiers_of(archive, manifest, RECORD.user_id))
    forget_in_archive(archive, RECORD, redactor, rows_to_forget(archive, manifest, redactor, lambda *_: None))


def test_each_change_is_an_entry_with_its_reason_that_holds_the_hash_of_the_one_before(
    raw_folder: Path, archive: Path
) -> None:
    labels = raw_folder / "user_labels.csv"
    for hour, label in ((13, "a"), (14, "b")):
        labels.write_text(f"user_id,label\nv,{label}\n", encoding="utf-8")
        load_delivery(raw_folder, archive, loaded_at=NOON.replace(hour=hour))
    forget(archive)
    superseded = read_manifest(archive).superseded_files("2026-11-05T13:30:00.000000Z", ())
    remove_superseded(archive, superseded, "2026-11-06T00:00:00.000000Z")
    chain = read_whole_manifest(archive).chain
    assert [(one.number, one.kind, one.reason) for one in chain] == [
        (1, "load", f"load 1 from {raw_folder}"),
        (2, "load", f"load 2 from {raw_folder}"),
        (3, "load", f"load 3 from {raw_folder}"),
        (4, "forgetting", "learner u: by letter"),
        (5, "removal", "1 file versions on which nothing rests"),
    ]
    assert [one.previous for one in chain] == [None, *(one.hash for one in chain[:-1])]
    assert [(len(one.added), len(one.removed)) for one in chain] == [(5, 0), (1, 0), (1, 0), (1, 1), (0, 1)]
    assert check_files(archive, read_manifest(archive)) == []


def test_a_file_that_was_edited_is_named(archive: Path) -> None:
    file = archived(archive, "learning_events")
    edit(file)
    (fault,) = check_files(archive, read_whole_manifest(archive))
    assert fault.startswith(f"{file} (learning_events/2026-09-01.jsonl): its SHA-256 is {sha256_of(file)}, ")
    with pytest.raises(OpcoError, match="Nothing was built"):
        require_whole_files(archive, read_manifest(archive))


def test_a_file_that_was_edited_is_read_again_when_it_is_delivered_again(raw_folder: Path, archive: Path) -> None:
    edit(archived(archive, "users"))
    (warning,) = load_delivery(raw_folder, archive, loaded_at=NOON.replace(hour=13)).warnings
    assert warning.startswith("users.csv: read again, for ")
    assert check_files(archive, read_whole_manifest(archive)) == []
    assert duckdb.sql(f"select distinct file from '{archived(archive, 'users')}'").fetchall() == [("users.csv",)]


def test_a_file_that_was_edited_is_not_given_a_new_checksum_by_forgetting(archive: Path) -> None:
    edit(archived(archive, "users"))
    with pytest.raises(OpcoError, match="Nothing was forgotten"):
        forget(archive)


def _checksum(content: dict[str, Any], archive: Path) -> None:
    for one in content["files"]:
        one["archive_sha256"] = sha256_of(archive / one["archive_file"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["loads"][0].update(loaded_at="2026-01-01T00:00:00.000000Z"), "changed after its last"),
        (lambda content: content["files"].pop(0), "is in no entry of it"),
        (lambda content: content["chain"][0].update(by="nobody"), "its entry 1 .* is not what it was"),
        (lambda content: content["chain"].pop(0), "its entry 2 .* does not follow the one before"),
        (lambda content: content["chain"].pop(), "changed after its last entry"),
        (lambda content: content.update(chain=[]), "no entry of a load"),
    ],
)
def test_a_manifest_that_was_edited_is_refused(
    raw_folder: Path, archive: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    load_delivery(raw_folder, archive, loaded_at=NOON.replace(hour=13))
    edit_manifest(archive, change)
    for begin in (
        lambda: load_delivery(raw_folder, archive, loaded_at=NOON.replace(hour=14)),
        lambda: forget_in_archive(archive, RECORD, Redactor(("u",)), []),
        lambda: remove_superseded(archive, [], "2026-11-06T00:00:00.000000Z"),
    ):
        with pytest.raises(OpcoError, match=message):
            begin()


def test_a_checksum_that_was_edited_with_its_file_is_found(archive: Path) -> None:
    edit(archived(archive, "users"))
    edit_manifest(archive, lambda content: _checksum(content, archive))
    with pytest.raises(OpcoError, match=r"what it says of users/.* is in no entry of it"):
        read_whole_manifest(archive)


def test_what_an_earlier_program_archived_gets_its_checksums_at_the_next_load(raw_folder: Path, archive: Path) -> None:
    def of_before(content: dict[str, Any]) -> None:
        content.update(format=2)
        del content["chain"]
        for one in content["files"]:
            del one["archive_sha256"]

    edit_manifest(archive, of_before)
    assert read_whole_manifest(archive).head is None
    load_delivery(raw_folder, archive, loaded_at=NOON.replace(hour=13))
    manifest = read_whole_manifest(archive)
    assert [one.kind for one in manifest.chain] == ["brought_over", "load"]
    assert "earlier program, which kept no checksums" in manifest.chain[0].reason
    assert all(one.archive_sha256 == sha256_of(archive / one.archive_file) for one in manifest.files)


def test_a_field_that_a_later_release_adds_changes_no_digest() -> None:
    before = {"load": 1, "warnings": ["a"]}
    assert digest_of(before) == digest_of({**before, "added": None, "count": 0, "names": []})
    assert digest_of(before) != digest_of({**before, "added": False})


def test_what_changes_nothing_adds_no_entry(archive: Path) -> None:
    forget(archive)
    chain = read_manifest(archive).chain
    remove_superseded(archive, [], "2026-11-06T00:00:00.000000Z")
    assert read_manifest(archive).chain == chain
