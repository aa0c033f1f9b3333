"""What is inside Dagster is reached in one file, which says why."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from orchestration.runs import dagster_internals
from warehouse.project import PROJECT_DIR

INSIDE = re.compile(r"dagster\w*\._|dagster_shared|dagster_webserver|dagster_postgres")
THE_ONE_FILE = Path(dagster_internals.__file__)
FOLDERS = ("opco", "orchestration", "portal", "reports", "warehouse", "benchmarks", "demo", "scripts")


def reaching_inside(file: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Import | ast.ImportFrom) and any(map(INSIDE.match, modules)):
            yield node


def test_one_file_reaches_inside_dagster() -> None:
    files = [file for folder in FOLDERS for file in (PROJECT_DIR / folder).rglob("*.py")]
    assert len(files) > 150
    assert [file for file in files if any(reaching_inside(file))] == [THE_ONE_FILE]


def test_each_of_its_imports_has_a_reason() -> None:
    lines = THE_ONE_FILE.read_text(encoding="utf-8").splitlines()
    at_the_top = [node.lineno for node in reaching_inside(THE_ONE_FILE) if node.col_offset == 0]
    assert len(at_the_top) > 10
    for number in at_the_top:
        # The line above, or the one above the imports of the same kind.
        above = next(line for line in reversed(lines[: number - 1]) if not line.startswith("from dagster"))
        assert above.startswith("# "), lines[number - 1]
