"""Builds on Spark as people ask for them: the same outputs, and what becomes of one that cannot be made."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.defs.warehouse.on_spark import without_plan
from orchestration.home.paths import Home
from tests.commands import OPCO, Opco, result_of
from warehouse.project import PROJECT_DIR

AS_OF = "2026-11-10T18:00:00Z"
DEMO = PROJECT_DIR / "demo"
SESSION = "S-2026-MGMT-09"


@pytest.fixture(scope="module", autouse=True)
def small_jvm() -> Iterator[None]:
    """Let Java make what it runs no faster than a few rows are worth."""
    before = os.environ.get("JDK_JAVA_OPTIONS")
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC"
    yield
    os.environ["JDK_JAVA_OPTIONS"] = before or ""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, opco: Opco) -> Path:
    """A home whose demo campus DuckDB has built, then Spark."""
    folder = tmp_path_factory.mktemp("home")
    settings = (DEMO / "opco.toml").read_text(encoding="utf-8")
    (folder / "opco.toml").write_text(f'{settings}\n[build]\nmemory_limit = "2GB"\n', encoding="utf-8")
    (folder / "assets").symlink_to(DEMO / "assets")
    build(opco, folder, "duckdb")
    told(opco, folder, "duckdb")
    assert build(opco, folder, "spark")["full_refresh_reason"] == "the engine changed (spark, after duckdb)"
    told(opco, folder, "spark")
    return folder


def build(opco: Opco, home: Path, engine: str) -> dict[str, Any]:
    return result_of(opco("build", "--raw", DEMO / "raw", "--engine", engine, "--as-of", AS_OF, "--json", home=home))


def told(opco: Opco, home: Path, engine: str) -> None:
    """Keep what is told of the build that is published: its export, its attestations, and what became of raw rows."""
    folder = home / "told" / engine
    folder.mkdir(parents=True)
    result_of(opco("export", "--output", folder / "export.csv", "--json", home=home))
    issue = result_of(opco("attest", SESSION, "--issued-on", "2026-11-10", "--json", home=home))
    (folder / "issue.json").write_text(json.dumps([issue["changed"], issue["issue_number"]]), encoding="utf-8")
    why = result_of(opco("why", "--session", SESSION, "--limit", "100000", "--json", home=home))
    (folder / "why.json").write_text(json.dumps(why["answers"], sort_keys=True), encoding="utf-8")


def test_exports_are_the_same_to_the_byte(home: Path) -> None:
    one, other = ((home / "told" / engine / "export.csv").read_bytes() for engine in ("duckdb", "spark"))
    assert one == other
    assert one.count(b"\n") > 100


def test_no_attestation_is_replaced(home: Path) -> None:
    issues = [json.loads((home / "told" / engine / "issue.json").read_text("utf-8")) for engine in ("duckdb", "spark")]
    assert issues == [[True, 1], [False, 1]]


def test_what_became_of_raw_rows_is_told_alike(home: Path) -> None:
    one, other = (
        json.loads((home / "told" / engine / "why.json").read_text("utf-8")) for engine in ("duckdb", "spark")
    )
    assert sorted(map(json.dumps, one)) == sorted(map(json.dumps, other))
    assert len(one) > 100


def test_what_is_published_is_described_and_typed_as_ever(home: Path) -> None:
    described = (
        "select table_name, column_name, data_type, comment from duckdb_columns() where not internal order by all"
    )
    builds = sorted((home / "var/published/builds").glob("*.duckdb"))
    columns = []
    for file in builds:
        with duckdb.connect(str(file), read_only=True) as db:
            columns.append(db.execute(described).fetchall())
            assert db.execute("select count(*) from duckdb_constraints()").fetchall() != [(0,)]
    assert len(columns) == 2
    assert columns[0] == columns[1]


def test_a_cluster_that_is_away_leaves_what_is_published(
    home: Path, opco: Opco, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = (home / "var/published/opco.duckdb").resolve()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    finished = started(home, {"OPCO_SPARK_REMOTE": f"sc://127.0.0.1:{port}/;token=secret"})
    said = finished.communicate(timeout=600)[1]
    assert finished.returncode == 1, said
    assert f"No session of Spark begins at sc://127.0.0.1:{port}/: failed to connect to all addresses" in said
    assert "what was published before stays" in said
    assert "secret" not in said
    assert (home / "var/published/opco.duckdb").resolve() == shown


def test_a_jvm_that_is_killed_leaves_what_is_published_and_the_next_build_heals(home: Path, opco: Opco) -> None:
    link = home / "var/published/opco.duckdb"
    shown = link.resolve()
    building = started(home)
    os.kill(java_of(building, Home(home).spark), signal.SIGKILL)
    said = building.communicate(timeout=600)[1]
    assert building.returncode == 1, said
    assert "Spark ended before the build did" in said
    assert "What was published before stays" in said
    assert link.resolve() == shown
    assert build(opco, home, "duckdb")["full_refresh_reason"] == "there is no complete build to start from"
    assert link.resolve() != shown


def test_a_build_that_is_killed_takes_its_jvm_along_and_the_next_one_heals(home: Path, opco: Opco) -> None:
    building = started(home)
    java = java_of(building, Home(home).spark)
    building.kill()
    building.communicate()
    until(lambda: not Path(f"/proc/{java}").exists())
    assert build(opco, home, "duckdb")["full_refresh_reason"] == "there is no complete build to start from"
    # What Spark had made of it is gone.
    assert not Home(home).spark.exists()


def test_a_column_that_a_catalog_refuses_is_told_in_a_line(session: Any) -> None:
    wide = 'create table default.wide using parquet as select 1 as "Σας", 2 as "ΣΑΣ"'
    session.conf.set("spark.sql.caseSensitive", "false")
    with pytest.raises(Exception, match="COLUMN_ALREADY_EXISTS") as refused:
        session.sql(wide)
    session.conf.set("spark.sql.caseSensitive", "true")
    said = without_plan(str(refused.value))
    assert "`σας` already exists" in said
    assert len(said.splitlines()) == 1
    # So it is where a session of ours makes it.
    session.sql(wide)
    assert session.table("default.wide").columns == ["Σας", "ΣΑΣ"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """The address of a Spark Connect server, as a cluster has one."""
    spark = Path(find_spec("pyspark").submodule_search_locations[0])  # type: ignore[union-attr,index]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "spark.connect.grpc.binding.port": port,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.sql.warehouse.dir": tmp_path / "tables",
        "spark.ui.enabled": "false",
    }
    confs = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    service = "org.apache.spark.sql.connect.service.SparkConnectServer"
    log = tmp_path / "server.log"
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [str(spark / "bin" / "spark-submit"), "--master", "local[2]", *confs, "--class", service, "spark-internal"],
            stdout=stream, stderr=stream, cwd=tmp_path, env={**os.environ, "SPARK_HOME": str(spark)},
        )  # fmt: skip
    try:
        until(lambda: b"Spark Connect server started" in log.read_bytes() or server.poll() is not None)
        yield f"sc://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def test_a_cluster_builds_the_same_from_a_folder_that_both_reach(
    home: Path, opco: Opco, cluster: str, tmp_path: Path
) -> None:
    build(opco, home, "duckdb")
    link = home / "var/published/opco.duckdb"
    by_duckdb = link.resolve()
    more = {"OPCO_SPARK_REMOTE": cluster, "OPCO_BUILD__SPARK_FOLDER": f"file://{tmp_path}/shared"}
    building = started(home, more)
    said = building.communicate(timeout=3000)[1]
    assert building.returncode == 0, said
    assert link.resolve() != by_duckdb
    with duckdb.connect() as db:
        for name, file in (("ours", by_duckdb), ("theirs", link.resolve())):
            db.execute(f"attach '{file}' as {name} (read_only)")
        tables = [
            table
            for (table,) in db.execute("select table_name from duckdb_tables() where database_name = 'ours'").fetchall()
            if table != "warehouse_build"
        ]
        assert len(tables) > 30
        for one, other in (("ours", "theirs"), ("theirs", "ours")):
            for table in tables:
                differing = db.execute(f"from {one}.{table} except all from {other}.{table} limit 2").fetchall()
                assert differing == [], table
    # What the cluster had made is gone there; the archive stays for the next build.
    assert (tmp_path / "shared/archive/users").is_dir()
    assert list((tmp_path / "shared/builds").iterdir()) == []


def started(home: Path, more: dict[str, str] | None = None) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPCO_")}
    line = [str(OPCO), "rebuild", "--engine", "spark", "--as-of", AS_OF, "--home", str(home)]
    return subprocess.Popen(
        line, env=environment | (more or {}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def java_of(building: subprocess.Popen[str], spark: Path) -> int:
    """Return the process of the JVM of a build, once it has made a table."""
    until(lambda: bool(list(spark.glob("*/staging/*/*.parquet"))) or building.poll() is not None)
    children = subprocess.run(
        ["ps", "--ppid", str(building.pid), "-o", "pid=,comm="], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    return next(int(line.split()[0]) for line in children if "java" in line)


def until(holds: Any) -> None:
    deadline = time.monotonic() + 600
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)
