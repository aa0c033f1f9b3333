"""What the pages show, read from the published file: set-oriented, with bound parameters, lists paged in SQL.

Figures are those of the marts, as the attestations and the export show them; nothing is computed a second time.
Instants named `*_at` are UTC, `*_local` the same instants as a clock in the display time zone shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pyarrow as pa

from portal.access import Visible
from portal.prepared import FOUND_AS
from warehouse.sql import rows_of

SESSIONS_A_PAGE = 25
LEARNERS_A_PAGE = 100
LINES_A_PAGE = 50
MATCHES_SHOWN = 8
MOST_WORDS = 8
"""So many words of what is typed into a filter are looked for."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """One page of a list; `number` counts from 1, `total` is of all pages."""

    rows: list[Row]
    number: int
    total: int
    size: int

    @property
    def pages(self) -> int:
        """How many pages there are; one where there is nothing."""
        return max(1, -(-self.total // self.size))


def read_last_activity(db: duckdb.DuckDBPyConnection) -> datetime | None:
    """Return the last beginning or end of a connection of the build, aware; None where there is none."""
    ((last,),) = db.execute("select last_activity_at from warehouse_build").fetchall()
    return last.replace(tzinfo=UTC) if last else None


SESSION_SORTS = {
    "name": "name_order",
    "template": "template_order",
    "starts": "starts_at",
    "ends": "ends_at",
    "learners": "learner_count",
    "connections": "connection_count",
    "time": "retained_seconds",
    "activity": "last_connection_at",
    "issued": "issued_at",
}

# The relation `issued` says what was issued, which is not in the warehouse.
SESSIONS = """
select
    session_id,
    session_name,
    program_template_name,
    starts_on,
    ends_on,
    last_connection_local,
    learner_count,
    played_count,
    connection_count,
    retained_seconds,
    planned_seconds,
    issue_number,
    count(*) over () as total,
from prepared.sessions
{visible}
left join issued using (session_id)
where {condition}
order by {order}, length(session_id), session_id
limit $limit offset $offset
"""

PROOF_LEVELS = ("work", "tutored", "consultation")
"""What retained time rests on (D2), the strongest first."""
PROOF_SUMS = "".join(
    f"cast(coalesce(sum({level}_seconds), 0) as bigint) as {level}_seconds,\n" for level in PROOF_LEVELS
)


def share(part: str, whole: str) -> str:
    """Return the SQL of a share in percent, cut to six decimals as the marts do; null of nothing."""
    return f"cast({part} * 100000000 // nullif({whole}, 0) / 1000000 as decimal(9, 6))"


PROOF_SHARES = "".join(f"{share(f'{level}_seconds', 'retained_seconds')} as {level}_pct,\n" for level in PROOF_LEVELS)

ENDING_DAYS = 10
"""A session that ends within so many days can still be looked after."""
# Begun and not over: a date that is not known has come, or has not.
SESSION_RUNS = "coalesce(starts_at <= $now, true) and coalesce(ends_at >= $now, true)"
ONLY = {
    # Over, played by somebody, and without attestations.
    "waiting": "ends_at < $now and played_count > 0 and issue_number is null",
    "running": SESSION_RUNS,
    "ending": f"{SESSION_RUNS} and ends_at <= $now + interval {ENDING_DAYS} days",
}
"""What narrows the list of sessions, with the moment `$now`, UTC."""

SESSION = """
select
    * exclude (starts_at, ends_at, first_connected_at, last_connection_at, name_order, template_order, found_as)
from prepared.sessions
where session_id = $session_id
"""

LEARNERS = """
select
    user_id,
    last_name,
    first_name,
    is_deleted,
    is_enrolled,
    has_played,
    has_namesake,
    connection_count,
    open_connection_count,
    retained_seconds,
    work_seconds,
    tutored_seconds,
    consultation_seconds,
    progress_pct,
    score_pct,
    progress_source,
    score_source,
    follow_up_status,
    last_connection_local,
    count(*) over () as total,
from prepared.learners
where session_id = $session_id
order by position
limit $limit offset $offset
"""

DAYS = "select connected_on, retained_seconds from prepared.days where session_id = $session_id order by connected_on"

FLAGS = "select flag, connection_count from prepared.flags where session_id = $session_id order by flag"

COURSES = "select * exclude (position) from prepared.courses where session_id = $session_id order by position"

FLAG_LINES = """
select
    connections.connection_id,
    connections.user_id,
    connections.last_name,
    connections.first_name,
    learners.has_namesake,
    connections.course_name,
    timezone($zone, connections.connected_at at time zone 'UTC') as connected_local,
    timezone($zone, connections.disconnected_at at time zone 'UTC') as disconnected_local,
    connections.elapsed_seconds,
    connections.retained_seconds,
    end_kinds.label_{language} as end_label,
    list_filter(connections.flags, lambda flag: flag <> $flag) as other_flags,
    count(*) over () as total,
from fct_opco_connections as connections
inner join end_kinds using (end_kind)
inner join prepared.learners as learners
    on connections.session_id = learners.session_id and connections.user_id = learners.user_id
