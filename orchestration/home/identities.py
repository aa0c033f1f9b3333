"""Which accounts are one person: `identities.csv` of the home."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping

from orchestration.home.paths import Home
from orchestration.home.settings import home_sources
from warehouse.errors import UserError
from warehouse.readers import BLANKS

COLUMNS = ("source", "user_id", "learner")


def read_identities(home: Home) -> dict[str, int]:
    """Return the accounts that the file names, by user id as delivered, each with the number of its learner.

    A source's `id_prefix` stands before its ids; without a source an id is as in the raw tables. Learners are numbered
    in the order of the file, so that nothing of what names them goes further. Empty where there is no file.
    Raises UserError, with the line, for a file that cannot be used.
    """
    path = home.identities
    if not path.exists():
        return {}
    prefixes = {"": "", **{name: source.id_prefix for name, source in home_sources(home).items()}}
    numbers: dict[str, int] = {}
    found: dict[str, tuple[int, int]] = {}
    for line, cells in _rows(home):
        where = f"{path}, line {line}"
        if len(cells) != len(COLUMNS):
            raise UserError(f"{where} has {len(cells)} cells, and must have {len(COLUMNS)}: {', '.join(COLUMNS)}.")
        source, user_id, learner = cells
        if source not in prefixes:
            known = ", ".join(name for name in prefixes if name) or "none"
            raise UserError(
                f"{where} names the unknown source {source!r}. Sources of opco.toml: {known}; an empty source takes "
                "the id as it is in the raw tables."
            )
        if not user_id or not learner:
            raise UserError(f"{where} has no {'learner' if user_id else 'user_id'}. Fill it in, or delete the line.")
        account, number = f"{prefixes[source]}{user_id}", numbers.setdefault(learner, len(numbers) + 1)
        earlier_number, earlier_line = found.setdefault(account, (number, line))
        if earlier_number != number:
            raise UserError(
                f"{where} gives the account {account!r} to another learner than line {earlier_line} does. One account "
                "is one person's: delete one of the two lines."
            )
    return {account: number for account, (number, _) in found.items()}


def identities_digest(identities: Mapping[str, int]) -> str | None:
    """Return 16 hex digits that tell who is one person with whom from any other such file; None where nobody is."""
    if not identities:
        return None
    persons: dict[int, list[str]] = {}
    for account in sorted(identities):
        persons.setdefault(identities[account], []).append(account)
    return hashlib.sha256(json.dumps(sorted(persons.values())).encode()).hexdigest()[:16]


def _rows(home: Home) -> list[tuple[int, list[str]]]:
    """Return the rows below the header with their lines, cells trimmed. Raises UserError for what is no such file."""
    path = home.identities
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            first = text.readline()
            text.seek(0)
            # As spreadsheets of French write it.
            reader = csv.reader(text, delimiter=";" if ";" in first else ",", strict=True)
            rows = [(reader.line_num, [cell.strip(BLANKS) for cell in row]) for row in reader]
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 ({error.reason}). Save it as CSV UTF-8.") from error
    except (OSError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    rows = [(line, row) for line, row in rows if any(row)]
    if not rows or tuple(rows[0][1]) != COLUMNS:
        found = ",".join(rows[0][1]) if rows else "nothing"
        raise UserError(f"{path} begins with {found}; its first line must be {','.join(COLUMNS)}.")
    return rows[1:]
