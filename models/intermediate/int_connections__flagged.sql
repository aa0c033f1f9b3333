{{ config(materialized='incremental', incremental_strategy='touched_learners', tags=['reads_snapshots']) }}

with connections as (
    select
        *,
        -- an open connection is judged by connected_at alone
        coalesce(disconnected_at, connected_at) as present_until
    from {{ ref('int_connections__measured') }}
    where {{ touched_learners_only() }}
),

program_sessions as (
    select
        session_id,
        starts_at,
        ends_at
    from {{ ref('stg_program_sessions') }}
    where is_kept
),

learners as (
    select
        user_id,
        status = 'deleted' or deleted_at is not null as is_deleted
    from {{ ref('stg_users') }}
    where is_kept
),

enrollments as (
    select
        session_id,
        user_id,
        enrolled_at,
        unenrolled_at
    from {{ ref('stg_enrollments') }}
    where is_kept
),

sessions_with_enrollments as (
    select distinct session_id from enrollments
),

judged_by_enrollments as (
    select
        connections.user_id,
        connections.session_id,
        connections.course_id,
        connections.connected_at,
        bool_or(
            coalesce(enrollments.enrolled_at <= connections.present_until, true)
            and coalesce(connections.connected_at <= enrollments.unenrolled_at, true)
        ) as is_within_enrollment
    from connections
    inner join enrollments
        on connections.session_id = enrollments.session_id and connections.user_id = enrollments.user_id
    group by connections.user_id, connections.session_id, connections.course_id, connections.connected_at
),

conditions as (
    select
        connections.*,
        learners.is_deleted,
        connections.connected_at < program_sessions.starts_at
        or connections.present_until > program_sessions.ends_at as is_outside_session_dates,
        not judged_by_enrollments.is_within_enrollment as is_outside_enrollment,
        sessions_with_enrollments.session_id is not null
        and judged_by_enrollments.user_id is null as is_not_enrolled
    from connections
    inner join program_sessions on connections.session_id = program_sessions.session_id
    inner join learners on connections.user_id = learners.user_id
    left join sessions_with_enrollments on connections.session_id = sessions_with_enrollments.session_id
    left join judged_by_enrollments
        on
            connections.user_id = judged_by_enrollments.user_id
            and connections.session_id = judged_by_enrollments.session_id
            and connections.course_id = judged_by_enrollments.course_id
            and connections.connected_at = judged_by_enrollments.connected_at
),

-- in alphabetical order, so that the list is sorted
final as (
    select
        connection_id,
        user_id,
        session_id,
        course_id,
        connected_at,
        list_filter(
            [
                case when capped_seconds > 0 then 'capped' end,
                case when is_deleted then 'deleted_user' end,
                case when elapsed_seconds > 60 * {{ var('long_connection_minutes') }} then 'long_connection' end,
                case when end_kind = 'no_end_mark' then 'no_end_mark' end,
                case when is_not_enrolled then 'not_enrolled' end,
                case when disconnected_at is null then 'open' end,
                case when is_outside_enrollment then 'outside_enrollment' end,
                case when is_outside_session_dates then 'outside_session_dates' end,
                case when overlap_seconds > 0 then 'overlap' end,
                case when elapsed_seconds = 0 then 'zero_seconds' end
            ],
            lambda flag: flag is not null
        ) as flags
    from conditions
)

select * from final
