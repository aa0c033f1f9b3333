"""One writer per file format, all with the same face."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import duckdb

from reports.export.columns import Column, Language
from reports.export.filters import ExportFilters
from reports.export.lines import Selection
from warehouse.steps import TellStep

Format = Literal["csv", "xlsx", "parquet"]


@dataclass(frozen=True)
class WriterInput:
    """What a writer is given: the lines and columns to write, the header's language, and what the file says of itself.

    `filters` left these lines.
    `about` is the JSON document beside the file as far as it is known before the file is there.
    """

    db: duckdb.DuckDBPyConnection
    selection: Selection
    columns: tuple[Column, ...]
    language: Language
    filters: ExportFilters
    data_as_of: datetime
    about: dict[str, Any]
    progress: TellStep


@dataclass(frozen=True)
class CutCell:
    """A text too long for its cell, of which the file holds only the beginning."""

    sheet: str
    cell: str
    header: str
    characters: int


@dataclass
class Written:
    """What there is to say of a file beside the usual."""

    cut_cells: list[CutCell] = field(default_factory=list)


class Writer(Protocol):
    """Writes lines of the published warehouse into one file."""

    def columns(self, printed: tuple[Column, ...]) -> tuple[Column, ...]:
        """Return the columns of the file, given those that are printed."""

    def write(self, given: WriterInput, target: Path) -> Written:
        """Write all lines to `target`; without lines, the header alone."""
