"""The house rules, held by tests: layers, documentation, one place for each list."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from orchestration.defs.warehouse.dbt_project import parsed_project
from orchestration.home.paths import Home
from warehouse.contract import raw_tables
from warehouse.metrics import metrics
from warehouse.project import PROJECT_DIR
from warehouse.publish import FOREIGN_KEYS

pytestmark = pytest.mark.xdist_group("campus")

Manifest = dict[str, Any]
# Tables in which the platform's custom fields follow the fixed columns, and the macro that says these.
WIDE = {"dim_learners": "fixed_learner_columns", "fct_opco_connections": "fixed_connection_columns"}


@pytest.fixture(scope="module")
def manifest(campus_home: Path) -> Manifest:
    """dbt's manifest of the project, as the campus is built with it."""
    home = Home(campus_home)
    content: Manifest = json.loads(parsed_project(home).manifest.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def built(campus_home: Path) -> duckdb.DuckDBPyConnection:
    """The campus build file, read-only."""
    return duckdb.connect(str(campus_home / "var/build/opco.duckdb"), read_only=True)


def nodes(manifest: Manifest, kind: str) -> list[dict[str, Any]]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == kind]


def shared_description(manifest: Manifest, column: str) -> str:
    """Return the doc block of a column's name in models/_columns.md; nothing where there is none."""
    return str(manifest["docs"].get(f"doc.opco_warehouse.{column}", {}).get("block_contents", ""))


def layer_of(node_id: str, manifest: Manifest) -> str:
    return node_id.split(".")[0] if not node_id.startswith("model.") else manifest["nodes"][node_id]["fqn"][1]


def test_layers_depend_downwards_only(manifest: Manifest) -> None:
    allowed = {
        "staging": {"source", "staging"},
        "intermediate": {"staging", "intermediate", "seed"},
        "marts": {"staging", "intermediate", "marts", "seed"},
    }
    for model in nodes(manifest, "model"):
        for parent in model["depends_on"]["nodes"]:
            assert layer_of(parent, manifest) in allowed[model["fqn"][1]], (model["name"], parent)


def test_names_carry_the_layer(manifest: Manifest) -> None:
    patterns = {
        "staging": r"stg_[a-z_]+",
        "intermediate": r"int_[a-z_]+__[a-z_]+",
        "marts": r"(dim|fct|bridge)_[a-z_]+|warehouse_build|load_reconciliation|rejected_rows|gone_rows|data_problems"
        "|identity_findings",
    }
    for model in nodes(manifest, "model"):
        assert re.fullmatch(patterns[model["fqn"][1]], model["name"]), model["name"]


def test_one_staging_model_a_raw_table(manifest: Manifest) -> None:
    staging = {model["name"] for model in nodes(manifest, "model") if model["fqn"][1] == "staging"}
    assert staging == {f"stg_{name}" for name in raw_tables()} | {
        "stg_raw_files", "stg_raw_deliveries", "stg_raw_tables", "stg_this_build", "stg_identities",
        "stg_user_states", "stg_issued_documents"
    }  # fmt: skip


def test_every_model_seed_and_source_is_documented_column_by_column(
    manifest: Manifest, built: duckdb.DuckDBPyConnection
) -> None:
    columns: dict[str, list[str]] = {}
    for schema, table, column in built.execute(
        "select schema_name, table_name, column_name from duckdb_columns() order by table_name, column_index"
    ).fetchall():
        columns.setdefault(f"{schema}.{table}", []).append(column)
    documented = [*nodes(manifest, "model"), *nodes(manifest, "seed"), *manifest["sources"].values()]
    assert len(documented) > 60
    for node in documented:
        assert node["description"].startswith("One row"), node["name"]
        found = columns[f"{node['schema']}.{node.get('identifier') or node['name']}"]
        described = {name: column["description"] for name, column in node["columns"].items()}
        if node["fqn"][1] in ("staging", "intermediate"):
            # Their columns are described by name; where one means something else, the model says so.
            shared = {name: shared_description(manifest, name) for name in found}
            said_again = [name for name, text in described.items() if text and text == shared.get(name)]
            assert not said_again, f"{node['name']} says again what _columns.md says of {said_again}"
            described = {name: described.get(name) or shared[name] for name in {*found, *described}}
        assert all(described.values()), node["name"]
        if node["name"] in WIDE:
            assert found[: len(described)] == list(described)
        else:
            assert set(found) == set(described), node["name"]


def test_exposures_name_the_marts_that_their_code_reads(manifest: Manifest) -> None:
    marts = {one["name"] for kind in ("model", "seed") for one in nodes(manifest, kind) if one["schema"] == "marts"}
    assert len(manifest["exposures"]) >= 6
    for exposure in manifest["exposures"].values():
        places = [PROJECT_DIR / place for place in exposure["meta"]["reads_in"]]
        files = [
            file for place in places for file in (*place.rglob("*.py"), place.with_suffix(".py")) if file.is_file()
        ]
        words = {word for file in files for word in re.findall(r"\w+", file.read_text("utf-8"))}
        named = {node_id.split(".")[-1] for node_id in exposure["depends_on"]["nodes"]}
        assert named == marts & words, exposure["name"]


