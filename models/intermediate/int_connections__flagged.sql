{{ config(materialized='incremental', incremental_strategy='affected_learners', tags=['reads_snapshots']) }}

with connections as (
    select
        *,
        -- of an open connection only connected_at is known
        coalesce(disconnected_at, connected_at) as present_until
    from {{ ref('int_connections__measured') }}
    where {{ in_affected_learners() }}
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

instructors as (
    select
        user_id,
        session_id
    from {{ ref('stg_session_instructors') }}
    where is_kept
),

-- with each enrolment how long any reaches that began by then; an empty bound is none
enrollments as (
    select
        user_id,
        session_id,
        coalesce(enrolled_at, timestamp '-infinity') as begun_at,
        max(coalesce(unenrolled_at, timestamp 'infinity')) over (
            partition by user_id, session_id
            order by coalesce(enrolled_at, timestamp '-infinity')
        ) as reaches_until
    from {{ ref('stg_enrollments') }}
    where is_kept
),

enrolled as (
    select distinct
        user_id,
        session_id
    from enrollments
),

sessions_with_enrollments as (
    select distinct session_id from enrolled
),

with_conditions as (
    select
        connections.*,
        learners.is_deleted,
        instructors.user_id is not null as is_instructor,
        connections.connected_at < program_sessions.starts_at
        or connections.present_until > program_sessions.ends_at as is_outside_session_dates,
        enrolled.user_id is not null
        and coalesce(connections.connected_at > enrollments.reaches_until, true) as is_outside_enrollment,
        enrolled.user_id is null and sessions_with_enrollments.session_id is not null as is_not_enrolled
    from connections
    inner join program_sessions using (session_id)
    inner join learners using (user_id)
    left join instructors using (user_id, session_id)
    left join enrolled using (user_id, session_id)
    left join sessions_with_enrollments using (session_id)
    asof left join enrollments
        on
            connections.user_id = enrollments.user_id
            and connections.session_id = enrollments.session_id
            and connections.present_until >= enrollments.begun_at
),

-- in alphabetical order, so that the list is sorted
final as (
    select
        connection_id,
        user_id,
        session_id,
        course_id,
        connected_at,
        disconnected_at,
        end_kind,
        evidence_level,
        modality,
        elapsed_seconds,
        capped_seconds,
        overlap_seconds,
        retained_seconds,
        time_spent_minutes,
        list_filter(
            [
                case when is_ambiguous_hour then 'ambiguous_hour' end,
                case when capped_seconds > 0 then 'capped' end,
                case when is_deleted then 'deleted_user' end,
                case when is_instructor then 'instructor' end,
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
    from with_conditions
)

select * from final
