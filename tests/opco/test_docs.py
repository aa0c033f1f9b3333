"""The pages of docs/ tell every setting, command and option there is, and no other."""

from __future__ import annotations

import re
import runpy

import pytest
import typer

from opco.cli import app, load_commands
from orchestration.home.paths import Home
from orchestration.home.settings import settings_in_force
from warehouse.contract import raw_tables
from warehouse.project import PROJECT_DIR

load_commands()

DOCS = PROJECT_DIR / "docs"
GENERATE = runpy.run_path(str(PROJECT_DIR / "scripts" / "generate_docs.py"))


def test_every_setting_stands_in_its_page_as_it_is(home: Home) -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    told = [
        (f"{section}.{cells[0]}", *cells[1:])
        for section, rows in re.findall(r"^## `\[(\w+)\]`.*?\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        for cells in re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", rows, re.MULTILINE)
    ]
    assert told == [
        (one.key, one.variable, "none" if one.value is None else str(one.value), one.allowed, one.description)
        for one in settings_in_force(home)
    ]


@pytest.mark.parametrize("page", GENERATE["GENERATORS"])
def test_a_page_is_as_its_generator_writes_it(page: str) -> None:
    assert GENERATE["generated"](page) == (DOCS / page).read_text(encoding="utf-8"), "make docs"


def test_every_section_of_settings_has_its_part(home: Home) -> None:
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    parts = re.findall(r"^## `\[(\w+)\]`.*?<!-- generated: (\w+) -->", text, re.MULTILINE | re.DOTALL)
    assert [part for _, part in parts] == [heading for heading, _ in parts]
    assert {part for _, part in parts} == {one.key.split(".")[0] for one in settings_in_force(home)}


def test_every_command_and_raw_table_has_its_part() -> None:
    for page, names in (("commands.md", typer.main.get_group(app).commands), ("raw_contract.md", raw_tables())):
        text = (DOCS / page).read_text(encoding="utf-8")
        parts = re.findall(r"^<!-- generated: (.+) -->$", text, re.MULTILINE)
        assert parts == re.findall(r"^##+ `(?:opco )?([\w-]+)`$", text, re.MULTILINE)
        assert set(parts) == set(names)