where connections.session_id = $session_id and list_contains(connections.flags, $flag)
order by connections.connected_at, length(connections.user_id), connections.user_id, connections.connection_id
limit $limit offset $offset
"""

CODES = """
select {code} as code, label_{language} as label, description_{language} as description from {table} order by {order}
"""

MATCHES = {
    "users": """
        select user_id as id, name, email as detail
        from prepared.people
        where ($all_seen or user_id in (select user_id from prepared.learners where session_id in ({visible})))
            and ({found})
        order by position
    """,
    "groups": """
        select group_id as id, group_name as name, null as detail
        from dim_groups
        where
            ($all_seen or group_id in (
                select group_id
                from bridge_group_members
                where user_id in (select user_id from prepared.learners where session_id in ({visible}))
            ))
            and ({found})
        order by lower(strip_accents(name)), length(id), id
    """,
    "sessions": """
        select session_id as id, session_name as name, program_template_name as detail
        from prepared.sessions
        where ($all_seen or session_id in ({visible})) and ({found})
        order by name_order, length(id), id
    """,
    "where": """
        select
            concat(custom_field_id, '=', value) as id,
            any_value(coalesce(strftime(value_date, '%d/%m/%Y'), value)) as name,
            any_value(title) as detail,
            true as is_condition
        from bridge_learner_custom_fields
        where
            ($all_seen or user_id in (select user_id from prepared.learners where session_id in ({visible})))
            and ({found})
        group by custom_field_id, value
        order by lower(strip_accents(detail)), detail, length(custom_field_id), custom_field_id,
            lower(strip_accents(value)), value
    """,
    "custom_fields": """
        select custom_field_id as id, title as name, null as detail
        from dim_custom_fields
        where {found}
        order by field_position
    """,
}
"""Who or what an export's filter can name, by the filter's name."""

SEARCHED = {
    "users": "found_as",
    "groups": FOUND_AS.format("concat_ws(' ', group_name, group_id)"),
    "sessions": "found_as",
    "where": FOUND_AS.format("concat_ws(' ', title, value, strftime(value_date, '%d/%m/%Y'))"),
    "custom_fields": FOUND_AS.format("concat_ws(' ', title, custom_field_id)"),
}
IDS = {
    "users": "user_id",
    "groups": "group_id",
    "sessions": "session_id",
    "where": "concat(custom_field_id, '=', value)",
    "custom_fields": "custom_field_id",
}

REJECTED = """
select
    reason,
    label_{language} as label,
    row_count,
    table_names,
from prepared.rejected
inner join reject_reasons using (reason)
order by reason_rank
"""

REJECTED_LINES = """
select
    table_name,
    file,
    line,
    reason,
    label_{language} as label,
    column_name,
    value,
    row_kept,
    count(*) over () as total,
from rejected_rows
inner join reject_reasons using (reason)
where ($table is null or table_name = $table) and ($reason is null or reason = $reason)
order by table_name, file, line, column_name
limit $limit offset $offset
"""


def list_sessions(
    db: duckdb.DuckDBPyConnection,
    visible: Visible,
    issued: pa.Table,
    *,
    search: str = "",
    sort: str = "activity",
    descending: bool = True,
    page: int = 1,
    only: str | None = None,
    now: datetime,
) -> Page:
    """Return a page of the sessions that are visible; `search` holds words that are all in name, template or id.

    `issued` says what was issued: `session_id`, `issue_number`, `issued_at` (UTC). `only`, a key of `ONLY`, leaves
    those that it says at `now` (UTC).
    """
    found, words = found_words(search, "found_as")
    return _sessions(
        db,
        visible,
        issued,
        condition=f"{found} and {ONLY[only]}" if only else found,
        order=f"{SESSION_SORTS[sort]} {'desc' if descending else 'asc'} nulls last",
        parameters={**words, **({"now": moment(now)} if only else {})},
        page=page,
        size=SESSIONS_A_PAGE,
    )


def list_waiting_sessions(
    db: duckdb.DuckDBPyConnection, visible: Visible, issued: pa.Table, now: datetime, size: int
) -> Page:
    """Return the visible sessions that are over at `now` (UTC), were played and have no attestations; latest first."""
    return _sessions(
        db,
        visible,
        issued,
        condition=ONLY["waiting"],
        order="ends_at desc",
        parameters={"now": moment(now)},
        page=1,
        size=size,
    )


def _sessions(
    db: duckdb.DuckDBPyConnection,
    visible: Visible,
    issued: pa.Table,
    *,
    condition: str,
    order: str,
    parameters: Mapping[str, Any],
    page: int,
    size: int,
) -> Page:
    # As a list of values it would be planned for half a second.
    db.register("issued", issued)
    query = SESSIONS.format(visible=visible.limit, condition=condition, order=order)
    return paged(db, query, {**visible.parameters, **parameters}, page, size)


def read_session_figures(db: duckdb.DuckDBPyConnection, session_id: str) -> Row | None:
    """Return a session with its totals; None when there is none of this id."""
    found = rows_of(db, SESSION, {"session_id": session_id})
    return found[0] if found else None


def list_learners(db: duckdb.DuckDBPyConnection, session_id: str, page: int) -> Page:
    """Return a page of a session's learners, in the alphabetical order of section E."""
    return paged(db, LEARNERS, {"session_id": session_id}, page, LEARNERS_A_PAGE)


