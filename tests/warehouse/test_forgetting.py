"""Forgetting a learner in the archive: what goes, what stays, and that no later delivery brings it back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from warehouse.archive import MANIFEST, Manifest, load_delivery, read_manifest
from warehouse.build_state import reason_for_full_refresh, state_of
from warehouse.errors import OpcoError
from warehouse.forgetting import forget_in_archive, forgotten_learner, identifiers_of, rows_to_forget, write_record
from warehouse.forgotten import Forgotten, Identifiers, Redactor

NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)
USERS = """\
user_id,email,username,first_name,last_name,additional_information,status,deleted_at,language,employer
u1,Zoe@exemple.fr,zoe.martin,Zoé,Martin,appeler le soir,active,2026-01-05T10:00:00Z,fr,Ardoise
 u2 ,ines@exemple.fr,ines.martin,Inès,Martin,,active,,fr,Ardoise
,zoe@exemple.fr,,Zoé,Martin,,active,,fr,
u11,paul@exemple.fr,paul,Paul,Girard,,active,,fr,Ardoise
u1,zoe@exemple.fr,"Martin
"""
RECORD = Forgotten("u1", "by letter", "someone", "2026-11-05T12:00:00.000000Z", None, None, False, "0.1.0")


@pytest.fixture
def folder(raw_folder: Path) -> Path:
    """A delivery with two learners of one last name, values, labels, a row of no id, and records that are malformed."""
    (raw_folder / "users.csv").write_text(USERS.replace('"Martin\n', "Martin\n"), encoding="utf-8")
    (raw_folder / "custom_fields.csv").write_text("custom_field_id,title\nf,Poste\n", encoding="utf-8")
    (raw_folder / "user_custom_field_values.csv").write_text(
        "user_id,custom_field_id,value\nu1,f,Gouvernante\nu2,f,Cuisine\n", encoding="utf-8"
    )
    (raw_folder / "user_labels.csv").write_text(
        "user_id,label\nu1,Équipe du soir\nu2,Équipe du matin\n", encoding="utf-8"
    )
    events = raw_folder / "learning_events" / "2026-09-01.jsonl"
    event = {"event_id": "2", "user_id": "u1", "session_id": "s", "course_id": "c", "verb": "active"}
    lines = [json.dumps({**event, "occurred_at": "2026-09-01T08:05:00Z"}), "no JSON, by zoe@exemple.fr"]
    events.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return raw_folder


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    load_delivery(folder, tmp_path / "archive", loaded_at=NOON)
    return tmp_path / "archive"


def rows(archive: Path, table: str) -> list[tuple[Any, ...]]:
    """All rows of a table, in every file that the manifest names."""
    files = [str(archive / one.archive_file) for one in read_manifest(archive).files if one.table_name == table]
    return duckdb.execute("select * from read_parquet($files) order by file, line", {"files": files}).fetchall()


def forget(archive: Path, record: Forgotten = RECORD) -> Forgotten:
    manifest = read_manifest(archive)
    redactor = Redactor((record.user_id,), identifiers_of(archive, manifest, record.user_id))
    return forget_in_archive(archive, record, redactor, rows_to_forget(archive, manifest, redactor, lambda *_: None))


def test_marks_are_what_no_other_learner_has(archive: Path) -> None:
    identifiers = identifiers_of(archive, read_manifest(archive), "u1")
    assert set(identifiers.single) == {
        "Zoe@exemple.fr",
        "zoe.martin",
        "appeler le soir",
        "Gouvernante",
        "Équipe du soir",
    }
    assert identifiers.pairs == (("Zoé", "Martin"),)
    assert identifiers.are_in("Martin;ZOÉ;05/11/2026")
    assert identifiers.are_in("to: <zoe@exemple.fr>")
    assert not identifiers.are_in("Inès;Martin")
    assert not identifiers.are_in("xzoe@exemple.fr")


def test_marks_say_the_same_in_python_and_in_sql() -> None:
    identifiers = Identifiers(("a.b+c@d", "O'Brien"), (("Zoé", "D'Été"),))
    texts = ["a.b+c@d", "axb+c@d", "xa.b+c@d", "o'brien", "Zoé\x1fD'été", "Zoé", "(O'BRIEN)", "O'Briens", "zoé_D'Été"]
    asked = duckdb.execute(
        f"select list_transform($texts, lambda text: {identifiers.condition('text')})", {"texts": texts}
    )
    assert asked.fetchall() == [([identifiers.are_in(text) for text in texts],)]
    assert [identifiers.are_in(text) for text in texts] == [True, False, False, True, True, False, True, False, False]


def test_the_data_goes_and_the_id_stays(archive: Path) -> None:
    before = {table: rows(archive, table) for table in ("users", "user_custom_field_values", "learning_events")}
    record = forget(archive)
    users = rows(archive, "users")
    empty = (None,) * 5
    assert users[0] == ("users.csv", 2, None, None, "u1", *empty, "deleted", "2026-01-05T10:00:00Z", None, None)
    assert users[1] == before["users"][1]
    assert users[2] == ("users.csv", 4, None, None, "", *empty, "deleted", "", None, None)
    assert users[3] == before["users"][3]
    assert users[4] == ("users.csv", 6, "(forgotten)", *(None,) * 11)
    assert rows(archive, "user_custom_field_values") == before["user_custom_field_values"][1:]
    assert [row[-1] for row in rows(archive, "user_labels")] == ["Équipe du matin"]
    events = rows(archive, "learning_events")
    assert events[0] == before["learning_events"][0]
    assert events[1][2] == "(forgotten)"
    assert {(one.table_name, one.row_count) for one in record.rewritten} == {
        ("users", 3), ("user_custom_field_values", 1), ("user_labels", 1), ("learning_events", 1)
    }  # fmt: skip


def test_the_manifest_says_what_was_done_and_what_was_delivered(archive: Path) -> None:
    before = {one.file: one for one in read_manifest(archive).files}
    forget(archive)
    manifest = read_manifest(archive)
    for one in manifest.files:
        earlier = before[one.file]
        rewritten = {"users.csv": 3, "user_custom_field_values.csv": 1, "user_labels.csv": 1}.get(
            one.file, 1 if one.table_name == "learning_events" else 0
        )
        assert (one.sha256, one.byte_count, one.forgotten_rows) == (earlier.sha256, earlier.byte_count, rewritten)
        assert (one.archive_file == earlier.archive_file) is (rewritten == 0)
        assert one.row_count == len(duckdb.execute(f"from '{archive / one.archive_file}'").fetchall())
    record = forgotten_learner(manifest, "u1")
    assert record is not None
    assert (record.reason, record.completed_at) == ("by letter", None)
    assert forgotten_learner(manifest, "u2") is None
    text = (archive / MANIFEST).read_text(encoding="utf-8")
    assert not any(word in text.lower() for word in ("zoe", "martin", "gouvernante", "soir"))
    # No file is left that the manifest does not name.
    assert {path.relative_to(archive).as_posix() for path in archive.glob("*/*")} == {
        one.archive_file for one in manifest.files
    }


def test_no_later_delivery_brings_it_back(archive: Path, folder: Path) -> None:
    forget(archive)
    summary = load_delivery(folder, archive, loaded_at=NOON)
    assert any("the forgetting of learner u1 did not end" in warning for warning in summary.warnings)
    assert len(rows(archive, "users")) == 5
    (folder / "users.csv").write_text(USERS.replace('"Martin\n', "Martin\nu3,a@b.c,,,,,,,,\n"), encoding="utf-8")
    (folder / "user_labels.csv").write_text("label,user_id\nÉquipe de nuit,u1\nSoir,u2\n", encoding="utf-8")
    load_delivery(folder, archive, loaded_at=NOON)
    current = {table: files[0] for table, files in read_manifest(archive).current_files().items() if files}
    assert (current["users"].row_count, current["users"].forgotten_rows) == (6, 2)
    assert (current["user_labels"].row_count, current["user_labels"].forgotten_rows) == (1, 1)
    users = duckdb.execute(f"select user_id, email from '{archive / current['users'].archive_file}'").fetchall()
    assert ("u1", None) in users
    assert ("u11", "paul@exemple.fr") in users
    labels = duckdb.execute(f"select user_id, label from '{archive / current['user_labels'].archive_file}'").fetchall()
    assert labels == [("u2", "Soir")]


def test_the_next_build_is_made_in_full(archive: Path, tmp_path: Path) -> None:
    def state(manifest: Manifest) -> Any:
        return state_of("id", NOON, "models", {}, manifest)

    build_file = tmp_path / "opco.duckdb"
    build_file.touch()
    before = read_manifest(archive)
    assert reason_for_full_refresh(state(before), state(before), before, build_file) is None
    forget(archive)
    after = read_manifest(archive)
    assert reason_for_full_refresh(state(before), state(after), after, build_file) == (
        "the archive is another one than that of the last build"
    )


def test_a_stop_half_way_leaves_the_archive_as_it_was(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in archive.rglob("*") if path.is_file()}
    redact = Redactor.redact

    def full_disk(self: Redactor, source: Path, target: Path, table: Any) -> int:
        if table.name == "user_labels":
            target.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        return redact(self, source, target, table)

    monkeypatch.setattr(Redactor, "redact", full_disk)
    with pytest.raises(OpcoError, match=r"No space left on device\). The archive is as it was"):
        forget(archive)
    assert {path: path.read_bytes() for path in archive.rglob("*") if path.is_file()} == before


def test_records_are_kept_side_by_side_and_completed(archive: Path) -> None:
    forget(archive)
    forget(archive, replace(RECORD, user_id="u2", reason="by mail"))
    write_record(archive, replace(RECORD, completed_at="2026-11-05T12:01:00.000000Z"))
    manifest = read_manifest(archive)
    assert {one.user_id: one.completed_at is None for one in manifest.forgotten} == {"u1": False, "u2": True}
    assert {one.forgotten_rows for one in manifest.files if one.table_name == "users"} == {4}


def test_a_manifest_of_before_is_read_and_one_of_after_is_refused(archive: Path) -> None:
    path = archive / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    old = {**content, "format": 1, "files": [{**one} for one in content["files"]]}
    del old["forgotten"]
    for one in old["files"]:
        del one["forgotten_rows"]
    path.write_text(json.dumps(old), encoding="utf-8")
    assert len(read_manifest(archive).files) == len(content["files"])
    path.write_text(json.dumps({**content, "format": 4}), encoding="utf-8")
    with pytest.raises(OpcoError, match="Install the version of opco-warehouse that wrote it, or a later one"):
        read_manifest(archive)
