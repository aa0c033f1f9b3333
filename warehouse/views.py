"""The published views: the analysts' questions, of tables and metrics, one file of SQL each in `views/`.

A view costs a build nothing but its name: it is no model of dbt's, and is computed when somebody asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import duckdb
import jinja2

from warehouse.metrics import metrics
from warehouse.project import PROJECT_DIR
from warehouse.sql import quoted_literal

VIEWS_DIR = PROJECT_DIR / "views"


@dataclass(frozen=True)
class View:
    """A view: its name, its grain in words, and its query, with the expressions of its metrics in place.

    `columns` has words for columns that are neither a metric's nor of a table under the same name.
    """

    name: str
    description: str
    columns: dict[str, str]
    query: str


@cache
def views() -> tuple[View, ...]:
    """Return the views by name. Read once a process. Raises KeyError for a metric that there is not."""
    templates = jinja2.Environment()  # noqa: S701 - SQL of ours, not HTML
    templates.globals["metric"] = lambda name: metrics()[name].expression
    found = []
    for path in sorted(VIEWS_DIR.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        head = re.match(r"(?:--.*\n)+", text)
        if head is None:
            raise ValueError(f"{path} does not begin with what it is")
        words = [line.removeprefix("--").strip() for line in head[0].splitlines()]
        columns = dict(line[1:].split(": ", maxsplit=1) for line in words if line.startswith("@"))
        description = " ".join(line for line in words if not line.startswith("@"))
        found.append(View(path.stem, description, columns, templates.from_string(text[head.end() :]).render()))
    return tuple(found)


def create_views(db: duckdb.DuckDBPyConnection) -> None:
    """Make the views in the database that `db` uses, which holds the marts, with comments on each and its columns."""
    known = dict(
        db.execute(
            "select column_name, any_value(comment order by table_name) from duckdb_columns() "
            "where database_name = current_database() and comment is not null group by column_name"
        ).fetchall()
    )
    known |= {metric.name: metric.description for metric in metrics().values()}
    for view in views():
        db.execute(f"create view {view.name} as\n{view.query}")
        db.execute(f"comment on view {view.name} is {quoted_literal(view.description)}")
        names = [column[0] for column in db.execute(f"from {view.name} limit 0").description]
        for name in names:
            comment = view.columns.get(name) or known[name]
            db.execute(f"comment on column {view.name}.{name} is {quoted_literal(comment)}")
