"""Publishing: the marts alone, in a new compact file, shown to readers by one atomic rename of a link."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse.errors import OpcoError
from warehouse.files import fsync_path, sha256_of, written_atomically
from warehouse.sql import quoted_identifier, quoted_literal

LINK = "opco.duckdb"
BUILDS = "builds"


@dataclass(frozen=True)
class PublishSummary:
    """What was published: the file, the link that readers open, and rows by table."""

    path: Path
    link: Path
    byte_count: int
    sha256: str
    row_counts: dict[str, int]


def publish(build_file: Path, published: Path, build_id: str) -> PublishSummary:
    """Copy schema `marts` of the build file to `published/builds/<build_id>.duckdb` and set the link to it.

    Tables stand in schema `main`, with the models' descriptions as comments. Raises OpcoError when the build
    holds another build than `build_id`, when that build was published before, or when the copy fails.
    """
    target = published / BUILDS / f"{build_id}.duckdb"
    if target.exists():
        raise OpcoError(f"{target} is published already; a build is published once. Run the build again.")
    try:
        with written_atomically(target) as temporary:
            row_counts = _copy_marts(build_file, temporary, build_id)
    except duckdb.Error as error:
        raise OpcoError(f"{build_file} could not be published ({str(error).splitlines()[0]}).") from error
    link = published / LINK
    _set_link(link, target)
    return PublishSummary(target, link, target.stat().st_size, sha256_of(target), row_counts)


def _copy_marts(build_file: Path, target: Path, build_id: str) -> dict[str, int]:
    with duckdb.connect() as connection:
        # The order of rows in a table means nothing, and to keep it takes a third of the copying.
        connection.execute("set preserve_insertion_order = false")
        connection.execute(f"attach {quoted_literal(build_file)} as build (read_only)")
        found = connection.execute("select build_id from build.marts.warehouse_build").fetchall()
        if found != [(build_id,)]:
            raise OpcoError(f"{build_file} holds another build than {build_id}. Run the build again.")
        connection.execute(f"attach {quoted_literal(target)} as published")
        tables = connection.execute(
            """
            select table_name, comment from duckdb_tables()
            where database_name = 'build' and schema_name = 'marts' order by table_name
            """
        ).fetchall()
        row_counts = {}
        for table, comment in tables:
            name = quoted_identifier(table)
            connection.execute(f"create table published.main.{name} as from build.marts.{name}")
            counted = connection.execute(f"select count(*) from published.main.{name}").fetchone()
            row_counts[table] = counted[0] if counted else 0
            if comment:
                connection.execute(f"comment on table published.main.{name} is {quoted_literal(comment)}")
        for table, column, comment in connection.execute(
            """
            select table_name, column_name, comment from duckdb_columns()
            where database_name = 'build' and schema_name = 'marts' and comment is not null
            order by table_name, column_index
            """
        ).fetchall():
            place = f"published.main.{quoted_identifier(table)}.{quoted_identifier(column)}"
            connection.execute(f"comment on column {place} is {quoted_literal(comment)}")
        connection.execute("detach published")
    return row_counts


def _set_link(link: Path, target: Path) -> None:
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target.relative_to(link.parent))
    temporary.replace(link)
    fsync_path(link.parent)
