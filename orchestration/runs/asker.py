"""Who asked for what a run makes, and how: an issue of attestations keeps it on record."""

from __future__ import annotations

from dataclasses import dataclass

from reports.issuing.manifest import Way
from warehouse.account import account


@dataclass(frozen=True)
class Asker:
    """An account of the machine, or of a page the e-mail address of who had signed in."""

    name: str
    way: Way


def this_account(way: Way) -> Asker:
    """Return the account that runs this process."""
    return Asker(account(), way)
