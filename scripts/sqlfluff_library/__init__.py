"""dbt's `var()` and `adapter.dispatch()` for sqlfluff, so that what is linted is what dbt runs on DuckDB."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import pass_context
from jinja2.runtime import Context

_DBT_PROJECT_FILE = Path(__file__).resolve().parents[2] / "dbt_project.yml"


@cache
def _project_vars() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(_DBT_PROJECT_FILE.read_text(encoding="utf-8"))["vars"]
    return content


def var(name: str, default: Any = None) -> Any:
    """Return a var of `dbt_project.yml`, as dbt's own `var()` does."""
    return _project_vars().get(name, default)


class _Adapter:
    @staticmethod
    @pass_context
    def dispatch(context: Context, name: str) -> Any:
        """Return DuckDB's form of a macro, which stands in the same file."""
        return context.resolve(f"default__{name}")


adapter = _Adapter()
