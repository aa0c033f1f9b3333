"""Which lines pass an export's filters, told a second time: by another query than the export's own (E)."""

from __future__ import annotations

import duckdb

from reports.export.filters import ExportFilters
from reports.export.lines import local_instant


def independent_count(db: duckdb.DuckDBPyConnection, filters: ExportFilters, zone: str) -> int:
    """Count the lines that pass `filters` by other ways than the export's own: instants, direct members, names."""
    day = f"cast({local_instant('fact.connected_at', '$zone')} as date)"
    row = db.execute(
        f"""
        with recursive given as (
            select
                cast($users as varchar[]) as users,
                cast($groups as varchar[]) as groups,
                cast($sessions as varchar[]) as sessions,
                cast($by_name as boolean) as by_name
        ),

        asked as (
            select
                by_name,
                if(by_name, list_transform(users, lambda name: nfc_normalize(name)), users) as users,
                if(by_name, list_transform(groups, lambda name: nfc_normalize(name)), groups) as groups,
                if(by_name, list_transform(sessions, lambda name: nfc_normalize(name)), sessions) as sessions
            from given
        ),

        in_groups as (
            select group_id
            from dim_groups, asked
            where
                list_contains(asked.groups, if(by_name, nfc_normalize(group_id), group_id))
                or (by_name and list_contains(asked.groups, nfc_normalize(group_name)))
            union
            select dim_groups.group_id
            from dim_groups
            inner join in_groups on dim_groups.parent_group_id = in_groups.group_id
        ),

        learners as (
            select user_id
            from dim_learners, asked
            where
                (
                    len(asked.users) = 0
                    or list_contains(asked.users, if(by_name, nfc_normalize(user_id), user_id))
                    or (
                        by_name
                        and list_contains(
                            list_transform(asked.users, lambda name: lower(name)), lower(nfc_normalize(email))
                        )
                    )
                )
                and (
                    len(asked.groups) = 0
                    or user_id in (
                        select user_id
                        from bridge_group_members
                        where is_direct and group_id in (select group_id from in_groups)
                    )
                )
        )

        select count(*)
        from fct_opco_connections as fact
        cross join asked
        semi join learners on fact.user_id = learners.user_id
        where
            ($first is null or {day} >= $first)
            and ($last is null or {day} <= $last)
            and (
                len(asked.sessions) = 0
                or list_contains(asked.sessions, if(asked.by_name, nfc_normalize(fact.session_id), fact.session_id))
                or (asked.by_name and list_contains(asked.sessions, nfc_normalize(fact.session_name)))
            )
        """,
        {
            "users": list(filters.users),
            "groups": list(filters.groups),
            "sessions": list(filters.sessions),
            "by_name": not filters.by_id,
            "first": filters.date_from,
            "last": filters.date_to,
            "zone": zone,
        },
    ).fetchone()
    return row[0] if row else 0
