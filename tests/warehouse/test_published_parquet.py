"""A mart that is too large for the published file is Parquet beside it, behind a view: no reader can tell."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from benchmarks.faults import make_build_file
from warehouse import publish as publishing
from warehouse.publish import publish
from warehouse.published import fault_of, parquet_of, read_record, remove_older, roll_back
from warehouse.query import run_query

ROWS = 300_000


def publish_large(folder: Path, build_id: str, keep: int = 3) -> Path:
    """Publish a build whose mart `fct_lines` is a view of Parquet, as a build on Spark leaves a large one."""
    file = folder / "build.duckdb"
    make_build_file(file, build_id, 5)
    with duckdb.connect(str(file)) as db:
        lines = folder / "spark" / "fct_lines"
        lines.mkdir(parents=True, exist_ok=True)
        db.execute(
            f"copy (select 's' || hash(range) % 100 as session_id, range as line from range({ROWS})) "
            f"to '{lines}/part-0.parquet' (format parquet)"
        )
        db.execute(f"create view marts.fct_lines as from read_parquet('{lines}/*.parquet')")
        db.execute("comment on view marts.fct_lines is 'One row per line.'")
        db.execute("comment on column marts.fct_lines.line is 'Its number.'")
    publish(file, folder / "published", build_id, keep)
    return folder / "published" / "builds" / f"{build_id}.duckdb"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(publishing, "PARQUET_FILE_SIZE", "200KB")
    return publish_large(tmp_path, "b1")


def test_it_reads_as_a_table_would_and_is_described_like_one(published: Path) -> None:
    with duckdb.connect(str(published), read_only=True) as db:
        assert db.execute("select count(*), sum(line) from fct_lines").fetchall() == [(ROWS, ROWS * (ROWS - 1) // 2)]
        comments = "select comment from duckdb_views() where view_name = 'fct_lines' union all "
        comments += "select comment from duckdb_columns() where table_name = 'fct_lines' and comment is not null"
        assert db.execute(comments).fetchall() == [("One row per line.",), ("Its number.",)]
    record = read_record(published)
    assert record is not None
    assert record.row_counts["fct_lines"] == ROWS


def test_a_session_lies_in_few_of_its_files(published: Path) -> None:
    files = sorted((parquet_of(published) / "fct_lines").glob("*.parquet"))
    assert len(files) >= 3
    with duckdb.connect() as db:
        holding = [
            file
            for file in files
            if db.execute(f"select 1 from read_parquet('{file}') where session_id = 's50' limit 1").fetchall()
        ]
    assert len(holding) == 1


def test_what_is_asked_of_it_reaches_its_own_files_and_no_others(published: Path, tmp_path: Path) -> None:
    assert run_query(published, "select count(*) as n from fct_lines", 10).rows == [[ROWS]]
    other = tmp_path / "spark" / "fct_lines" / "part-0.parquet"
    with pytest.raises(Exception, match="disabled by configuration"):
        run_query(published, f"select count(*) from read_parquet('{other}')", 10)


def test_a_file_that_is_gone_or_changed_is_a_fault(published: Path) -> None:
    assert fault_of(published, to_the_last_byte=True) is None
    file = next((parquet_of(published) / "fct_lines").glob("*.parquet"))
    content = file.read_bytes()
    file.write_bytes(content[:-9] + b"x" + content[-8:])
    assert "checksum of its file" in str(fault_of(published, to_the_last_byte=True))
    file.unlink()
    assert f"its file {file} is gone" in str(fault_of(published, to_the_last_byte=False))


def test_what_points_to_it_has_no_key_of_it(tmp_path: Path) -> None:
    file = tmp_path / "build.duckdb"
    make_build_file(file, "b1", 5)
    with duckdb.connect(str(file)) as db:
        db.execute(f"copy (select 'u-1' as user_id) to '{tmp_path}/users.parquet' (format parquet)")
        db.execute(f"create view marts.dim_learners as from read_parquet('{tmp_path}/users.parquet')")
        db.execute("create table marts.dim_program_sessions as select 's-1' as session_id")
        db.execute("create table marts.fct_enrollments as select 'u-1' as user_id, 's-1' as session_id")
    publish(file, tmp_path / "published", "b1", 3)
    with duckdb.connect(str(tmp_path / "published/builds/b1.duckdb"), read_only=True) as db:
        keys = "select constraint_column_names from duckdb_constraints() where constraint_type = 'FOREIGN KEY'"
        assert db.execute(keys).fetchall() == [(["session_id"],)]


def test_it_goes_with_its_build(published: Path, tmp_path: Path) -> None:
    publish_large(tmp_path, "b2")
    assert [build.build_id for build in remove_older(tmp_path / "published", 1)] == ["b1"]
    assert not parquet_of(published).exists()
    assert parquet_of(tmp_path / "published/builds/b2.duckdb").exists()


def test_it_is_no_less_than_the_table_of_another_build(tmp_path: Path) -> None:
    publish_large(tmp_path, "b1")
    file = tmp_path / "build.duckdb"
    make_build_file(file, "b2", 5)
    with duckdb.connect(str(file)) as db:
        db.execute("create table marts.fct_lines as select 's1' as session_id, 1 as line")
    publish(file, tmp_path / "published", "b2", 3)
    assert roll_back(tmp_path / "published", "b1").build_id == "b1"


def test_what_a_killed_publishing_left_of_it_goes_with_the_next(tmp_path: Path) -> None:
    left = tmp_path / "published/builds/b0/fct_lines"
    left.mkdir(parents=True)
    (left / "data_0.parquet").touch()
    publish_large(tmp_path, "b1")
    assert not left.parent.exists()
