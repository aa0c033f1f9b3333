"""How what takes long says how far it is, to whoever asked for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
TellStep = Callable[[int, int, str], None]
"""Called with the steps done, all of them, and what is being done."""


def tell_nobody(done: int, total: int, note: str) -> None:
    """Tell a step to nobody."""


def told(items: Sequence[Item], tell: TellStep, name: Callable[[Item], str]) -> Iterator[Item]:
    """Yield the items, each once `tell` knows its name, and tell at the end that all are done."""
    for done, item in enumerate(items):
        tell(done, len(items), name(item))
        yield item
    tell(len(items), len(items), "")
