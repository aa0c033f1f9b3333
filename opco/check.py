"""`opco check`: a raw folder compared with the contract."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from opco.options import DebugOption, HomeOption, JsonOption, app
from opco.running import open_home
from opco.terminal import Result, print_result
from orchestration.home.paths import HOME_VARIABLE
from orchestration.home.settings import load_settings
from warehouse.checking import BadRows, CheckedFile, FolderCheck, check_folder
from warehouse.readers import ReadSettings
from warehouse.wording import counted

FILES_SHOWN = 30
"""So many files are printed of one table; JSON has all."""


@app.command(epilog="Examples:  opco check demo/raw   ·   opco check raw --home ~/opco")
def check(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The raw folder: one file or folder a table.")],
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Check a raw folder against the contract, with no home: files, columns, what stops a load, the first bad rows.

    It reads as the first load into a new home would, and keeps nothing. With a home, named by --home or OPCO_HOME, its
    settings of [rules] and [raw] hold, else the defaults. Exit code 1 where something stops the load.
    """
    reading, rules = ReadSettings(), {}
    if home_folder is not None or os.environ.get(HOME_VARIABLE):
        settings = load_settings(open_home(home_folder))
        reading, rules = settings.raw.reading(), settings.rules.model_dump()
    found = check_folder(folder.expanduser(), settings=reading, rules=rules)
    print_result(CheckResult(folder, found), as_json=as_json)


@dataclass(frozen=True)
class CheckResult(Result, command="check"):
    """What a raw folder holds, what would stop a load, and the rows that it would reject."""

    folder: Path
    found: FolderCheck

    @property
    def ok(self) -> bool:
        """Whether it can be loaded."""
        return not self.found.stops

    def facts(self) -> dict[str, Any]:
        """Return the folder and what was found, side by side."""
        return {"folder": self.folder, **asdict(self.found)}

    def lines(self) -> Iterator[str]:
        """Yield the files table by table, the first bad rows, and whether the folder can be loaded."""
        found = self.found
        tables: dict[str, list[CheckedFile]] = {}
        for file in found.files:
            tables.setdefault(file.table_name, []).append(file)
        for name, files in tables.items():
            yield f"{name}: {counted(len(files), 'file')}, {counted(sum(file.rows for file in files), 'row')}"
            yield from (line for file in files[:FILES_SHOWN] for line in _file(file))
            if len(files) > FILES_SHOWN:
                yield f"  and {counted(len(files) - FILES_SHOWN, 'more file')}"
        if found.missing:
            yield f"Not there: {', '.join(found.missing)}"
        yield from (f"Warning: {warning}" for warning in found.warnings)
        yield from map(_bad_rows, found.bad_rows)
        if found.stops:
            yield "This stops the load:"
            yield from (f"  {stop}" for stop in found.stops)
            return
        rejected = sum(one.count for one in found.bad_rows if not one.row_kept)
        nulled = sum(one.count for one in found.bad_rows if one.row_kept)
        rows = counted(sum(file.rows for file in found.files), "row")
        yield f"The folder can be loaded: {rows}, {rejected:,} of them rejected; {counted(nulled, 'cell')} nulled."


def _file(file: CheckedFile) -> Iterator[str]:
    lacks = f", without {', '.join(file.missing_columns)}" if file.missing_columns else ""
    yield f"  {file.file}: {counted(file.rows, 'row')}{lacks}"
    if file.unlisted_columns:
        yield f"    not in the contract, ignored: {', '.join(name or '(no name)' for name in file.unlisted_columns)}"


def _bad_rows(bad: BadRows) -> str:
    what = counted(bad.count, "cell") + " nulled" if bad.row_kept else counted(bad.count, "row") + " rejected"
    column = f" {bad.column_name}" if bad.column_name else ""
    value = f" = {bad.value}" if bad.value is not None else ""
    return f"{bad.table_name}: {what}, {bad.reason}; the first {bad.file}:{bad.line}{column}{value}"
