"""Counts and sizes in words, for messages of every room."""

from __future__ import annotations


def size(byte_count: int) -> str:
    """Return a size for people: `812 B`, `4.1 kB`, `1.2 MB`."""
    if byte_count < 1000:
        return f"{byte_count} B"
    for unit, factor in (("kB", 1e3), ("MB", 1e6)):
        if byte_count < factor * 1000:
            return f"{byte_count / factor:.1f} {unit}"
    return f"{byte_count / 1e9:.1f} GB"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return `1 row`, `2 rows`, `1,234 rows`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
