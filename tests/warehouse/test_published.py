"""Published builds: kept, shown, taken back, checked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import duckdb
import pytest

from benchmarks.faults import make_build_file
from warehouse.errors import OpcoError, UserError
from warehouse.files import remove_leftovers, sha256_of, temporary_beside, written_atomically
from warehouse.publish import publish
from warehouse.published import (
    BuildRecord,
    changes_beside,
    check_place,
    fault_of,
    page_of,
    published_builds,
    remove_older,
    require_as_published,
    roll_back,
    set_link,
    shown_file,
    was_written_to,
    write_record,
)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Four builds published one after the other, three kept."""
    for number in range(1, 5):
        _publish(tmp_path, f"b{number}", keep=3)
    return tmp_path / "published"


def _publish(folder: Path, build_id: str, keep: int) -> None:
    make_build_file(folder / "build.duckdb", build_id, 5)
    publish(folder / "build.duckdb", folder / "published", build_id, keep)


def _seen(published: Path) -> str:
    with duckdb.connect(str((published / "opco.duckdb").resolve()), read_only=True) as connection:
        ((build_id,),) = connection.execute("select distinct build_id from facts").fetchall()
    return str(build_id)


def test_the_newest_builds_are_kept_each_with_its_record(published: Path) -> None:
    assert [(build.build_id, build.is_shown) for build in published_builds(published)] == [
        ("b4", True),
        ("b3", False),
        ("b2", False),
    ]
    assert sorted(path.name for path in (published / "builds").iterdir()) == [
        f"b{number}{suffix}" for number in (2, 3, 4) for suffix in (".duckdb", ".json")
    ]
    record = json.loads((published / "builds/b4.json").read_text(encoding="utf-8"))
    assert record["row_counts"] == {"facts": 5, "load_reconciliation": 0, "warehouse_build": 1}
    assert record["byte_count"] == (published / "builds/b4.duckdb").stat().st_size


def test_rolling_back_goes_one_back_or_to_the_build_named(published: Path) -> None:
    assert roll_back(published).build_id == "b3"
    assert _seen(published) == "b3"
    assert roll_back(published).build_id == "b2"
    with pytest.raises(UserError, match=r"No build older .*\n  b4\n  b3\n  b2  \(published\)"):
        roll_back(published)
    assert roll_back(published, "b4").build_id == "b4"
    assert _seen(published) == "b4"


def test_the_build_that_is_shown_is_kept_however_old(published: Path) -> None:
    roll_back(published, "b2")
    page_of(published / "builds/b3.duckdb").touch()
    assert [build.build_id for build in remove_older(published, 1)] == ["b3"]
    assert not page_of(published / "builds/b3.duckdb").exists()
    assert [build.build_id for build in published_builds(published)] == ["b4", "b2"]
    assert _seen(published) == "b2"


def test_a_build_that_an_earlier_release_published_is_not_shown(tmp_path: Path) -> None:
    for name in ("b1", "b2"):
        make_build_file(tmp_path / "build.duckdb", name, 5)
        with duckdb.connect(str(tmp_path / "build.duckdb")) as connection:
            connection.execute("alter table marts.load_reconciliation rename to load_balance")
        publish(tmp_path / "build.duckdb", tmp_path / "published", name, keep=3)
    with pytest.raises(UserError, match=r"builds/b1\.duckdb was published by an earlier release"):
        roll_back(tmp_path / "published")
    assert _seen(tmp_path / "published") == "b2"


def test_a_build_that_lacks_what_the_shown_one_has_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "builds").mkdir()
    for name, tables in {
        "b1": "create table facts as select 1 as id, 'x' as field_1; create table lost as select 1 as id",
        "b2": "create table facts as select 1 as id, 'x' as field_2, false as is_gone",
        "b3": "create table facts as select 1 as id, 'x' as field_3, false as is_gone; create table fresh (id bigint)",
    }.items():
        file = tmp_path / "builds" / f"{name}.duckdb"
        with duckdb.connect(str(file)) as db:
            db.execute(f"create table warehouse_build as select '{name}' as build_id, '0.7' as opco_version")
            db.execute("create table load_reconciliation (files bigint)")
            # An organisation's own fields tell no release.
            db.execute(f"create table dim_custom_fields as select 'field_{name[1]}' as column_name")
            db.execute(tables)
        at = "2099-11-10T06:00:00.000000Z"
        write_record(file, BuildRecord(name, at, at, file.stat().st_size, sha256_of(file), {}))
        set_link(tmp_path, file)
    refused = r"build b1 is not shown: opco 0\.7 made it.* lacks facts\.is_gone, fresh, which .*opco rebuild"
    with pytest.raises(UserError, match=refused):
        roll_back(tmp_path, "b1")
    with pytest.raises(UserError, match=r"build b2 is not shown: .* lacks fresh, which"):
        roll_back(tmp_path)
    shown = shown_file(tmp_path)
    assert shown is not None
    assert shown.stem == "b3"
    # Of what cannot be read nothing is known: then any build is better.
    _overwrite(shown, b"no database", later=False)
    assert roll_back(tmp_path, "b1").build_id == "b1"


@pytest.mark.parametrize("name", ["b1", "../builds/b4", "b4.duckdb", "nothing", ""])
def test_a_build_that_is_gone(published: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"is not kept: it is gone.*\n  b4  \(published\)\n  b3\n  b2\n`opco rebuild`"):
        roll_back(published, name)
    assert _seen(published) == "b4"


