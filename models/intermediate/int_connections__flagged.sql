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

-- an empty bound is none
enrollments as (
    select
        user_id,
        session_id,
        coalesce(enrolled_at, timestamp '0001-01-01') as begun_at,
        coalesce(unenrolled_at, timestamp '9999-12-31 23:59:59.999999') as reaches_until
    from {{ ref('stg_enrollments') }}
    where is_kept
),

enrolled as (
    select distinct
        user_id,
        session_id
    from enrollments
),

-- connections among the enrolments that begin by their end: how long any of these reaches
in_turn as (
    select
        user_id,
        session_id,
        begun_at as happened_at,
        null as course_id,
        null as connected_at,
        reaches_until
    from enrollments
    union all
    select
        user_id,
        session_id,
        present_until as happened_at,
        course_id,
        connected_at,
        null as reaches_until
    from connections
    inner join enrolled using (user_id, session_id)
),

with_reach as (
    select
        user_id,
        session_id,
        course_id,
        connected_at,
        max(reaches_until) over (partition by user_id, session_id order by happened_at) as reaches_until
    from in_turn
),

outside_enrollment as (
    select
        user_id,
        session_id,
        course_id,
        connected_at
    from with_reach
    where connected_at is not null and coalesce(connected_at > reaches_until, true)
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
        outside_enrollment.user_id is not null as is_outside_enrollment,
        enrolled.user_id is null and sessions_with_enrollments.session_id is not null as is_not_enrolled
    from connections
    inner join program_sessions using (session_id)
    inner join learners using (user_id)
    left join instructors using (user_id, session_id)
    left join enrolled using (user_id, session_id)
    left join sessions_with_enrollments using (session_id)
    left join outside_enrollment using (user_id, session_id, course_id, connected_at)
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
        {{ words_where({
            'ambiguous_hour': 'is_ambiguous_hour',
            'capped': 'capped_seconds > 0',
            'deleted_user': 'is_deleted',
            'instructor': 'is_instructor',
            'long_connection': 'elapsed_seconds > 60 * ' ~ var('long_connection_minutes'),
            'no_end_mark': "end_kind = 'no_end_mark'",
            'not_enrolled': 'is_not_enrolled',
            'open': 'disconnected_at is null',
            'outside_enrollment': 'is_outside_enrollment',
            'outside_session_dates': 'is_outside_session_dates',
            'overlap': 'overlap_seconds > 0',
            'zero_seconds': 'elapsed_seconds = 0',
        }) }} as flags
    from with_conditions
)

select * from final
