"""Names and texts as SQL, whatever they hold, where a bound parameter cannot stand."""

from __future__ import annotations


def quoted_identifier(name: str) -> str:
    """Return `name` as one SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted_literal(text: object) -> str:
    """Return the text of `text` as one SQL string."""
    return "'" + str(text).replace("'", "''") + "'"
