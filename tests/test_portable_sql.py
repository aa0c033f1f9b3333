"""Models and data tests hold only what DuckDB and Spark both read; what the two write differently is a macro."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import letters
from warehouse.project import PROJECT_DIR

MODELS = [*sorted((PROJECT_DIR / "models").rglob("*.sql")), *sorted((PROJECT_DIR / "tests" / "dbt").glob("*.sql"))]
MACROS = sorted((PROJECT_DIR / "macros").rglob("*.sql"))
# What may stand before a bracket: words of SQL, and functions that both engines read in one way.
WORDS = {
    *(
        "all",
        "and",
        "as",
        "by",
        "case",
        "cross",
        "distinct",
        "else",
        "exists",
        "from",
        "having",
        "if",
        "in",
        "interval",
    ),
    *("join", "not", "on", "or", "over", "partition", "recursive", "select", "table", "then", "union", "using"),
    *("values", "when", "where", "window", "with", "x"),
}
FUNCTIONS = {
    *("array_agg", "array_append", "array_contains", "bool_and", "bool_or", "cast", "chr", "coalesce", "concat"),
    *("concat_ws", "contains", "count", "date_trunc", "decimal", "extract", "first_value", "floor", "greatest", "lag"),
    *("last_value", "lead", "least", "left", "length", "lpad", "make_date", "map", "map_from_entries", "max", "max_by"),
    *("median", "min", "min_by", "nullif", "range", "regexp_extract", "replace", "row_number", "string_agg", "sum"),
    *("trim", "year"),
}
# What only DuckDB reads, or reads otherwise.
FORMS = {
    "a type of DuckDB's": r"\b(varchar|hugeint|struct\s*\()",
    "a cast": r"::",
    "a list or the place in one": r"\[",
    "a struct or a map": r"\{",
    "an argument by name": r":=",
    "a lambda": r"\blambda\b|->",
    "integer division": r"//",
    "a star without or with other columns": r"\*\s*(exclude|replace|except)\b",
    "columns by name": r"\b(union|all|insert)\s+by\s+name\b",
    "an asof join": r"\basof\b",
    "a hint to a CTE": r"\bmaterialized\b",
    "an endless instant": r"-?infinity\b",
    "an escape": r"\be'",
    "a frame of groups": r"\bgroups\s+between\b",
    "nulls passed over": r"\bignore\s+nulls\b",
    "a frame of a named window": r"\bover\s*\(\s*\w+\s+(rows|range|groups)\b",
    "an order within an aggregate": r"\b(array_agg|string_agg|max)\s*\((?:[^()]|\([^()]*\))*\border\s+by\b",
    "a backslash": r"\\",
}
JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
BRANCH = re.compile(r"\{%-?\s*(?P<word>if|elif|else|endif)\b(?P<condition>.*?)-?%\}", re.DOTALL)


def without_incremental_branches(sql: str) -> str:
    """Return the template without what only an incremental build runs, which is DuckDB's."""
    kept: list[str] = []
    stack: list[str] = []
    end = 0

    def is_kept() -> bool:
        return all(kind != "incremental" for kind in stack)

    for tag in BRANCH.finditer(sql):
        if is_kept():
            kept.append(sql[end : tag.start()])
        end = tag.end()
        condition = tag["condition"].strip()
        kind = "incremental" if condition.startswith("is_incremental()") else "full"
        if tag["word"] == "if":
            stack.append(kind)
        elif tag["word"] == "endif":
            stack.pop()
        else:
            stack[-1] = "full" if tag["word"] == "else" else kind
    return "".join([*kept, sql[end:]])


def found_in(template: str) -> Iterator[str]:
    """Yield what only one engine reads in a model's own words, its macros apart."""
    sql = JINJA.sub(" x ", without_incremental_branches(template))
    sql = re.sub(r"--[^\n]*", " ", sql)
    for what, form in FORMS.items():
        # Within a text only a backslash is read otherwise.
        if match := re.search(
            form, sql if what in ("a backslash", "an endless instant", "an escape") else without_texts(sql)
        ):
            yield f"{what}: {match[0]}"
    for name in re.findall(r"\b([a-z_]\w*)\s*\((?!\s*where\b)", without_texts(sql)):
        if name not in WORDS | FUNCTIONS and not re.search(
            rf"\b(as|with|,|recursive)\s+{name}\s*\(|\b{name}\s*\([\w, ]+\) as \(", sql
        ):
            yield f"a function: {name}"


def without_texts(sql: str) -> str:
    return re.sub(r"'(?:[^']|'')*'", "''", sql)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_holds_only_what_both_engines_read(path: Path) -> None:
    assert list(found_in(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "sql",
    [
        "select cast(x as varchar)", "select x::bigint", "select [a, b]", "select flags[1]", "select {'a': x}",
        "select struct_pack(a := x)", "select list_filter(x, lambda item: item)", "select a // b",
        "select * exclude (a) from t", "select t.* replace (1 as a) from t", "select 1 union all by name select 2",
        "select * from a asof join b on a.x >= b.x", "with a as not materialized (select 1)",
        "select timestamp '-infinity'", "select e'\\t'",
        "select count(*) over (order by x groups between 1 preceding and 1 preceding)",
        "select last_value(x ignore nulls) over w", "select sum(x) over (w rows between 1 preceding and 1 preceding)",
        "select array_agg(x order by y)", "select list(x)", "select unnest(x)", "select epoch_us(x)",
        "select strftime(x, '%Y')",
        "select date_sub('second', a, b)", "select regexp_full_match(x, 'a')", "select timezone('UTC', x)",
        "select strip_accents(x)", "select lower(x)", "select row(a, b)", "select arg_max(a, b)", "select len(x)",
        "select '\\N'",
        "{%- if true %} select len(x) {%- endif %}",
        "{%- if is_incremental() %} {%- else %} select len(x) {%- endif %}",
    ],
)  # fmt: skip
def test_what_one_engine_alone_reads_is_found(sql: str) -> None:
    assert list(found_in(sql)) != []


def test_incremental_branches_and_macros_are_not_looked_at() -> None:
    sql = """
        select {{ list_of(['a']) }}
        {%- if is_incremental() %} union all by name {%- if x %} [1] {%- endif %} {%- endif %}
    """
    assert list(found_in(sql)) == []


def test_every_form_of_a_macro_has_both_engines() -> None:
    """Spark's forms of dbt's own macros have no form of DuckDB's here."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in MACROS)
    forms = {
        engine: set(re.findall(rf"{{% macro {engine}__(\w+)\(", text)) for engine in ("default", "spark", "duckdb")
    }
    dispatched = set(re.findall(r"adapter\.dispatch\('(\w+)'\)", text))
    assert forms["default"] == dispatched
    assert forms["spark"] - dispatched == {"load_csv_rows", "safe_cast", "escape_single_quotes"}
    assert dispatched <= forms["spark"]
    assert forms["duckdb"] == set()


def test_no_model_asks_for_its_engine() -> None:
    for path in MODELS:
        assert "target." not in path.read_text(encoding="utf-8"), path


def test_what_is_made_of_letters_is_what_duckdb_makes() -> None:
    assert letters.FILE.read_text(encoding="utf-8") == letters.written()
