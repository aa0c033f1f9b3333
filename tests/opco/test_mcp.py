"""`opco mcp` on the demo campus, asked by the protocol's own client in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import duckdb
import pytest
from mcp.client import Client

from opco.cli import run
from opco.mcp import Tools, make_server
from orchestration.home.audit import AuditLog
from orchestration.home.paths import Home
from warehouse.errors import UserError
from warehouse.project import PROJECT_DIR
from warehouse.query import run_query
from warehouse.query_cell import RefusedError, answered, opened_alone

pytestmark = pytest.mark.xdist_group("demo")

Ask = Callable[..., dict[str, Any]]
SECRETS = Path("/etc/passwd")


@pytest.fixture
def ask(demo_home: Path) -> Ask:
    """Call a tool, and return its answer; an error is its text."""
    server = make_server(Home(demo_home))

    def called(tool: str, **arguments: Any) -> dict[str, Any]:
        async def call() -> dict[str, Any]:
            async with Client(server) as client:
                result = await client.call_tool(tool, arguments)
            text: str = result.content[0].text  # type: ignore[union-attr]
            return {"error": text} if result.is_error else json.loads(text)

        return anyio.run(call)

    return called


@pytest.fixture(scope="module")
def published(demo_home: Path) -> Path:
    return (demo_home / "var/published/opco.duckdb").resolve()


def test_it_says_what_it_exposes_and_that_it_only_reads(demo_home: Path) -> None:
    async def listed() -> tuple[str | None, list[Any]]:
        async with Client(make_server(Home(demo_home))) as client:
            return client.instructions, (await client.list_tools()).tools

    instructions, tools = anyio.run(listed)
    assert "PERSONAL DATA" in str(instructions)
    assert {tool.name for tool in tools} == {
        *("list_sessions", "session_totals", "learner_totals", "why", "verify", "describe_tables", "query")
    }
    assert all(tool.annotations.read_only_hint for tool in tools)


def test_totals_are_those_of_the_marts(ask: Ask, published: Path) -> None:
    assert [one["session_id"] for one in ask("list_sessions", search="cyber")["sessions"]] == ["S-2026-CYB-09"]
    answer = ask("session_totals", session_id="S-2026-MGMT-09")
    assert answer["build_id"] == published.stem
    assert (answer["session"]["retained_seconds"], answer["session"]["retained_time"]) == (427391, "118:43:11")
    assert sum(one["retained_seconds"] for one in answer["learners"]) == 427391
    learner = ask("learner_totals", user_id="u-1012")
    assert learner["learner"]["accounts_of_person"] == ["u-1012"]
    assert [(one["session_id"], one["retained_time"]) for one in learner["sessions"]] == [
        ("S-2026-MGMT-09", "09:17:14"),
        ("S-2026-CYB-09", "03:13:18"),
    ]


def test_why_and_verify_answer_as_the_commands_do(ask: Ask, home: Home) -> None:
    answer = ask("why", user="u-1012", day="2026-10-13")
    assert (answer["row_count"], answer["rows"][0]["outcome"]) == (8, "connection")
    assert "no delivered row has this id" in ask("why", user="u-1O12")["error"]
    folder = home.attestations / "S-1"
    folder.mkdir(parents=True)
    (folder / "some.pdf").write_bytes(b"%PDF-1.7, and no more")
    answer = Tools(home).verify("attestations/S-1/some.pdf")
    assert (answer["is_sound"], answer["kind"]) == (False, "pdf")
    for outside in ("/etc/passwd", "../opco.toml", "attestations/../build/opco.duckdb", "attestations/none"):
        with pytest.raises(UserError, match=r"is no issued document of this home.*There is: attestations/S-1\."):
            Tools(home).verify(outside)


def test_a_query_gives_so_many_rows_as_they_are(ask: Ask) -> None:
    answer = ask("query", sql="select * from range(5)", row_limit=2)
    assert (answer["rows"], answer["is_cut"]) == ([[0], [1]], True)
    sql = """
        select sum(retained_seconds), any_value(timestamp '2026-01-01 08:00:00'), 0.1::decimal(2, 1), 'nan'::double
        from fct_opco_connections
    """
    assert ask("query", sql=sql)["rows"] == [[949753, "2026-01-01T08:00:00", "0.1", "nan"]]
    sql = "select data_as_of, data_as_of as built_at, data_as_of as built_local from warehouse_build"
    assert ask("query", sql=sql)["rows"] == [["2026-11-10T18:00:00Z", "2026-11-10T18:00:00Z", "2026-11-10T18:00:00"]]
    assert ask("query", sql="select 1")["data_as_of"] == "2026-11-10T18:00:00Z"
    assert ask("describe_tables", table="dim_courses")["columns"][0]["column"] == "course_id"
    assert "has no table 'courses'" in ask("describe_tables", table="courses")["error"]
    assert "Referenced column" in ask("query", sql="select nope from dim_learners")["error"]


@pytest.mark.parametrize(
    "sql",
    [
        f"select * from read_text('{SECRETS}')",
        f"from '{SECRETS}'",
        f"select * from read_csv('{SECRETS}')",
        "select * from glob('/*')",
        "select * from read_blob('/proc/self/environ')",
        "select * from read_parquet('https://example.org/x.parquet')",
        "select * from query('select * from read_text(''/etc/passwd'')')",
        "attach '/tmp/other.duckdb'",
        "copy (select 1) to '/tmp/opco-mcp.csv'",
        "export database '/tmp/opco-mcp'",
        "install httpfs",
        "load '/tmp/some.duckdb_extension'",
        "set enable_external_access = true",
        "reset lock_configuration",
        "pragma enable_profiling",
        "call enable_logging()",
        "create temp table mine as select 1",
        "delete from dim_learners",
        "select 1; set lock_configuration = false",
        "explain analyze delete from dim_learners",
        "select * from duckdb_secrets()",
        # A variable of Python's.
        "select * from asked",
        "select getenv('PATH')",
    ],
)
def test_a_query_reaches_nothing_else(published: Path, sql: str) -> None:
    with opened_alone(str(published)) as db, pytest.raises((RefusedError, duckdb.Error)):
        answered(db, sql, 10)


def test_nor_does_its_process() -> None:
    opens = "from warehouse.query_cell import limit_process; limit_process(5, 2**32); open('/etc/passwd')"
    ended = subprocess.run([sys.executable, "-c", opens], capture_output=True, text=True, check=False, cwd=PROJECT_DIR)
    assert "Too many open files: '/etc/passwd'" in ended.stderr


def test_a_query_has_limits(published: Path) -> None:
    endless = (
        "select count(*) from range(1000000000000) as a, range(1000000000000) as b where a.range % 7 = b.range % 11"
    )
    with pytest.raises(UserError, match=r"took more than 1 seconds and was ended\. Narrow it"):
        run_query(published, endless, 10, seconds=1)
    with pytest.raises(UserError, match="Out of Memory"):
        run_query(published, "select range(2000000000)", 10)
    with pytest.raises(UserError, match=r"The first row alone is larger than 400,000 bytes\. Name fewer columns"):
        run_query(published, "select repeat('x', 500000)", 10)
    with pytest.raises(UserError, match="1 to 1,000 rows, not 0"):
        run_query(published, "select 1", 0)
    assert run_query(published, "select repeat('x', 100000) from range(9)", 10).is_cut


def test_settings_of_the_query_stay_as_they_are(published: Path) -> None:
    found = run_query(
        published, "select current_setting('enable_external_access'), current_setting('lock_configuration')", 1
    )
    assert found.rows == [[False, True]]


def test_every_call_is_on_the_audit_log_or_is_not_answered(
    ask: Ask, demo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AuditLog.of(Home(demo_home))
    ask("query", sql="select 1 as one")
    ask("why", user="nobody")
    told = [json.loads(line) for line in log.path.read_text(encoding="utf-8").splitlines()[-2:]]
    assert [(one["action"], one["tool"], one["arguments"]) for one in told] == [
        ("assistant_asked", "query", {"sql": "select 1 as one", "row_limit": 100}),
        ("assistant_asked", "why", {"user": "nobody", "limit": 50}),
    ]
    assert told[0]["client"].startswith("account ")
    assert log.fault() is None

    def full(*_arguments: object, **_facts: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AuditLog, "add", full)
    assert "No space left on device" in ask("query", sql="select 1")["error"]


def test_without_the_package_it_is_said_how_to_get_it(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("opco.mcp.find_spec", lambda _name: None)
    assert run(["mcp", "--home", str(home.folder)]) == 2
    assert "make setup installs it" in capsys.readouterr().err
