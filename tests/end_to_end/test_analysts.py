"""The queries of docs/analysts.md, on the demo: each gives the columns that the page says."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from orchestration.home.paths import Home
from warehouse.project import PROJECT_DIR

pytestmark = pytest.mark.xdist_group("demo")

PAGE = (PROJECT_DIR / "docs" / "analysts.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```\n\nAnswer: (.*?);", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def db(demo_home: Path) -> duckdb.DuckDBPyConnection:
    """The published demo, read-only."""
    return duckdb.connect(str(Home(demo_home).warehouse.resolve()), read_only=True)


def test_every_query_says_its_answer() -> None:
    assert len(QUERIES) == PAGE.count("```sql") == 14
    assert [int(number) for number in re.findall(r"^## (\d+)\. ", PAGE, re.MULTILINE)] == list(range(1, 13))


@pytest.mark.parametrize(("query", "answer"), QUERIES, ids=[str(number) for number in range(1, len(QUERIES) + 1)])
def test_the_query_gives_the_answer(db: duckdb.DuckDBPyConnection, query: str, answer: str) -> None:
    found = db.execute(query)
    assert [column[0] for column in found.description] == re.findall(r"`(\w+)`", answer)
    # Nothing is issued in the demo that tests share.
    assert found.fetchall() or "fct_issued_documents" in query