def read_days(db: duckdb.DuckDBPyConnection, session_id: str) -> list[tuple[date, int]]:
    """Return the retained seconds of the connections that began on each local day, as the attestations' calendar."""
    return db.execute(DAYS, {"session_id": session_id}).fetchall()


def read_flags(db: duckdb.DuckDBPyConnection, session_id: str) -> list[Row]:
    """Return how many connections of a session carry each flag (T7)."""
    return rows_of(db, FLAGS, {"session_id": session_id})


def list_courses(db: duckdb.DuckDBPyConnection, session_id: str) -> list[Row]:
    """Return the courses of a session in the attestations' order, with the time that all learners spent in them."""
    return rows_of(db, COURSES, {"session_id": session_id})


def list_flag_lines(
    db: duckdb.DuckDBPyConnection, session_id: str, flag: str, zone: str, language: str, page: int
) -> Page:
    """Return a page of a session's connections that carry a flag, in the order of time."""
    query = FLAG_LINES.format(language=language)
    return paged(db, query, {"session_id": session_id, "flag": flag, "zone": zone}, page, LINES_A_PAGE)


def read_codes(
    db: duckdb.DuckDBPyConnection, table: str, code: str, language: str, order: str = "code"
) -> dict[str, Row]:
    """Return the wording of a code list (`connection_flags`, `reject_reasons`) by code, in an order, given as SQL."""
    query = CODES.format(code=code, table=table, language=language, order=order)
    return {row["code"]: row for row in rows_of(db, query)}


@dataclass(frozen=True)
class Matches:
    """The first few of what matches a search; `are_all` tells whether there are no more."""

    rows: list[Row]
    are_all: bool


def find_matches(
    db: duckdb.DuckDBPyConnection,
    visible: Visible,
    kind: str,
    search: str,
    chosen: Sequence[str] = (),
) -> Matches:
    """Return whom a filter of `kind` can name and who match all words of `search`, among those to be seen.

    Those whose ids are `chosen` already are left out.
    """
    found, words = found_words(search, SEARCHED[kind])
    query = (
        f"select * from ({MATCHES[kind].format(visible=visible.sql, found=found)})"
        f" where not list_contains($chosen::varchar[], id) limit {MATCHES_SHOWN + 1}"
    )
    asked = {**words, "all_seen": visible.is_all, "chosen": list(chosen)}
    matching = rows_of(db, query, used(query, {**visible.parameters, **asked}))
    return Matches(matching[:MATCHES_SHOWN], len(matching) <= MATCHES_SHOWN)


def found_words(search: str, text: str) -> tuple[str, dict[str, Any]]:
    """Return the SQL condition that all words of `search` occur in `text`, a column or an expression, and its words."""
    words: dict[str, Any] = {f"word_{number}": word for number, word in enumerate(search.lower().split()[:MOST_WORDS])}
    # One condition a word: as a list of words, two of them take half as long again on 100,000 learners.
    return " and ".join(f"contains({text}, strip_accents(${name}))" for name in words) or "true", words


def find_named(db: duckdb.DuckDBPyConnection, visible: Visible, kind: str, ids: Sequence[str]) -> list[Row]:
    """Return those of `ids` that a filter of `kind` can name, with their names, among those to be seen."""
    if not ids:
        return []
    query = MATCHES[kind].format(visible=visible.sql, found=f"{IDS[kind]} in (select unnest($ids::varchar[]))")
    return rows_of(db, query, used(query, {**visible.parameters, "ids": list(ids), "all_seen": visible.is_all}))


def read_rejected(db: duckdb.DuckDBPyConnection, language: str) -> list[Row]:
    """Return how many rows were rejected, or kept with a nulled cell, by reason, and in which tables."""
    return rows_of(db, REJECTED.format(language=language))


def list_rejected(
    db: duckdb.DuckDBPyConnection, language: str, table: str | None, reason: str | None, page: int
) -> Page:
    """Return a page of the rejected rows."""
    query = REJECTED_LINES.format(language=language)
    return paged(db, query, {"table": table, "reason": reason}, page, LINES_A_PAGE)


def paged(db: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any], page: int, size: int) -> Page:
    """Return a page of a query with `$limit`, `$offset` and a column `total`; the first page beyond the end."""
    number = max(1, page)
    found = rows_of(db, query, {**parameters, "limit": size, "offset": (number - 1) * size})
    if not found and number > 1:
        number = 1
        found = rows_of(db, query, {**parameters, "limit": size, "offset": 0})
    return Page(found, number, found[0]["total"] if found else 0, size)


def moment(now: datetime) -> datetime:
    """Return an instant, UTC, as the marts keep instants."""
    return now.replace(tzinfo=None)


def used(query: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a query names: DuckDB refuses others."""
    return {name: value for name, value in parameters.items() if f"${name}" in query}
