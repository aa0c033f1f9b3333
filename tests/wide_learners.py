"""Keeps the learners of a small published warehouse in step with what a test wrote into the fact."""

from __future__ import annotations

import duckdb

from warehouse.sql import quoted_identifier


def learners_follow_the_fact(db: duckdb.DuckDBPyConnection) -> None:
    """Give `dim_learners` what the fact's lines say of their learners: names, texts, labels and custom fields."""
    fact = [name for (name, *_) in db.execute("describe fct_opco_connections").fetchall()]
    known = [name for (name, *_) in db.execute("describe dim_learners").fetchall()]
    theirs = fact[fact.index("last_name") :]
    columns = [
        f"coalesce(fact.{name}, learners.{name}) as {name}" if one in known else f"fact.{name}"
        for one in theirs
        for name in [quoted_identifier(one)]
    ]
    kept = ", ".join(f"learners.{quoted_identifier(name)}" for name in known if name not in theirs)
    db.execute(
        f"""
        create or replace table dim_learners as
        select {kept}, {", ".join(columns)}
        from dim_learners as learners
        left join (from fct_opco_connections qualify row_number() over (partition by user_id order by connected_at) = 1)
            as fact using (user_id)
        """
    )
