"""Texts that have broken files before, and a small warehouse full of them."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tests.wide_learners import learners_follow_the_fact

TITLES = (
    'un "titre" entre guillemets',
    "point;virgule, tabulation\tet plus",
    "deux\r\nlignes",
    "emoji 😀 et عربى",
    "é" * 300,
    "x'); drop table dim_learners; --",
    '=HYPERLINK("http://exemple.fr")',
    "<r><t>riche</t></r>",
    "&amp; <b> ]]> _x0041_",
    "%s $b {0} {{x}}",
)
VALUES = (
    "<r></r></is></c><c><f>1+1</f></c><c><is><r></r>",
    "_x0041__x0042_",
    "\x01\x0b\x1f\x7f",
    "  blancs autour  ",
    "'apostrophe",
    "-1",
    "1e5",
    "0033",
    "TRUE",
    "\tonglet",
)


def hostile_warehouse(path: Path, published_sql: str) -> Path:
    """Write the small warehouse with a custom field for each of TITLES, in whose column stands one of VALUES."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(published_sql)
        connection.execute("delete from dim_custom_fields")
        for place, (title, value) in enumerate(zip(TITLES, VALUES, strict=True), start=1):
            connection.execute(
                "insert into dim_custom_fields values (?, ?, 'string', ?, ?)", [f"H{place}", title, title, place]
            )
            column = title.replace('"', '""')
            connection.execute(f'alter table fct_opco_connections add column "{column}" varchar')
            connection.execute(f'update fct_opco_connections set "{column}" = $value', {"value": value})
        learners_follow_the_fact(connection)
    return path
