"""From the text of statements to flat rows, in parts: a million statements are never in memory at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from connectors.mapping import TEXT, arrow_table, write_rows
from connectors.xapi.files import Told
from warehouse.sql import quoted_literal

SQL = Path(__file__).with_name("sql")
LINE = {"place": pa.int64(), "file": TEXT, "line": pa.int64(), "text": TEXT}
STATEMENTS_A_PART = 5_000
WITHOUT_ID = """
    select place, lines.text
    from lines
    inner join read_parquet($part) as statements using (place)
    where statements.statement_id is null and statements.reason is distinct from 'malformed'
    order by place
"""
ADDED_BY_AN_LRS = {"stored", "authority", "version"}


def canonical_id(text: str) -> str:
    """Return the id of a statement that has none: the same whatever the order of its keys, its blanks and its LRS."""
    statement = {key: value for key, value in json.loads(text).items() if key not in ADDED_BY_AN_LRS}
    told = json.dumps(statement, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()[:32]


@dataclass
class Landing:
    """The flat rows of statements, as Parquet files in a folder. `count` is how many statements came so far."""

    db: duckdb.DuckDBPyConnection
    folder: Path
    count: int = 0
    part_count: int = 0

    def __post_init__(self) -> None:
        """Write a part without rows, which shows the columns where nothing comes."""
        self._write(())

    def land(self, told: Iterable[Told], file: str | None = None) -> None:
        """Take the statements of a file, or of an LRS; of a file that turns out to be cut, none."""
        parts = []
        before = self.count
        try:
            rest = iter(told)
            while some := tuple(islice(rest, STATEMENTS_A_PART)):
                lines = ((self.count + number, file, one.line, one.text) for number, one in enumerate(some))
                parts.append(self._write(tuple(lines)))
                self.count += len(some)
        except BaseException:
            for part in parts:
                part.unlink()
            self.count = before
            raise

    @property
    def rows(self) -> str:
        """The rows, for a query."""
        return f"read_parquet({quoted_literal(self.folder / '*.parquet')})"

    def _write(self, lines: Sequence[tuple[Any, ...]]) -> Path:
        self.part_count += 1
        part = self.folder / f"{self.part_count:06}.parquet"
        self.db.register("lines", arrow_table(LINE, lines))
        self._map(part, ())
        if without_id := self.db.execute(WITHOUT_ID, {"part": str(part)}).fetchall():
            self._map(part, [(place, canonical_id(text)) for place, text in without_id])
        self.db.unregister("lines")
        return part

    def _map(self, part: Path, made_ids: Sequence[tuple[int, str]]) -> None:
        self.db.register("made_ids", arrow_table({"place": pa.int64(), "made_id": TEXT}, made_ids))
        write_rows(self.db, (SQL / "statements.sql").read_text(encoding="utf-8"), part)
        self.db.unregister("made_ids")
