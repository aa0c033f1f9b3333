"""A query on the published file that somebody typed, or a machine wrote: run elsewhere, within limits.

No such query is run in the process that takes it: `warehouse.query_cell` is the program that does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse.errors import UserError

CELL = "warehouse.query_cell"
SECONDS = 20
CPU_SECONDS = 2 * SECONDS
MEMORY_BYTES = 4 * 2**30
MOST_ROWS = 1000
MOST_LETTERS = 20_000
PASSED_ON = ("PATH", "LANG", "LC_ALL", "PYTHONUTF8")
"""What of the environment the cell needs; secrets stand there too."""


@dataclass(frozen=True)
class QueryResult:
    """The columns of a query as (name, type), its first rows, and whether there are more than these.

    Values are as JSON has them: decimals, intervals and the like as text, instants in ISO's form, with a Z those that
    are named `*_at`.
    """

    columns: list[tuple[str, str]]
    rows: list[list[Any]]
    is_cut: bool


def run_query(file: Path, sql: str, row_limit: int, seconds: float = SECONDS) -> QueryResult:
    """Return what the query `sql` finds in the published `file`: at most `row_limit` rows, within `seconds`.

    Raises UserError where it is not one SELECT, DuckDB does not run it, or it takes too much time or memory.
    """
    if not 1 <= row_limit <= MOST_ROWS:
        raise UserError(f"A query gives 1 to {MOST_ROWS:,} rows, not {row_limit:,}. Sum up in SQL what are more.")
    if len(sql) > MOST_LETTERS:
        raise UserError(f"The query has {len(sql):,} letters, more than {MOST_LETTERS:,}. Write it shorter.")
    asked = json.dumps({"file": str(file), "sql": sql, "row_limit": row_limit})
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="opco-query-") as folder:
        try:
            ended = subprocess.run(
                [sys.executable, "-I", "-B", "-m", CELL, str(CPU_SECONDS), str(MEMORY_BYTES)],
                input=f"{asked}\n",
                capture_output=True,
                timeout=seconds,
                check=False,
                cwd=folder,
                env={**kept, "TMPDIR": folder, "HOME": folder},
                encoding="utf-8",
            )
        except subprocess.TimeoutExpired as error:
            raise UserError(
                f"The query took more than {seconds:g} seconds and was ended. Narrow it: a session, a learner, a month."
            ) from error
    if ended.returncode:
        raise UserError("The query took more time or memory than a query may, and was ended. Narrow it.")
    found = json.loads(ended.stdout)
    if fault := found.get("fault"):
        raise UserError(f"The query was not run to its end: {fault}")
    return QueryResult([(name, kind) for name, kind in found["columns"]], found["rows"], found["is_cut"])