def test_every_macro_and_test_is_documented(manifest: Manifest) -> None:
    own = [macro for macro in manifest["macros"].values() if macro["package_name"] == "opco_warehouse"]
    assert len(own) > 20
    dispatched = dispatched_macros(manifest)
    for macro in own:
        engine, _, name = macro["name"].partition("__")
        if engine in ("default", "spark") and name in dispatched:
            continue
        assert macro["description"], macro["name"]
        if macro["name"].startswith("materialization_"):
            continue
        arguments = re.findall(r"{%-? (?:macro|test) \w+\(([^)]*)\)", macro["macro_sql"])[0]
        names = [
            argument.split("=")[0].strip()
            for argument in re.sub(r"\[.*?\]|\{.*?\}", "", arguments).split(",")
            if argument.strip()
        ]
        assert [argument["name"] for argument in macro["arguments"]] == names, macro["name"]
        assert all(argument["description"] for argument in macro["arguments"]), macro["name"]
    for test in (*nodes(manifest, "test"), *manifest["unit_tests"].values()):
        if test.get("test_metadata") is None:
            assert test["description"], test["name"]


def dispatched_macros(manifest: Manifest) -> set[str]:
    """The macros that say in two ways what DuckDB and Spark write differently."""
    prefix = "macro.opco_warehouse.default__"
    return {name.removeprefix(prefix) for name in manifest["macros"] if name.startswith(prefix)}


def test_few_words_are_written_in_two_ways(manifest: Manifest) -> None:
    """They say what SQL says, not what the project means, and so are counted apart (decision 190)."""
    assert len(dispatched_macros(manifest)) <= 20


def test_models_call_few_macros_of_the_project(manifest: Manifest) -> None:
    """Who reads a model learns at most eight words of the project's own beside SQL, and two as a rule."""
    dispatched = dispatched_macros(manifest)
    called = {
        model["name"]: [
            macro
            for macro in model["depends_on"]["macros"]
            if macro.startswith("macro.opco_warehouse.") and macro.split(".")[-1] not in dispatched
        ]
        for model in nodes(manifest, "model")
    }
    assert sum(map(len, called.values())) > 0
    assert {name: macros for name, macros in called.items() if len(macros) > 8} == {}
    assert sum(map(len, called.values())) / len(called) <= 2


def test_every_rule_has_a_unit_test(manifest: Manifest) -> None:
    described = " ".join(test["description"] for test in manifest["unit_tests"].values())
    for rule in ("T1", "T2", "T3", "T4", "T5", "T6", "T7"):
        assert f"({rule}" in described or f", {rule}" in described, rule
    models = {test["model"] for test in manifest["unit_tests"].values()}
    for model in nodes(manifest, "model"):
        if re.search(r"\(T\d", model["description"]) and not model["name"].startswith("fct_"):
            assert model["name"] in models, model["name"]


def test_every_mart_has_a_tested_key_and_a_contract(manifest: Manifest) -> None:
    keyed = {
        test["attached_node"].split(".")[-1]
        for test in nodes(manifest, "test")
        if test.get("test_metadata") and test["test_metadata"]["kwargs"].get("unique")
    }
    for model in nodes(manifest, "model"):
        if model["fqn"][1] == "marts":
            assert model["name"] in keyed, model["name"]
            assert model["config"]["contract"]["enforced"] is (model["name"] not in WIDE)


def test_the_raw_views_are_those_of_the_contract(built: duckdb.DuckDBPyConnection) -> None:
    own = [
        "file", "line", "malformed_line", "unfit_columns", "file_number", "loaded_at", "last_load_number", "is_current"
    ]  # fmt: skip
    for table in raw_tables().values():
        found = built.execute(
            "select column_name from duckdb_columns() where table_name = $1 and schema_name = 'raw' "
            "order by column_index",
            [table.name],
        )
        names = [name for (name,) in found.fetchall()]
        assert [name for name in names if name not in own] == list(table.column_names)
        assert sorted(name for name in names if name in own) == sorted(own)


def test_reasons_stand_in_one_order(manifest: Manifest, built: duckdb.DuckDBPyConnection) -> None:
    listed = built.execute("select reason from marts.reject_reasons order by reason_rank").fetchall()
    macro = manifest["macros"]["macro.opco_warehouse.first_rejection"]["macro_sql"]
    reasons = re.search(r"set reasons = \[(.*?)\]", macro, re.DOTALL)
    assert reasons is not None
    assert re.findall(r"'(\w+)'", reasons[1]) == [reason for (reason,) in listed]
    contract = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]["raw_contract"]
    references = {
        column["reference"]
        for table in contract.values()
        for column in table["columns"].values()
        if "reference" in column
    }
    assert references <= {reason for (reason,) in listed}