def test_nothing_to_roll_back_to(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="opco build --raw"):
        roll_back(tmp_path)


def _overwrite(path: Path, content: bytes, *, later: bool) -> None:
    """Put other bytes into a published file, as a failing disk does, or `later`, as somebody who writes to it."""
    times = path.stat()
    path.chmod(0o640)
    path.write_bytes(content)
    if not later:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_published_file_is_not_opened_for_writing(published: Path) -> None:
    mode = (published / "builds/b4.duckdb").stat().st_mode
    assert mode & 0o222 == 0
    assert mode & 0o440 == 0o440
    # Nor does it keep an old build from being removed, or the same from being published again.
    assert [build.build_id for build in remove_older(published, 1)] == ["b3", "b2"]


def test_what_somebody_changed_is_told_from_damage(published: Path) -> None:
    file = published / "builds/b4.duckdb"
    written = file.stat().st_mtime + 60
    file.chmod(0o640)
    with duckdb.connect(str(file)) as connection:
        connection.execute("create table notes as select 1 as mine from range(100000)")
    os.utime(file, (written, written))
    assert was_written_to(file)
    assert str(fault_of(file, to_the_last_byte=True)).startswith("somebody wrote to it at ")


def test_changes_that_wait_beside_a_file_are_a_fault(published: Path) -> None:
    file = published / "builds/b4.duckdb"
    changes_beside(file).write_bytes(b"changes")
    assert "b4.duckdb.wal stands beside it" in str(fault_of(file, to_the_last_byte=False))
    with pytest.raises(OpcoError, match="stands beside it"):
        require_as_published(file)
    roll_back(published, "b3")
    remove_older(published, 1)
    assert not changes_beside(published / "builds/b2.duckdb").exists()


def test_damage_by_a_disk_is_nobodys_writing(published: Path) -> None:
    file = published / "builds/b4.duckdb"
    _overwrite(file, b"\0" + file.read_bytes()[1:], later=False)
    assert str(fault_of(file, to_the_last_byte=True)).startswith("its checksum is not that")
    assert not was_written_to(file)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: _overwrite(path, path.read_bytes()[:-1], later=True), "bytes, and"),
        (lambda path: _overwrite(path, b"\0" + path.read_bytes()[1:], later=False), "its checksum is not that"),
        (lambda path: path.unlink(), "is not kept"),
    ],
)
def test_a_damaged_build_is_not_shown(published: Path, damage: object, message: str) -> None:
    damage(published / "builds/b3.duckdb")  # type: ignore[operator]
    with pytest.raises(OpcoError, match=message):
        roll_back(published, "b3")
    assert _seen(published) == "b4"


def test_what_is_wrong_with_a_file(published: Path, tmp_path: Path) -> None:
    file = published / "builds/b4.duckdb"
    assert fault_of(file, to_the_last_byte=True) is None
    assert fault_of(tmp_path / "none.duckdb", to_the_last_byte=False) == "the file is gone"
    other = published / "builds/b9.duckdb"
    other.write_bytes(file.read_bytes())
    assert "its record b9.json, which says what was published, cannot be read" in str(
        fault_of(other, to_the_last_byte=True)
    )
    (published / "builds/b9.json").write_bytes((published / "builds/b4.json").read_bytes())
    assert fault_of(other, to_the_last_byte=True) == "it holds another build than its name says"
    (published / "builds/b9.json").unlink()
    other.write_bytes(b"no DuckDB file at all" * 1000)
    assert "cannot read it" in str(fault_of(other, to_the_last_byte=False))


def test_a_build_killed_before_it_was_shown_is_shown_by_the_next_try(published: Path, tmp_path: Path) -> None:
    roll_back(published, "b3")
    before = (published / "builds/b4.duckdb").stat()
    _publish(tmp_path, "b4", keep=3)
    after = (published / "builds/b4.duckdb").stat()
    assert _seen(published) == "b4"
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    living = temporary_beside(tmp_path / "living.csv")
    living.touch()
    dead = tmp_path / living.name.replace(f".{os.getpid()}.", ".999999999.")
    dead.touch()
    (tmp_path / f"{dead.name}.wal").touch()
    folder = tmp_path / f"{dead.name}-spill"
    folder.mkdir()
    (folder / "block").touch()
    host = living.name.split(".")[-4]
    elsewhere = tmp_path / dead.name.replace(f".{host}.", ".elsewhere.")
    elsewhere.touch()
    old = tmp_path / elsewhere.name.replace(".living.csv", ".old.csv")
    old.touch()
    os.utime(old, (0, 0))
    theirs = tmp_path / ".theirs.999999999.tmp"
    theirs.touch()
    assert len(remove_leftovers(tmp_path)) == 4
    assert sorted(tmp_path.iterdir()) == sorted([living, elsewhere, theirs])


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    target = tmp_path / ("é" * 127)
    with written_atomically(target) as temporary:
        temporary.write_text("whole", encoding="utf-8")
    assert target.read_text(encoding="utf-8") == "whole"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_system_without_symbolic_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    check_place(tmp_path)
    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(OpcoError, match=r"took no symbolic link or no rename .*local file system"):
        check_place(tmp_path)
    assert shown_file(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == ["builds"]
