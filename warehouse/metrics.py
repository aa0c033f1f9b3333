"""The metrics of dbt's semantic layer as SQL: their definitions stand in one file, which dbt parses as well."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2
import yaml

from warehouse.project import PROJECT_DIR

METRICS_FILE = PROJECT_DIR / "models" / "marts" / "_marts__metrics.yml"
AGGREGATES = {"sum": "sum({})", "count": "count({})", "count_distinct": "count(distinct {})", "average": "avg({})"}


@dataclass(frozen=True)
class Metric:
    """A figure that has a name: an aggregate over rows of one published table, as SQL over the table's columns."""

    name: str
    label: str
    description: str
    table: str
    expression: str


@cache
def metrics() -> Mapping[str, Metric]:
    """Return the metrics by name. Read once a process. Raises KeyError or ValueError for what is not compiled here."""
    content = yaml.load(METRICS_FILE.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    measures = {
        measure["name"]: (re.findall(r"'(\w+)'", model["model"])[0], measure)
        for model in content["semantic_models"]
        for measure in model["measures"]
    }
    found: dict[str, Metric] = {}
    # A derived metric stands below those that it is made of.
    for metric in content["metrics"]:
        if metric["type"] == "simple":
            table, expression = _simple(metric, measures)
        elif metric["type"] == "derived":
            table, expression = _derived(metric, found)
        else:
            raise ValueError(f"{METRICS_FILE}: {metric['name']} is {metric['type']}, which has no SQL here")
        found[metric["name"]] = Metric(metric["name"], metric["label"], metric["description"], table, expression)
    return found


def _simple(metric: Mapping[str, Any], measures: Mapping[str, tuple[str, Mapping[str, Any]]]) -> tuple[str, str]:
    asked = metric["type_params"]["measure"]
    asked = {"name": asked} if isinstance(asked, str) else asked
    table, measure = measures[asked["name"]]
    expression = AGGREGATES[measure["agg"]].format(measure.get("expr", measure["name"]))
    if condition := metric.get("filter"):
        # As dbt writes it: entity__dimension.
        column = jinja2.Environment().from_string(condition)  # noqa: S701 - SQL of ours, not HTML
        expression += f" filter (where {column.render(Dimension=lambda name: name.split('__')[1])})"
    if measure["agg"] == "sum":
        # Seconds and counts: the sum's own type has 128 bits, which few programs read.
        expression = f"cast({expression} as bigint)"
    if "fill_nulls_with" in asked:
        expression = f"coalesce({expression}, {asked['fill_nulls_with']})"
    return table, expression


def _derived(metric: Mapping[str, Any], found: Mapping[str, Metric]) -> tuple[str, str]:
    parts = {name: found[name] for name in metric["type_params"]["metrics"]}
    tables = {part.table for part in parts.values()}
    if len(tables) != 1:
        raise ValueError(f"{METRICS_FILE}: {metric['name']} is made of rows of {' and '.join(sorted(tables))}")
    names = re.compile(rf"\b({'|'.join(parts)})\b")
    return tables.pop(), names.sub(lambda part: parts[part[0]].expression, metric["type_params"]["expr"])
