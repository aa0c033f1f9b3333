"""Published columns keep to the prefixes and suffixes of docs/naming.md, or are words that it lists."""

from __future__ import annotations

import re

import yaml

from warehouse.project import PROJECT_DIR

PAGE = (PROJECT_DIR / "docs" / "naming.md").read_text(encoding="utf-8")
COLUMNS = PAGE.split("## Columns")[1].split("\n## ")[0]


def test_published_columns_keep_to_the_page() -> None:
    prefixes = set(re.findall(r"`(\w+_)`", COLUMNS))
    suffixes = set(re.findall(r"`(_\w+)`", COLUMNS))
    words = set(re.findall(r"`(\w+)`", COLUMNS.split("Columns of one word")[1]))
    published = {
        (model["name"], column["name"])
        for file in ("marts/_marts__models.yml", "../seeds/_seeds.yml")
        for kind, models in yaml.safe_load((PROJECT_DIR / "models" / file).read_text(encoding="utf-8")).items()
        if kind in ("models", "seeds")
        for model in models
        for column in model["columns"]
    }
    assert len(published) > 150
    assert [
        f"{model}.{column}"
        for model, column in sorted(published)
        if not column.startswith(tuple(prefixes)) and not column.endswith(tuple(suffixes)) and column not in words
    ] == []
    names = {column for _, column in published}
    assert sorted(word for word in words if word not in names) == []
