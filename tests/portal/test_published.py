"""The pages follow what is published, and let go of what is not read any more."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from portal.published import PublishedWarehouse
from warehouse.errors import OpcoError, UserError
from warehouse.files import sha256_of
from warehouse.published import BuildRecord, write_record


def publish(link: Path, build_id: str) -> Path:
    """Publish a build of one row and return its file."""
    file = link.parent / "builds" / f"{build_id}.duckdb"
    file.parent.mkdir(exist_ok=True)
    with duckdb.connect(str(file)) as connection:
        connection.execute("create table warehouse_build as select ? as build_id, 2 as rules_edition", [build_id])
        connection.execute("create table load_reconciliation (table_name varchar)")
    temporary = link.with_name("new")
    temporary.symlink_to(file.relative_to(link.parent))
    temporary.replace(link)
    return file


def build_of(warehouse: PublishedWarehouse) -> str:
    with warehouse.cursor() as cursor:
        return str(cursor.execute("select build_id from warehouse_build").fetchall()[0][0])


def is_open(file: Path) -> bool:
    """Tell whether this process holds a file open."""
    descriptors = Path("/proc/self/fd")
    return any(os.path.realpath(one) == str(file) for one in descriptors.iterdir())


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path.resolve() / "opco.duckdb"


def test_a_new_build_is_read_at_once_and_the_one_before_until_its_readers_are_done(link: Path) -> None:
    first = publish(link, "first")
    warehouse = PublishedWarehouse(link)
    with warehouse.cursor() as reading:
        second = publish(link, "second")
        assert build_of(warehouse) == "second"
        # The page that began with the first build ends with it.
        assert reading.execute("select build_id from warehouse_build").fetchall() == [("first",)]
        assert is_open(first)
    assert not is_open(first)
    assert is_open(second)
    warehouse.close()
    assert not is_open(second)


def test_a_build_that_was_written_to_gives_no_file(link: Path) -> None:
    file = publish(link, "first")
    instant = "2099-11-10T06:00:00.000000Z"
    write_record(file, BuildRecord("first", instant, instant, file.stat().st_size, sha256_of(file), {}))
    warehouse = PublishedWarehouse(link)
    with warehouse.cursor() as cursor:
        for _ in range(2):
            warehouse.require_as_published(cursor)
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(OpcoError, match="is not what was published"):
            warehouse.require_as_published(cursor)
        file.write_bytes(content)
        warehouse.require_as_published(cursor)
    warehouse.close()


def test_a_build_that_vanishes_is_read_to_the_end_and_none_is_said_to_be_none(link: Path) -> None:
    file = publish(link, "first")
    warehouse = PublishedWarehouse(link)
    with warehouse.cursor() as reading:
        link.unlink()
        file.unlink()
        with pytest.raises(UserError, match="no published warehouse at"), warehouse.cursor():
            pass
        assert reading.execute("select build_id from warehouse_build").fetchall() == [("first",)]
    publish(link, "second")
    assert build_of(warehouse) == "second"


def test_what_is_prepared_is_seen_by_every_reader_of_its_build_alone(link: Path) -> None:
    def prepare(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("attach ':memory:' as prepared (read_write)")
        connection.execute("create table prepared.one as select build_id from warehouse_build")

    publish(link, "first")
    warehouse = PublishedWarehouse(link, prepare)
    with warehouse.cursor() as old:
        publish(link, "second")
        with warehouse.cursor() as new:
            assert new.execute("from prepared.one").fetchall() == [("second",)]
            assert old.execute("from prepared.one").fetchall() == [("first",)]


def test_many_threads_read_while_builds_change(link: Path) -> None:
    publish(link, "0")
    warehouse = PublishedWarehouse(link)
    with ThreadPoolExecutor(8) as threads:
        reading = [threads.submit(build_of, warehouse) for _ in range(200)]
        for number in range(1, 5):
            publish(link, str(number))
        reading += [threads.submit(build_of, warehouse) for _ in range(200)]
        found = [one.result() for one in reading]
    assert set(found) <= {"0", "1", "2", "3", "4"}
    assert found[-1] == "4"
    assert [one.name for one in sorted((link.parent / "builds").iterdir()) if is_open(one)] == ["4.duckdb"]


def test_what_is_kept_of_a_build_is_asked_anew_of_the_next(link: Path) -> None:
    def build_id(db: duckdb.DuckDBPyConnection) -> str:
        asked.append(1)
        ((found,),) = db.execute("select build_id from warehouse_build").fetchall()
        return str(found)

    asked: list[int] = []
    publish(link, "first")
    warehouse = PublishedWarehouse(link)
    with warehouse.reading() as reading:
        assert reading.once("build", build_id) == reading.once("build", build_id) == "first"
    with warehouse.reading() as before:
        assert before.once("build", build_id) == "first"
        assert len(asked) == 1
        publish(link, "second")
        with warehouse.reading() as after:
            assert after.once("build", build_id) == "second"
        assert before.once("build", build_id) == "first"
    assert len(asked) == 2
    warehouse.close()
