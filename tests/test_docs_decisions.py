"""The index of the decision records lists each of them, under its own title."""

from __future__ import annotations

import re

from warehouse.project import PROJECT_DIR

FOLDER = PROJECT_DIR / "docs" / "decisions"


def test_the_index_lists_each_record_under_its_title() -> None:
    titles = {
        path.name: path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        for path in FOLDER.glob("[0-9]*.md")
    }
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert {file: title for title, file in re.findall(r"^- \[(.+)\]\(([^)]+)\)", index, re.MULTILINE)} == titles
    for name, title in titles.items():
        assert title.startswith(f"{int(name[:4])}. "), name
