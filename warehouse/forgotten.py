"""Learners whose personal data left the archive: what is on record of it, and how a file of the archive loses theirs.

A forgotten learner keeps the id, so that every connection stays under it, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from warehouse.contract import RawTable
from warehouse.readers import BLANKS as TRIMMED
from warehouse.readers import literal_path
from warehouse.sql import quoted_literal

USERS = "users"
# Of these a learner's rows go as a whole; a row of `users` keeps its place, so that the id stays known.
LEFT_OUT = ("user_custom_field_values", "user_labels")
PERSONAL = (USERS, *LEFT_OUT)
FORGOTTEN = "(forgotten)"
BLANKS = quoted_literal(TRIMMED)
# An account of nobody's name is a deleted one; when it was deleted may stay.
KEPT_CELLS = {
    "user_id": "user_id",
    "status": "'deleted'",
    "deleted_at": "case when regexp_full_match(deleted_at, '[0-9TtZz:+. -]*') then deleted_at end",
}


@dataclass(frozen=True)
class RewrittenFile:
    """A file of the archive that lost rows or cells; `sha256` is that of the file as it was delivered."""

    table_name: str
    file: str
    sha256: str
    row_count: int


@dataclass(frozen=True)
class Forgotten:
    """What is known of a forgetting; nothing of the data itself. Instants are UTC, as text.

    `exports`, `deliveries` and `attestations` held the data when it was asked for, and stay for a person to decide;
    `completed_at` is None until nothing else of the home holds it.
    """

    user_id: str
    reason: str
    asked_by: str
    asked_at: str
    last_connection_at: str | None
    retained_until: str | None
    is_overridden: bool
    opco_version: str
    rewritten: tuple[RewrittenFile, ...] = ()
    exports: tuple[str, ...] = ()
    deliveries: tuple[str, ...] = ()
    attestations: tuple[str, ...] = ()
    removed_builds: tuple[str, ...] = ()
    removed_runs: int = 0
    build_id: str | None = None
    completed_at: str | None = None


@dataclass(frozen=True)
class Identifiers:
    """Texts by which a learner is known wherever they stand as words, in any case; of a pair, both in one row."""

    single: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.single or self.pairs)

    def are_in(self, text: str) -> bool:
        """Whether a row's text holds one of them."""
        return any(_has_word(text, one) for one in self.single) or any(
            _has_word(text, first) and _has_word(text, second) for first, second in self.pairs
        )

    def condition(self, text: str) -> str:
        """Return the SQL condition that the SQL text `text` holds one of them."""
        alone = [_word_in_sql(text, (one,)) for one in self.single]
        both = [f"({_word_in_sql(text, (a,))} and {_word_in_sql(text, (b,))})" for a, b in self.pairs]
        return f"({' or '.join((*alone, *both)) or 'false'})"


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


def _word_in_sql(text: str, words: Collection[str]) -> str:
    alternatives = "|".join(re.sub(r"([^\w\s])", r"\\\1", word) for word in words)
    pattern = rf"(^|[^\pL\pN_])({alternatives})([^\pL\pN_]|$)"
    return f"coalesce(regexp_matches({text}, {quoted_literal(pattern)}, 'i'), false)"


@dataclass(frozen=True)
class Redactor:
    """Takes the data of learners out of files of the archive.

    `identifiers`, known only while their data is still there, find what names them without their id: records that could
    not be read, and rows of no id.
    """

    user_ids: Sequence[str]
    identifiers: Identifiers = field(default_factory=Identifiers)

    def count(self, paths: Sequence[Path], table: RawTable) -> dict[Path, int]:
        """Return how many rows of each archive file of `table` hold their data; files that hold none are left out."""
        if not paths or not self.user_ids or (table.name not in PERSONAL and not self.identifiers):
            return {}
        found = self._ask(
            f"select archived_as, count(*) from {_archived(paths)} "
            f"where {self._theirs(table)} or {self._unreadable(table)} group by archived_as",
            table,
        )
        return {Path(name): count for name, count in found}

    def redact(self, source: Path, target: Path, table: RawTable) -> int:
        """Write an archive file of `table` to `target` without their data, and return how many rows that has."""
        theirs, unreadable = self._theirs(table), self._unreadable(table)
        cells = [
            f"case when {unreadable} then {quoted_literal(FORGOTTEN)} else malformed_line end as malformed_line",
            f"case when not {theirs} then unfit_columns end as unfit_columns",
            *(_cell(name, theirs) if table.name == USERS else name for name in table.column_names),
        ]
        kept = f"where not {theirs}" if table.name in LEFT_OUT else ""
        ((rows,),) = self._ask(
            f"copy (select file, line, {', '.join(cells)} from {_archived([source])} {kept}) "
            f"to {quoted_literal(target)} (format parquet, compression zstd)",
            table,
        )
        return int(rows)

    def _ask(self, query: str, table: RawTable) -> list[tuple[Any, ...]]:
        with duckdb.connect() as db:
            parameters = {"user_ids": list(self.user_ids)} if table.name in PERSONAL else {}
            return db.execute(query, parameters).fetchall()

    def _theirs(self, table: RawTable) -> str:
        if table.name not in PERSONAL:
            return "false"
        by_id = f"coalesce(trim(user_id, {BLANKS}) in (select unnest($user_ids)), false)"
        if not self.identifiers:
            return by_id
        texts = ", ".join(name for name in table.column_names if name != "user_id")
        of_nobody = f"nullif(trim(user_id, {BLANKS}), '') is null and malformed_line is null"
        return f"({by_id} or ({of_nobody} and {self.identifiers.condition(f'concat_ws(chr(31), {texts})')}))"

    def _unreadable(self, table: RawTable) -> str:
        conditions = [self.identifiers.condition("malformed_line")] if self.identifiers else []
        if table.name in PERSONAL:
            conditions.append(_word_in_sql("malformed_line", self.user_ids))
        return f"(malformed_line is not null and ({' or '.join(conditions) or 'false'}))"


def _archived(paths: Sequence[Path]) -> str:
    listed = ", ".join(quoted_literal(literal_path(path)) for path in paths)
    return f"read_parquet([{listed}], filename = 'archived_as', union_by_name = true, hive_partitioning = false)"


def _cell(name: str, theirs: str) -> str:
    return f"case when {theirs} then {KEPT_CELLS.get(name, 'null')} else {name} end as {name}"
