"""The pages of docs/ tell every setting, command and option there is, and no other."""

from __future__ import annotations

import re

import typer

from orchestration.cli import app
from orchestration.home import Home
from orchestration.settings import settings_in_force
from warehouse.project import PROJECT_DIR

COMMON = {"--home", "--json", "--debug", "--help"}


def test_every_setting_stands_in_its_page_as_it_is(home: Home) -> None:
    page = (PROJECT_DIR / "docs" / "settings.md").read_text(encoding="utf-8")
    told = [
        (f"{section}.{cells[0]}", *cells[1:])
        for section, rows in re.findall(r"^## `\[(\w+)\]`.*?\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        for cells in re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", rows, re.MULTILINE)
    ]
    assert told == [
        (one.key, one.variable, "none" if one.value is None else str(one.value), one.allowed, one.description)
        for one in settings_in_force(home)
    ]


def test_every_command_and_option_stands_in_its_page() -> None:
    page = (PROJECT_DIR / "docs" / "commands.md").read_text(encoding="utf-8")
    head = page.split("\n## ")[0]
    assert set(re.findall(r"^\| `(--[\w-]+)", head, re.MULTILINE)) == COMMON
    told = {
        name: set(re.findall(r"^\| `(--[\w-]+|SESSION_ID|USER_ID|PATH)", text, re.MULTILINE))
        for name, text in re.findall(r"^## `opco (\w+)`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    }
    commands = typer.main.get_group(app).commands
    assert set(commands) == set(told) == {
        "build", "export", "attest", "issues", "verify", "why", "settings", "serve", "dagster", "clean", "forget"
    }  # fmt: skip
    for name, command in commands.items():
        options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        assert options >= COMMON - {"--help"}
        arguments = {"attest": {"SESSION_ID"}, "issues": {"SESSION_ID"}, "verify": {"PATH"}, "forget": {"USER_ID"}}.get(
            name, set()
        )
        assert told[name] == (options - COMMON) | arguments
