"""The archive's chain: an entry for each load, removal and forgetting, which holds the hash of the one before it.

The hash of the last entry, the archive's *head*, stands for all that the archive's manifest says and for every byte of
its files. Who can write them all can make another chain: it is found out by a head that was noted elsewhere, such as in
an issue of attestations.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from warehouse.account import account

Kind = Literal["load", "removal", "forgetting", "brought_over"]


@dataclass(frozen=True)
class Entry:
    """One change of the archive; `at` is when it was made (UTC, as text), `by` the account of the machine.

    `added` names the archive files that came, each with its SHA-256, `removed` those that went. `manifest` stands for
    all that the manifest says after it, `previous` is the hash of the entry before, None of the first. Hashes are
    SHA-256, as 64 lower-case hex digits.
    """

    number: int
    kind: Kind
    at: str
    by: str
    reason: str
    added: tuple[tuple[str, str], ...]
    removed: tuple[str, ...]
    manifest: str
    previous: str | None
    hash: str = ""

    @property
    def true_hash(self) -> str:
        """The hash that the entry must have."""
        return digest_of({name: value for name, value in asdict(self).items() if name != "hash"})


def digest_of(value: object) -> str:
    """Return the SHA-256 of a value of JSON. What is empty is left out: a field that is added later changes none."""
    text = json.dumps(_filled(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _filled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _filled(one) for name, one in value.items() if one or one is False}
    return [_filled(one) for one in value] if isinstance(value, (list, tuple)) else value


def next_entry(
    chain: tuple[Entry, ...], kind: Kind, at: str, reason: str, held: Mapping[str, str], manifest: str
) -> Entry | None:
    """Return the entry of a change after which the archive holds `held` (SHA-256 by file); None where nothing changed.

    `manifest` is the digest of all that the manifest then says.
    """
    before = held_after(chain)
    if chain and before == held and chain[-1].manifest == manifest:
        return None
    entry = Entry(
        number=len(chain) + 1,
        kind=kind,
        at=at,
        by=account(),
        reason=reason,
        added=tuple(sorted(held.items() - before.items())),
        removed=tuple(sorted(before.keys() - held.keys())),
        manifest=manifest,
        previous=chain[-1].hash if chain else None,
    )
    return Entry(**{**vars(entry), "hash": entry.true_hash})


def held_after(chain: Iterable[Entry]) -> dict[str, str]:
    """Return the SHA-256 by file of what the archive holds after the last entry."""
    held: dict[str, str] = {}
    for entry in chain:
        for file in entry.removed:
            held.pop(file, None)
        held.update(entry.added)
    return held


def fault_of_chain(chain: tuple[Entry, ...], held: Mapping[str, str | None], manifest: str) -> str | None:
    """Return what in the chain does not hold, None when all does: each entry, their links, and that they end here.

    `held` is what the manifest says of the SHA-256 of each file it holds, `manifest` the digest of all that it says.
    """
    if not chain:
        listed = [file for file, digest in held.items() if digest is not None]
        return f"it has the checksum of {listed[0]}, and no entry of a load" if listed else None
    previous = None
    for number, entry in enumerate(chain, start=1):
        if entry.hash != entry.true_hash:
            return f"its entry {entry.number} ({entry.kind} of {entry.at[:10]}) is not what it was when it was made"
        if (entry.number, entry.previous) != (number, previous):
            return f"its entry {entry.number} ({entry.kind} of {entry.at[:10]}) does not follow the one before it"
        previous = entry.hash
    known = held_after(chain)
    for file in sorted(known.keys() | held.keys()):
        if known.get(file) != held.get(file):
            return f"what it says of {file} is in no entry of it"
    if chain[-1].manifest != manifest:
        return "what it says of loads, files or forgotten learners was changed after its last entry"
    return None