@pytest.mark.parametrize("table", WIDE)
def test_the_fixed_columns_of_a_wide_table_are_said_once(
    manifest: Manifest, built: duckdb.DuckDBPyConnection, table: str
) -> None:
    fixed = re.findall(r"'(\w+)'", manifest["macros"][f"macro.opco_warehouse.{WIDE[table]}"]["macro_sql"])
    (model,) = (model for model in nodes(manifest, "model") if model["name"] == table)
    assert list(model["columns"]) == fixed
    tests = (
        test["test_metadata"]["name"]
        for test in nodes(manifest, "test")
        if test.get("attached_node") == model["unique_id"]
    )
    assert "fixed_columns" in tests
    fields = built.execute("select column_name from marts.dim_custom_fields order by field_position").fetchall()
    found = built.execute(
        "select column_name from duckdb_columns() where table_name = $table order by column_index", {"table": table}
    ).fetchall()
    assert found == [(name,) for name in fixed] + fields


def test_the_published_file_holds_the_marts_alone(manifest: Manifest, campus_home: Path) -> None:
    published = duckdb.connect(str((campus_home / "var/published/opco.duckdb").resolve()), read_only=True)
    found = published.execute("select schema_name, table_name, comment from duckdb_tables()").fetchall()
    expected = {node["name"] for node in manifest["nodes"].values() if node.get("schema") == "marts" and "fqn" in node
                and node["resource_type"] in ("model", "seed")}  # fmt: skip
    assert {(schema, name) for schema, name, _ in found} == {("main", name) for name in expected}
    assert all(comment and comment.startswith("One row") for _, _, comment in found)
    columns = published.execute("select table_name, column_name, comment from duckdb_columns() where not internal")
    assert [column for *column, comment in columns.fetchall() if not comment] == []


def test_keys_are_published_as_they_are_tested(manifest: Manifest, campus_home: Path) -> None:
    kwargs = {
        test["attached_node"].split(".")[-1]: test["test_metadata"]["kwargs"]
        for test in nodes(manifest, "test")
        if test.get("test_metadata") and "unique" in test["test_metadata"]["kwargs"]
    }
    published = duckdb.connect(str((campus_home / "var/published/opco.duckdb").resolve()), read_only=True)
    primary = dict(
        published.execute(
            "select table_name, unnest(constraint_column_names) from duckdb_constraints() "
            "where constraint_type = 'PRIMARY KEY'"
        ).fetchall()
    )
    for table, key in primary.items():
        unique = kwargs[table]["unique"]
        assert key in (unique if isinstance(unique, list) else [unique]), table
    dimensions = {table for table, one in kwargs.items() if table.startswith("dim_") and "," not in one["unique"]}
    assert dimensions <= primary.keys()

    foreign = published.execute(
        "select table_name, constraint_column_names[1], referenced_table, referenced_column_names[1] "
        "from duckdb_constraints() where constraint_type = 'FOREIGN KEY'"
    ).fetchall()
    for table, column, target, key in foreign:
        assert kwargs[table]["relationships"][column] == f"ref('{target}')"
        assert primary[target] == key
    # Of each of these tables all that it says of learners, sessions and groups.
    for table in {one[0] for one in foreign}:
        promised = {
            (column, target[5:-2])
            for column, target in kwargs[table]["relationships"].items()
            if target.startswith("ref('dim_")
        }
        assert {(column, target) for name, column, target, _ in foreign if name == table} == promised
    assert {table for table, *_ in foreign} == FOREIGN_KEYS.keys()


def test_metrics_are_those_of_dbts_semantic_layer(manifest: Manifest) -> None:
    known = {metric["name"]: metric for metric in manifest["metrics"].values()}
    assert list(known) == list(metrics())
    models = {
        measure["name"]: model["node_relation"]["alias"]
        for model in manifest["semantic_models"].values()
        for measure in model["measures"]
    }
    for name, metric in known.items():
        assert {models[measure["name"]] for measure in metric["type_params"]["input_measures"]} == {
            metrics()[name].table
        }


def test_every_mart_is_counted_in_the_build(manifest: Manifest, built: duckdb.DuckDBPyConnection) -> None:
    counted = built.execute("select unnest(map_keys(row_counts)) from marts.warehouse_build").fetchall()
    marts = {model["name"] for model in nodes(manifest, "model") if model["fqn"][1] == "marts"}
    assert {name for (name,) in counted} == marts - {"warehouse_build"}


def test_lines_of_sql_are_no_longer_than_120_characters() -> None:
    for folder in ("models", "macros", "tests/dbt"):
        for path in (PROJECT_DIR / folder).rglob("*.sql"):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                assert len(line) <= 120, (path, number)


def test_no_file_names_a_package_registry() -> None:
    for name in ("requirements.lock", "requirements.production.lock"):
        lock = (PROJECT_DIR / name).read_text(encoding="utf-8")
        assert "--hash=sha256:" in lock
        assert "://" not in lock
        assert "experimental-parser" not in lock
