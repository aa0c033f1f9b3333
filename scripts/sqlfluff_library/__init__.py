"""dbt's `var()` for sqlfluff: the project's vars as they are, so that what is linted is what dbt runs."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

_DBT_PROJECT_FILE = Path(__file__).resolve().parents[2] / "dbt_project.yml"


@cache
def _project_vars() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(_DBT_PROJECT_FILE.read_text(encoding="utf-8"))["vars"]
    return content


def var(name: str, default: Any = None) -> Any:
    """Return a var of `dbt_project.yml`, as dbt's own `var()` does."""
    return _project_vars().get(name, default)
