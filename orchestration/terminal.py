"""What a person sees in the terminal: closing lines, errors, sizes and counts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text


def plain(text: object) -> str:
    """Return `text` without characters that would steer a terminal."""
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in str(text))


def print_lines(lines: Iterable[str]) -> None:
    """Print closing lines on stdout, as they are."""
    for line in lines:
        sys.stdout.write(plain(line) + "\n")


def print_json(closing: Mapping[str, Any]) -> None:
    """Print the one machine-readable line on stdout."""
    sys.stdout.write(json.dumps(closing, ensure_ascii=False, default=str) + "\n")


def print_error(message: str) -> None:
    """Print an error on stderr: the first line says what is wrong, the others what to do."""
    Console(stderr=True).print(Text.assemble(("Error: ", "bold red"), plain(message)), soft_wrap=True)


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
