"""Clocks and letters, of which each engine has tables of its own: the macros of both over instants and letters."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from warehouse.contract import project_vars
from warehouse.model_sql import Models
from warehouse.sql import quoted_literal

ZONES = (
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Antarctica/Troll",
)
WORDS = ("ΣΑΣ", "Σ", "ΑΣ.", "ΑΣΑ", "İSTANBUL", "Iı", "STRASSE ẞ", "e\u0301", "E\u0301COLE", "ǅ", "𐐀", "ﬁ", "Œuvre", "")


def rendered(text: str, engine: str) -> str:
    """Return a template with the macros in the form of one engine: `default` (DuckDB) or `spark`."""
    templates = Models(duckdb.connect(), project_vars()).templates
    templates.globals["adapter"] = SimpleNamespace(dispatch=lambda name: templates.globals[f"{engine}__{name}"])
    return templates.from_string(text).render()


def differing(session: Any, db: duckdb.DuckDBPyConnection, folder: Path, query: str) -> tuple[int, list[Any]]:
    """Return how many rows DuckDB gives of a query over table `given`, and some that Spark gives otherwise."""
    files = folder / "spark"
    db.execute(f"copy given to {quoted_literal(folder / 'given.parquet')}")
    session.read.parquet(str(folder / "given.parquet")).createOrReplaceTempView("given")
    session.sql(rendered(query, "spark")).write.parquet(str(files))
    db.execute(f"create table ours as {rendered(query, 'default')}")
    theirs = f"from read_parquet({quoted_literal(files / '*.parquet')})"
    ((count, others),) = db.execute(f"select (select count(*) from ours), (select count(*) {theirs})").fetchall()
    assert count == others
    return count, db.execute(f"from ours except all ({theirs}) limit 60").fetchall()


@pytest.mark.parametrize("zone", ZONES)
def test_clocks_show_and_mean_the_same(session: Any, tmp_path: Path, zone: str) -> None:
    db = duckdb.connect()
    db.execute("set TimeZone = 'UTC'")
    # Any instants, and every five minutes of the days on which a clock is put on or back.
    db.execute(
        f"""
        create table given as
        with days as (select unnest(range(timestamp '1850-01-01', timestamp '2037-01-01', interval 1 day)) as day_at),
        shown as (
            select day_at, timezone({quoted_literal(zone)}, timezone('UTC', day_at)) as clock from days
        ),
        changes as (
            select day_at from shown qualify lead(clock) over (order by day_at) - clock <> interval 1 day
        )
        select unnest(range(day_at, day_at + interval 2 day, interval 5 minute)) as instant from changes
        union
        select timestamp '1850-01-01' + to_microseconds((hash(number) % 5900000000000000)::bigint) as instant
        from range(100000) as numbers (number)
        """
    )
    count, others = differing(
        session,
        db,
        tmp_path,
        f"""
        select
            instant,
            clock,
            {{{{ instant_of_local_time('clock', '{zone}') }}}} as read_again,
            {{{{ earlier_of_two('instant', '{zone}') }}}} as earlier
        from (select instant, {{{{ local_time('instant', '{zone}') }}}} as clock from given) as shown
        """,
    )
    assert others == []
    assert count > 100_000


def test_every_letter_is_lowered_and_stripped_alike(session: Any, tmp_path: Path) -> None:
    db = duckdb.connect()
    db.execute(
        """
        create table given as
        select chr(code_point) as letters
        from (select cast(unnest(range(1, 1114112)) as integer) as code_point)
        where code_point not between 55296 and 57343
        """
    )
    db.executemany("insert into given values ($1)", [[word] for word in WORDS])
    query = "select letters, {{ lowered('letters') }} as lower, {{ alphabetical('letters') }} as folded from given"
    count, others = differing(session, db, tmp_path, query)
    assert [
        (letters, [hex(ord(letter)) for letter in letters], lower, folded) for letters, lower, folded in others
    ] == []
    assert count > 1_100_000
