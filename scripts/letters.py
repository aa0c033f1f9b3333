"""Writes macros/letters.sql: what DuckDB makes of each letter, for Spark, whose Java has tables of its own.

`python scripts/letters.py` after a new version of DuckDB; a test holds the file current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

FILE = Path(__file__).resolve().parents[1] / "macros" / "letters.sql"
HEAD = """{#- Written by scripts/letters.py: what DuckDB makes of letters. -#}


{# Letters that have a lower case, and the same in lower case, as two texts. #}
{% macro letters_to_lower() -%}
    {%- set pairs = [
"""
ACCENTS = """    ] -%}
    {{ return((pairs | map(attribute=0) | join, pairs | map(attribute=1) | join)) }}
{%- endmacro %}


{# Letters with an accent, the same without, and the marks that are left out, as three texts. #}
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
    stripped = _changed_by("strip_accents")
    marks: list[list[int]] = []
    for letter, plain in stripped:
        if plain:
            continue
        if marks and marks[-1][1] == ord(letter) - 1:
            marks[-1][1] = ord(letter)
        else:
            marks.append([ord(letter), ord(letter)])
    rows_of_marks = (
        "        " + ", ".join(f"({first}, {last})" for first, last in rows) + ",\n" for rows in _batched(marks, 6)
    )
    with_accent = [(letter, plain) for letter, plain in stripped if plain]
    return "".join([HEAD, *_lines(_changed_by("lower")), ACCENTS, *_lines(with_accent), MARKS, *rows_of_marks, TAIL])


def _changed_by(function: str) -> list[tuple[str, str]]:
    """Return the letters that a function of DuckDB's changes, each with what it becomes."""
    query = f"""
        select chr(code_point), {function}(chr(code_point))
        from (select cast(unnest(range(1, 1114112)) as integer) as code_point)
        where code_point not between 55296 and 57343 and {function}(chr(code_point)) <> chr(code_point)
        order by code_point
        """
    return duckdb.connect().execute(query).fetchall()


def _batched(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _lines(pairs: list[tuple[str, str]]) -> list[str]:
    return [
        f"        ('{''.join(a for a, _ in line)}', '{''.join(b for _, b in line)}'),\n" for line in _batched(pairs, 50)
    ]


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
    sys.stdout.write(f"{FILE.name} is written.\n")
