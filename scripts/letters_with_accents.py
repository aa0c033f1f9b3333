"""Writes macros/letters_with_accents.sql: what DuckDB's `strip_accents` makes of each letter, for Spark, which has none.

`python scripts/letters_with_accents.py` after a new version of DuckDB; a test holds the file current.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

FILE = Path(__file__).resolve().parents[1] / "macros" / "letters_with_accents.sql"
LETTERS_A_LINE = 50
HEAD = """{#- Written by scripts/letters_with_accents.py. -#}
{#- Letters with an accent, the same without, and the marks that DuckDB's strip_accents leaves out, each as one text. -#}
{% macro letters_with_accents() -%}
    {%- set pairs = [
"""
MARKS = """    ] -%}
    {#- first and last code point of each row of marks -#}
    {%- set rows_of_marks = [
"""
TAIL = """    ] -%}
    {%- set marks = [] -%}
    {%- for first, last in rows_of_marks -%}
        {%- for code_point in range(first, last + 1) -%}
            {%- do marks.append('%c' % code_point) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return((pairs | map(attribute=0) | join, pairs | map(attribute=1) | join, marks | join)) }}
{%- endmacro %}
"""


def written() -> str:
    """Return the file's text, from the DuckDB that is installed."""
    changed = (
        duckdb.connect()
        .execute(
            """
            select code_point, chr(code_point), strip_accents(chr(code_point))
            from (select cast(unnest(range(1, 1114112)) as integer) as code_point)
            where code_point not between 55296 and 57343 and strip_accents(chr(code_point)) <> chr(code_point)
            order by code_point
            """
        )
        .fetchall()
    )
    letters = [(letter, plain) for _, letter, plain in changed if plain]
    lines = [letters[start : start + LETTERS_A_LINE] for start in range(0, len(letters), LETTERS_A_LINE)]
    rows: list[list[int]] = []
    for code_point in [code_point for code_point, _, plain in changed if not plain]:
        if rows and rows[-1][1] == code_point - 1:
            rows[-1][1] = code_point
        else:
            rows.append([code_point, code_point])
    return "".join(
        [
            HEAD,
            *(f"        ('{''.join(a for a, _ in line)}', '{''.join(b for _, b in line)}'),\n" for line in lines),
            MARKS,
            *(
                "        " + ", ".join(f"({first}, {last})" for first, last in rows[start : start + 6]) + ",\n"
                for start in range(0, len(rows), 6)
            ),
            TAIL,
        ]
    )


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
    sys.stdout.write(f"{FILE.name} is written.\n")
