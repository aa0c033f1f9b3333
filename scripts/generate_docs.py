"""Write what docs/ says of commands, settings, tables and the raw contract anew from where it is declared: `make docs`.

A page is written by hand but for what lies between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, get_args

import typer
import yaml

from opco.cli import app, load_commands
from orchestration.home.paths import Home
from orchestration.home.settings import PREFIX, settings_in_force
from warehouse.contract import project_vars
from warehouse.project import PROJECT_DIR

load_commands()

DOCS = PROJECT_DIR / "docs"
MARTS = PROJECT_DIR / "models" / "marts"
STAGING = PROJECT_DIR / "models" / "staging"
COMMON = {"--home", "--json", "--debug", "--help"}
PRESENCE = {
    "required": "required",
    "optional": "optional",
    "either": "`course_connections`, `learning_events` or both are required",
}
DELIVERY = {"snapshot": "snapshot: each delivery replaces the last", "growing": "growing: deliveries add to it"}
GENERATED = re.compile(r"(?<=<!-- generated: )(?P<name>[^>]+?) -->\n.*?<!-- end -->", re.DOTALL)


def raw_table(name: str) -> str:
    """Return what a raw folder holds of one table: its columns, kinds and rules, from `dbt_project.yml`."""
    table = project_vars()["raw_contract"][name]
    (source,) = yaml.safe_load((STAGING / "_raw__sources.yml").read_text(encoding="utf-8"))["sources"]
    (described,) = [one for one in source["tables"] if one["name"] == name]
    own = {one["name"]: one["description"] for one in described.get("columns", [])}
    lines = [
        f"{described['description'].removeprefix('One row per record of every delivered file. ')}",
        f"{DELIVERY[table['delivery']].capitalize()}; {PRESENCE[table['presence']]}.",
        "",
        "| column | kind | what it holds |",
        "| --- | --- | --- |",
    ]
    for column, definition in table["columns"].items():
        required = "**" if definition.get("is_required") else ""
        notes = " ".join([_described(column, own), *_notes(definition)])
        lines.append(f"| {required}`{column}`{required} | {definition['kind']} | {notes} |")
    return "\n".join(lines)


def _notes(definition: dict[str, Any]) -> Iterator[str]:
    if words := definition.get("words"):
        yield f"One of {', '.join(f'`{word}`' for word in words)}."
    if "default" in definition:
        yield f"Default: `{definition['default']}`."
    if "reference" in definition:
        yield f"Of a row that is not kept: `{definition['reference']}`."


def _described(column: str, own: dict[str, str]) -> str:
    """Return what a table says of its column, else what `models/_columns.md` says of all columns of that name."""
    block = re.search(r"\w+(?=\W*$)", own[column].removesuffix(") }}"))[0] if column in own else column
    text = (PROJECT_DIR / "models" / "_columns.md").read_text(encoding="utf-8")
    return re.findall(rf"{{% docs {block} %}}\n*(.*?)\n*{{% enddocs %}}", text, re.DOTALL)[0].replace("\n", " ")


def command(name: str) -> str:
    """Return what `opco NAME --help` says: what it does, examples, arguments and options."""
    told = typer.main.get_group(app).commands[name]
    lines = [_plain(told.help or "")]
    if told.epilog:
        examples = re.sub(r"^Examples?:\s*", "", told.epilog).split("·")
        lines += ["", "```sh", *(example.strip() for example in examples), "```"]
    rows = [row for parameter in told.params if (row := _row(parameter))]
    if rows:
        lines += ["", "| argument or option | what it does |", "| --- | --- |", *rows]
    return "\n".join(lines)


def _row(parameter: Any) -> str | None:
    if COMMON & set(parameter.opts):
        return None
    metavar = str(parameter.metavar or "").strip()
    said = _plain(parameter.help or "")
    if parameter.param_type_name == "argument":
        shown = metavar or str(parameter.name).upper()
    elif parameter.is_flag:
        shown = parameter.opts[0]
    else:
        shown = f"{parameter.opts[0]} {metavar or '/'.join(get_args(parameter.type_descriptor.annotation))}"
        if parameter.show_default and parameter.default is not None:
            said += f" Default: {parameter.default}."
    return f"| `{shown}` | {said} |"


def _plain(text: str) -> str:
    """Return help text as Markdown: without the backslash that keeps a bracket from being markup in a terminal."""
    return inspect.cleandoc(text).replace("\\[", "[")


def section(name: str) -> str:
    """Return the settings of a section of `opco.toml`, with their defaults."""
    lines = ["| setting | variable | default | allowed | what it does |", "| --- | --- | --- | --- | --- |"]
    # A folder without opco.toml: all are as by default.
    for one in settings_in_force(Home(DOCS)):
        table, key = one.key.split(".")
        if table == name:
            default = "none" if one.value is None else one.value
            lines.append(f"| `{key}` | `{one.variable}` | {default} | {one.allowed} | {one.description} |")
    return "\n".join(lines)


def relations(name: str) -> str:
    """Return the diagram (`name`) of the tables that point to others, as `_marts__models.yml` promises."""
    del name
    models = yaml.safe_load((MARTS / "_marts__models.yml").read_text(encoding="utf-8"))["models"]
    lines = ["```mermaid", "erDiagram"]
    for table, column, target in sorted(contract_relations(models)):
        lines.append(f"    {target} ||--o{{ {table} : {column}")
    return "\n".join([*lines, "```"])


def contract_relations(models: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield table, column and the table that it points to, of each relation that the tests of `models` hold."""
    for model in models:
        for test in model.get("data_tests", []):
            declared = test["expectations"]["arguments"] if isinstance(test, dict) and "expectations" in test else {}
            for column, target in declared.get("relationships", {}).items():
                yield model["name"], column, re.findall(r"ref\('(\w+)'\)", target)[0]


GENERATORS: dict[str, Callable[[str], str]] = {
    "analysts.md": relations,
    "commands.md": command,
    "raw_contract.md": raw_table,
    "settings.md": section,
}


def generated(page: str) -> str:
    """Return a page of docs/ with its generated parts written anew."""
    write = GENERATORS[page]

    def part(found: re.Match[str]) -> str:
        return f"{found['name']} -->\n\n{write(found['name'])}\n\n<!-- end -->"

    return GENERATED.sub(part, (DOCS / page).read_text(encoding="utf-8"))


if __name__ == "__main__":
    for variable in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[variable]
    for name in GENERATORS:
        (DOCS / name).write_text(generated(name), encoding="utf-8")
