"""Which nodes of dbt an incremental build has to run: the others would make again what their tables hold already.

A node is run where a raw table that it rests on changed, and so is whatever rests on it. Beyond what was delivered,

- what describes this build (tag `of_this_build`: its files, its clock, whose learners are affected) is always run, and
  so is what reads it, but for incremental models: these go on from what they hold, and add nothing where nothing that
  they read changed;
- a model that can change without a delivery says when: `changes_where` in its `meta`, a condition on the rows of its
  table and on `raw.this_build`. Without such a row it counts as an incremental model does;
- a data test is run with any of the models that it reads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter
from typing import Any

import duckdb

from warehouse.contract import raw_tables
from warehouse.sql import quoted_identifier

OF_THIS_BUILD = "of_this_build"
CHANGES_WHERE = "changes_where"
BUILT = ("model", "seed", "test")
# Other accounts of one person than in the last build make a full refresh.
SETTLED = "identities"


def nodes_to_run(
    manifest: Mapping[str, Any], changed_tables: Collection[str], db: duckdb.DuckDBPyConnection
) -> frozenset[str]:
    """Return the unique ids of the models and data tests to run on a build file that the last build left.

    `manifest` is dbt's of the project, `changed_tables` are raw tables (`warehouse.build_file.Changes`), `db` is the
    build file with schema `raw` of this build. Seeds are files of the project, which makes a full refresh.
    """
    nodes, sources = manifest["nodes"], manifest["sources"]
    tables = {unique_id: source["name"] for unique_id, source in sources.items() if source["source_name"] == "raw"}
    delivered = {*raw_tables(), SETTLED}
    of_this_build = {unique_id for unique_id, name in tables.items() if name not in delivered} | {
        unique_id for unique_id, node in nodes.items() if OF_THIS_BUILD in node["tags"]
    }
    runs = {unique_id for unique_id, name in tables.items() if name in changed_tables} | of_this_build
    built = {name: node for name, node in nodes.items() if node["resource_type"] in BUILT}
    parents = {name: set(node["depends_on"].get("nodes", ())) for name, node in built.items()}
    for unique_id in TopologicalSorter(parents).static_order():
        node = nodes.get(unique_id)
        if node is None or node["resource_type"] == "seed":
            continue
        changes_where = node["config"]["meta"].get(CHANGES_WHERE)
        is_test = node["resource_type"] == "test"
        reads = parents[unique_id]
        if is_test or changes_where or node["config"]["materialized"] == "incremental":
            # A test that reads nothing else is run for that.
            reads = reads - of_this_build or (reads if is_test else set())
        if reads & runs or (changes_where and _has_rows(db, node, changes_where)):
            runs.add(unique_id)
    return frozenset(runs & parents.keys())


def _has_rows(db: duckdb.DuckDBPyConnection, node: Mapping[str, Any], condition: str) -> bool:
    table = f"{quoted_identifier(node['schema'])}.{quoted_identifier(node['alias'])}"
    return db.execute(f"select 1 from {table} where {condition} limit 1").fetchone() is not None
