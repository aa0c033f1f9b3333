"""The project's models as SQL without dbt, for what has no second to lose: the same files, the same macros.

Only what a full build of the models below the marts asks of dbt is there: `ref`, `source`, `var`, `config`, `return`,
`adapter.dispatch`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import jinja2

from warehouse.project import PROJECT_DIR


class _Returned(Exception):  # noqa: N818 - no error: how dbt's macros hand back what is no text
    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value


def _give_back(value: object) -> None:
    raise _Returned(value)


class Models:
    """The models in full, made as tables of `db` when first asked for; `variables` are dbt's vars."""

    def __init__(self, db: duckdb.DuckDBPyConnection, variables: Mapping[str, Any]) -> None:
        self.db = db
        self.made: set[str] = set()
        self.files = {path.stem: path for path in (PROJECT_DIR / "models").glob("*/*.sql")}
        self.templates = jinja2.Environment(extensions=["jinja2.ext.do"])  # noqa: S701 - SQL of ours, not HTML
        self.templates.globals |= {
            "var": lambda name, default=None: variables.get(name, default),
            "source": lambda schema, table: f"{schema}.{table}",
            "ref": self.table_of,
            "config": lambda **_: "",
            "is_incremental": lambda: False,
            "execute": True,
            # What a macro asks of the node that calls it.
            "model": {"resource_type": "model"},
            "return": _give_back,
            # DuckDB reads what is made here.
            "adapter": SimpleNamespace(dispatch=lambda name: self.templates.globals[f"default__{name}"]),
        }
        for path in (PROJECT_DIR / "macros").glob("*.sql"):
            for macro in re.finditer(r"{% macro (\w+)\(.*?endmacro -?%}", path.read_text(encoding="utf-8"), re.DOTALL):
                self.templates.globals[macro[1]] = self._macro(macro[1], macro[0])

    def table_of(self, name: str) -> str:
        """Return the table of a model, which is made if it is not there yet."""
        if name not in self.made:
            self.made.add(name)
            query = self.templates.from_string(self.files[name].read_text(encoding="utf-8")).render()
            self.db.execute(f"create or replace table {name} as\n{query}")
        return name

    def _macro(self, name: str, text: str) -> Callable[..., object]:
        @cache
        def macro() -> Callable[..., object]:
            return cast("Callable[..., object]", getattr(self.templates.from_string(text).module, name))

        def call(*values: object, **named: object) -> object:
            try:
                return macro()(*values, **named)
            except _Returned as returned:
                return returned.value

        return call
