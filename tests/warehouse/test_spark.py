"""What surrounds Spark, without it: who may ask for it, and what it made as DuckDB reads it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from warehouse import spark
from warehouse.build_file import remove_build_file
from warehouse.errors import UserError
from warehouse.spark import BuiltTable, built_tables, describe_views, first_line, require_spark, view_parquet


def test_an_environment_without_spark_says_which_one_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"no pyspark\. Nothing was built\.\nSet .* up \(make setup-spark\)"):
        require_spark(None)


def test_a_machine_without_java_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(spark, "find_spec", lambda _: object())
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(UserError, match=r"there is no Java here .*\nInstall one: apt-get install openjdk-17"):
        require_spark(None)
    # A cluster has its own.
    require_spark("sc://cluster:15002")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UserError, match="there is no Java here"):
        require_spark(None)


def test_of_an_error_with_a_plan_the_first_line_is_told() -> None:
    assert first_line(RuntimeError("\n[COLUMN_ALREADY_EXISTS] The column.\n'Project [*]")) == (
        "[COLUMN_ALREADY_EXISTS] The column."
    )
    assert first_line(ValueError()) == "ValueError"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Return the folder of a build of two tables, in a home's folder whose name is odd."""
    folder = tmp_path / "a=b [1]" / "spark" / "b1"
    with duckdb.connect() as db:
        for schema, name, query in (
            ("staging", "stg_users", 'select 1::integer as n, \'a\' as "Le ""titre"""'),
            ("marts", "dim_learners", 'select 1::integer as n, \'a\' as "Le ""titre""", 0.5::double as pct'),
        ):
            (folder / schema / name).mkdir(parents=True)
            db.execute(f"copy ({query}) to '{folder / schema / name / 'part-0.parquet'}' (format parquet)")
    (folder / "raw").mkdir()
    return folder


def test_tables_are_read_with_the_types_that_are_promised(built: Path) -> None:
    staged, mart = built_tables(built)
    assert [(one.schema, one.name) for one in (staged, mart)] == [("staging", "stg_users"), ("marts", "dim_learners")]
    assert mart.byte_count == (mart.folder / "part-0.parquet").stat().st_size
    with duckdb.connect() as db:
        described = db.execute(f"describe {mart.query({'n': 'bigint', 'pct': 'decimal(9, 6)'})}").fetchall()
    assert [row[:2] for row in described] == [("n", "BIGINT"), ('Le "titre"', "VARCHAR"), ("pct", "DECIMAL(9,6)")]


def test_views_of_what_was_built_stand_in_the_build_file_and_go_with_it(built: Path) -> None:
    build_file = built.parent.parent / "opco.duckdb"
    staged, mart = built_tables(built)
    view_parquet(build_file, {staged: {}, mart: {"n": "bigint"}})
    described = {
        "alias": "dim_learners",
        "description": "One row per user.",
        "columns": {"n": {"description": "It's."}},
    }
    describe_views(build_file, [described])
    with duckdb.connect(str(build_file), read_only=True) as db:
        assert db.execute("select n from staging.stg_users").fetchall() == [(1,)]
        assert db.execute("select n, typeof(n) from marts.dim_learners").fetchall() == [(1, "BIGINT")]
        comments = "select comment from duckdb_columns() where table_name = 'dim_learners' and comment is not null"
        assert db.execute(comments).fetchall() == [("It's.",)]
    remove_build_file(build_file)
    assert not built.parent.exists()


def test_a_table_is_told_from_another_of_its_name() -> None:
    assert BuiltTable("staging", "x", Path()) != BuiltTable("marts", "x", Path())
