"""What a command says at its end: the same facts as one line of JSON, or as a few lines that tell what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestration.terminal import print_json, print_lines

Closing = dict[str, Any]


def close(closing: Closing, lines: Iterable[str], *, as_json: bool) -> None:
    """Print what a command says at its end: one line of JSON, or lines for people."""
    if as_json:
        print_json(closing)
    else:
        print_lines(lines)
