"""What the pages of sources that are folders of files show works as written, and they tell every reason."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from connectors.learning360.opca_logs import HEADINGS
from connectors.learning360.settings import Learning360Settings
from connectors.learning360.source import REASONS as REASONS_OF_STAYS
from connectors.moodle_log.downloads import LOG_NAME, PARTICIPANTS_NAME
from connectors.moodle_log.settings import MoodleLogSettings
from connectors.moodle_log.source import REASONS as REASONS_OF_LINES
from connectors.virtual_classes.classes import Alias, class_of, read_aliases, read_classes
from connectors.virtual_classes.settings import VirtualClassesSettings
from connectors.virtual_classes.source import REASONS as REASONS_OF_ATTENDANCES
from connectors.xapi.settings import XapiSettings
from connectors.xapi.source import REASONS as REASONS_OF_STATEMENTS
from orchestration.home.sources import read_sources
from warehouse.project import PROJECT_DIR


def page(name: str) -> str:
    return (PROJECT_DIR / "docs" / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", page(name), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


@pytest.mark.parametrize("name", ["360learning.md", "moodle_log.md", "virtual_classes.md", "xapi.md"])
def test_each_settings_block_is_read(name: str) -> None:
    sources = [read_sources(Path(name), tomllib.loads(text)["sources"]) for text in blocks(name, "toml")]
    assert len(sources) > 0
    assert all(
        type(one) in (Learning360Settings, MoodleLogSettings, VirtualClassesSettings, XapiSettings)
        for read in sources
        for one in read.values()
    )


def test_the_names_of_downloads_are_those_that_are_read() -> None:
    text = page("moodle_log.md")
    assert LOG_NAME.match(re.findall(r"`(logs_\S+)`", text)[0])
    assert PARTICIPANTS_NAME.match(re.findall(r"`(courseid_\S+)`", text)[0])


def test_the_headings_of_an_export_are_those_that_are_read() -> None:
    told = re.findall(
        r"`([^`]+)`", "".join(re.findall(r"^\| (?:first|last) \|.*$", page("360learning.md"), re.MULTILINE))
    )
    assert sorted(told) == sorted(one for before, after in HEADINGS.values() for one in (*before, *after))


def test_the_table_and_the_aliases_are_read(tmp_path: Path) -> None:
    table, aliases = blocks("virtual_classes.md", "csv")
    (tmp_path / "classes.csv").write_text(table, encoding="utf-8")
    (tmp_path / "aliases.csv").write_text(aliases, encoding="utf-8")
    classes = read_classes(tmp_path / "classes.csv")
    assert [class_of(one, classes) for one in ("zoom-2026-10-13.csv", "teams-4.csv")] == classes
    assert Alias("Zoé Lambert", "12") in read_aliases(tmp_path / "aliases.csv")


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("360learning.md", REASONS_OF_STAYS),
        ("moodle_log.md", REASONS_OF_LINES),
        ("virtual_classes.md", REASONS_OF_ATTENDANCES),
        ("xapi.md", REASONS_OF_STATEMENTS),
    ],
)
def test_every_reason_is_told(name: str, reasons: dict[str, str]) -> None:
    part = page(name).split("| reason | what it is |")[1].split("\n\n")[0]
    told = {word for cell in re.findall(r"^\| (`.+?) \|", part, re.MULTILINE) for word in re.findall(r"`(\w+)`", cell)}
    assert told == set(reasons)
