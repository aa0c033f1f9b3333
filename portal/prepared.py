"""What the pages ask of a build again and again, put together once when it is opened, and kept in memory beside it.

A published file never changes, so neither do these tables: sums of the marts by day, flag and course, and names as they
are searched. Rows of a session stand together, so that a page reads only these. For five million
connections that takes about a second and a half and 100 MB.
"""

from __future__ import annotations

import duckdb

from warehouse.published import LAST_DAY, LOCAL_DAY

FOUND_AS = "lower(strip_accents({}))"
"""How a text is compared with what is searched for: neither case nor accents count."""

BY_LEARNER = ("fct_learner_session_steps", "fct_credited_activities", "fct_learner_days", "fct_opco_connections")
"""Tables of which a page reads the rows of one learner. Builds write these next to each other."""

LOCAL = "timezone($zone, {} at time zone 'UTC')"
"""The SQL of an instant as a clock in the display time zone shows it, from UTC."""

TABLES = {
    # One row per program session, with its totals, its follow-up, and how it is sorted and searched.
    "sessions": f"""
        with learners as (
            select
                session_id,
                cast(sum(work_seconds) as bigint) as work_seconds,
                cast(sum(tutored_seconds) as bigint) as tutored_seconds,
                cast(sum(consultation_seconds) as bigint) as consultation_seconds
            from fct_learner_sessions
            group by session_id
        ),
        follow_up as (
            select
                session_id,
                max(numerator) filter (where measure = 'completion_rate') as completed_count,
                max(denominator) filter (where measure = 'completion_rate') as completable_count,
                max(numerator) filter (where measure = 'learners_to_chase') as to_chase_count
            from fct_program_session_indicators
            group by session_id
        ),
        not_started as (
            select session_id, count(*) as not_started_count
            from fct_learner_follow_up
            where follow_up_status = 'not_started'
            group by session_id
        )
        select
            totals.*,
            {LOCAL_DAY.format("starts_at")} as starts_on,
            {LAST_DAY} as ends_on,
            {LOCAL.format("first_connected_at")} as first_connected_local,
            {LOCAL.format("last_connection_at")} as last_connection_local,
            dim_program_sessions.planned_duration_seconds,
            dim_program_sessions.planned_duration_seconds * enrolled_count as planned_seconds,
            coalesce(work_seconds, 0) as work_seconds,
            coalesce(tutored_seconds, 0) as tutored_seconds,
            coalesce(consultation_seconds, 0) as consultation_seconds,
            coalesce(completed_count, 0) as completed_count,
            coalesce(completable_count, 0) as completable_count,
            coalesce(to_chase_count, 0) as to_chase_count,
            coalesce(not_started_count, 0) as not_started_count,
            {FOUND_AS.format("session_name")} as name_order,
            {FOUND_AS.format("program_template_name")} as template_order,
            {FOUND_AS.format("concat_ws(' ', session_name, program_template_name, session_id)")} as found_as
        from fct_program_sessions as totals
        inner join (
            select session_id, planned_duration_seconds from dim_program_sessions
        ) as dim_program_sessions using (session_id)
        left join learners using (session_id)
        left join follow_up using (session_id)
        left join not_started using (session_id)
        order by session_id
    """,
    # One row per learner per program session, in the alphabetical order of section E.
    "learners": f"""
        with named as (
            select
                user_id,
                last_name,
                first_name,
                is_deleted,
                concat_ws(' ', last_name, first_name, email, user_id) as words,
                row_number() over (
                    order by
                        {FOUND_AS.format("last_name")} nulls last,
                        {FOUND_AS.format("first_name")} nulls last,
                        length(user_id),
                        user_id
                ) as name_order
            from dim_learners
        )
        select
            session_id,
            user_id,
            last_name,
            first_name,
            is_deleted,
            is_enrolled,
            is_instructor,
            has_played,
            connection_count,
            open_connection_count,
            elapsed_seconds,
            capped_seconds,
            overlap_seconds,
            retained_seconds,
            work_seconds,
            tutored_seconds,
            consultation_seconds,
            progress_pct,
            score_pct,
            progress_source,
            score_source,
            learner_sessions.required_step_count,
            learner_sessions.completed_required_step_count,
            credited_seconds,
            {LOCAL.format("first_connected_at")} as first_connected_local,
            {LOCAL.format("last_connection_at")} as last_connection_local,
            learner_sessions.last_activity_at,
            {LOCAL.format("learner_sessions.last_activity_at")} as last_activity_local,
            follow_up_status,
            follow_up_reasons,
            status_rank,
            silent_since_at,
            {LOCAL_DAY.format("follow_up.silent_since_at")} as silent_on,
            {LOCAL_DAY.format("follow_up.last_unenrolled_at")} as unenrolled_on,
            {FOUND_AS.format("concat_ws(' ', words, session_name, session_id)")} as found_as,
            session_order,
            count(*) over (partition by session_id, last_name, first_name) > 1 as has_namesake,
            row_number() over (order by name_order, session_order) as name_order,
            row_number() over (partition by session_id order by named.name_order) as position
        from fct_learner_sessions as learner_sessions
        inner join named using (user_id)
        inner join (
            select
                session_id,
                session_name,
                row_number() over (
                    order by {FOUND_AS.format("session_name")}, length(session_id), session_id
                ) as session_order
            from dim_program_sessions
        ) as sessions using (session_id)
        left join (
            select
                user_id,
                session_id,
                follow_up_status,
                follow_up_reasons,
                silent_since_at,
                last_unenrolled_at,
                status_rank
            from fct_learner_follow_up
            inner join follow_up_statuses using (follow_up_status)
        ) as follow_up using (user_id, session_id)
        order by session_id, position
    """,
    # One row per program session per local day with a connection.
    "days": """
        select
            session_id,
            connected_on,
            cast(coalesce(sum(retained_seconds), 0) as bigint) as retained_seconds
        from fct_opco_connections
        group by session_id, connected_on
        order by session_id, connected_on
    """,
    # One row per learner to chase per program session, in the order in which they stop being so.
    "to_chase": """
        select
            user_id,
            session_id,
            learners.last_name,
            learners.first_name,
            learners.has_namesake,
            learners.last_activity_at,
            learners.silent_since_at,
            learners.silent_on,
            sessions.session_name,
            sessions.starts_at,
            sessions.ends_at
        from prepared.learners as learners
        inner join prepared.sessions as sessions using (session_id)
        where learners.follow_up_status = 'to_chase'
        order by sessions.ends_at nulls last, learners.silent_since_at, learners.name_order
    """,
    # One row per week with a connection per program session, from Monday on.
    "weeks": """
        select
            cast(date_trunc('week', connected_on) as date) as week,
            session_id,
            cast(sum(retained_seconds) as bigint) as retained_seconds
        from prepared.days
        group by week, session_id
        order by week, session_id
    """,
    # One row per program session per flag.
    "flags": """
        select session_id, flag, count(*) as connection_count
        from (select session_id, unnest(flags) as flag from fct_opco_connections)
        group by session_id, flag
        order by session_id, flag
    """,
    # One row per program session per course of its program or with a connection, in the attestations' order.
    "courses": f"""
        select
            session_id,
            resource_name as course_name,
            bool_or(is_in_program) as is_in_program,
            min(planned_duration_seconds) as planned_duration_seconds,
            cast(sum(connection_count) as bigint) as connection_count,
            count(*) filter (where connection_count > 0) as learner_count,
            cast(sum(retained_seconds) as bigint) as retained_seconds,
            row_number() over (
                partition by session_id
                order by
                    min(program_position) nulls last,
                    {FOUND_AS.format("resource_name")},
                    length(resource_id),
                    resource_id
            ) as position
        from fct_learner_session_steps
        where step_type = 'course'
        group by session_id, resource_id, resource_name
        having bool_or(is_in_program) or sum(connection_count) > 0
        order by session_id, position
    """,
    # The addresses in the LMS whose accounts are all deleted or gone.
    "left_addresses": """
        with accounts as (
            -- A custom field may be called address.
            select
                lower(email) as address,
                is_deleted or is_gone as has_left
            from dim_learners
            where strlen(email) = strlen(lower(email))
        )
        select address
        from accounts
        group by address
        having bool_and(has_left)
        order by address
    """,
    # How many rows each reason rejected or kept with a nulled cell, and of which tables.
    "rejected": """
        select
            reason,
            count(*) as row_count,
            list(distinct table_name order by table_name) as table_names
        from rejected_rows
        group by reason
    """,
}

