"""Learners whose personal data left the home: what deliveries and the sources' state hold of them goes as well.

The id stays, and with it every connection; the name, the address and what else says who it is go.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

import duckdb

from warehouse.files import written_atomically
from warehouse.forgotten import LEFT_OUT, USERS, Identifiers
from warehouse.sql import quoted_identifier, quoted_literal

# Of a user's row.
KEPT = ("user_id", "status", "deleted_at")


def forget_in_deliveries(root: Path, user_id: str, identifiers: Identifiers) -> list[Path]:
    """Take a learner out of every delivery that is kept under `root`; return the files that were written anew.

    `identifiers` are the texts by which the learner is known. Files of several deliveries that are one on the disk are
    each written anew.
    """
    changed = []
    for path in sorted(root.rglob("*")) if root.is_dir() else ():
        if path.is_symlink() or not path.is_file():
            continue
        if path.suffix == ".parquet" and _rewrite(path, [user_id], identifiers):
            changed.append(path)
        if path.name.endswith("-report.json") and _without_examples(path, identifiers):
            changed.append(path)
    return changed


def forget_in_new_files(paths: Collection[Path], user_ids: Collection[str]) -> None:
    """Take learners who were forgotten before out of what a source has just written of them, by their ids."""
    for path in paths if user_ids else ():
        _rewrite(path, user_ids, Identifiers())


def _rewrite(path: Path, user_ids: Collection[str], identifiers: Identifiers) -> bool:
    """Write a file anew without what it holds of the learners; return whether it held anything."""
    with duckdb.connect() as db:
        source = f"read_parquet({quoted_literal(path)}, hive_partitioning = false)"
        columns = {name: kind for name, kind, *_ in db.execute(f"describe from {source}").fetchall()}
        theirs = _condition(columns, path.parent.name, identifiers)
        parameters = {"user_ids": list(user_ids)} if "$user_ids" in theirs else {}
        found = db.execute(f"select count(*) from {source} where {theirs}", parameters).fetchone()
        if not found or not found[0]:
            return False
        if path.parent.name == USERS:
            cells = ", ".join(_cells(columns, theirs))
            query = f"select {cells} from {source}"
        else:
            query = f"select * from {source} where not ({theirs})"
        with written_atomically(path) as temporary:
            target = quoted_literal(temporary)
            db.execute(f"copy ({query}) to {target} (format parquet, compression zstd)", parameters)
        return True


def _condition(columns: dict[str, str], folder: str, identifiers: Identifiers) -> str:
    texts = ", ".join(quoted_identifier(name) for name, kind in columns.items() if kind == "VARCHAR")
    conditions = [identifiers.condition(f"concat_ws(chr(31), {texts})")] if identifiers and texts else []
    if folder in (USERS, *LEFT_OUT) and "user_id" in columns:
        is_told = " or ".join(
            f"{quoted_identifier(name)} is not null"
            for name in columns
            if name not in ("user_id", "status", "deleted_at")
        )
        conditions.append(f"(cast(user_id as varchar) in (select unnest($user_ids)) and ({is_told or 'false'}))")
    return " or ".join(conditions) or "false"


def _cells(columns: dict[str, str], theirs: str) -> Iterator[str]:
    for name in columns:
        column = quoted_identifier(name)
        yield column if name in KEPT else f"case when not ({theirs}) then {column} end as {column}"


def _without_examples(path: Path, identifiers: Identifiers) -> bool:
    """Take the examples out of a report that names the learner."""
    text = path.read_text(encoding="utf-8")
    if not identifiers.are_in(text):
        return False
    content = json.loads(text)
    for finding in content["report"]["findings"]:
        finding["examples"] = [one for one in finding["examples"] if not identifiers.are_in(one)]
        if identifiers.are_in(finding["text"]):
            finding["text"] = "(forgotten)"
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return True