# One row per user, in alphabetical order; with a place in each table of `BY_LEARNER`: the first and the last of their
# rows in the file, and whether all between them are theirs.
PEOPLE = f"""
with
named as (
    select
        user_id,
        last_name,
        first_name,
        concat_ws(' ', last_name, first_name) as name,
        email,
        employer,
        is_deleted,
        is_gone,
        person_id,
        count(*) over (partition by person_id) as account_count
    from dim_learners
)
select
    named.*,
    {{places}}
    {FOUND_AS.format("concat_ws(' ', name, email, user_id)")} as found_as,
    row_number() over (order by {FOUND_AS.format("name")}, length(user_id), user_id) as position
from named
{{joins}}
order by position
"""
PLACE = "{0}.place as {0},"
JOIN = """
left join (
    select
        user_id,
        {{
            'first_row': cast(min(rowid) as uinteger),
            'last_row': cast(max(rowid) as uinteger),
            'is_whole': count(*) = max(rowid) - min(rowid) + 1
        }} as place
    from {0}
    group by user_id
) as {0} using (user_id)
"""
# A custom field may be called so.
NAMED_ROWID = "select table_name from duckdb_columns() where lower(column_name) = 'rowid'"
ZONE = "select display_timezone from warehouse_build"


def prepare(db: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of the schema `prepared`, in memory, for all cursors of the build that is open."""
    db.execute("attach if not exists ':memory:' as prepared (read_write)")
    ((zone,),) = db.execute(ZONE).fetchall()
    for table, query in TABLES.items():
        parameters = {"zone": zone} if "$zone" in query else {}
        db.execute(f"create table if not exists prepared.{table} as {query}", parameters)
    named = {table for (table,) in db.execute(NAMED_ROWID).fetchall()}
    placed = [table for table in BY_LEARNER if table not in named]
    people = PEOPLE.format(places="".join(map(PLACE.format, placed)), joins="".join(map(JOIN.format, placed)))
    db.execute(f"create table if not exists prepared.people as {people}")
    # To find one of 100,000 without a look at each.
    db.execute("create index if not exists person on prepared.people (user_id)")
    db.execute("create index if not exists history on prepared.learners (user_id)")
