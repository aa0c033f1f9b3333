{{ config(
    materialized='incremental',
    incremental_strategy='changed_rows',
    meta={'changes_where': changes_without_delivery('learning_events')}
) }}
{%- set compared = ['user_id', 'session_id', 'course_id', 'verb', 'occurred_at', 'attempt_id'] %}
{%- set proof = ['user_id', 'session_id', 'course_id', 'occurred_at'] %}

with known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

known_program_sessions as (
    select session_id as known_session_id from {{ ref('stg_program_sessions') }} where is_kept
),

known_courses as (
    select course_id as known_course_id from {{ ref('stg_courses') }} where is_kept
),

this_build as (
    select
        clock_at,
        built_at
    from {{ source('raw', 'this_build') }}
),

withdrawn as (
    select
        event_id,
        written_at = (select built_at from this_build) as is_new
    from {{ ref('stg_withdrawn_events') }}
    where is_kept
),

typed as {{ not_materialized() }} (
    {{ new_and_retried_rows('learning_events') }}
),

-- nearly every event is delivered once; only those that are not are compared (an incremental build has few rows, and
-- compares all of them)
repeated as (
    select event_id_cell as repeated_event_id
    from typed
    group by event_id_cell
    having count(*) > 1
),

validated as {{ not_materialized() }} (
    select
        file_number,
        file,
        line,
        loaded_at,
        event_id,
        user_id,
        session_id,
        course_id,
        verb,
        occurred_at,
        {{ earlier_reading('occurred_at') }} is not null as is_ambiguous_hour,
        attempt_id,
        {{ validation_columns('learning_events', retry='rejected rows') }},
        is_current,
        last_load_number,
        previous_rejection,
        previous_row_status,
        was_candidate,
        repeated.repeated_event_id is not null as is_repeated
    from typed
    cross join this_build
    left join repeated on typed.event_id_cell = repeated.repeated_event_id
    left join known_users on typed.user_id = known_users.known_user_id
    left join known_program_sessions on typed.session_id = known_program_sessions.known_session_id
    left join known_courses on typed.course_id = known_courses.known_course_id
),

with_same_key_rows as {{ not_materialized() }} (
    {{ with_same_key_rows(
        'validated', 'learning_events', ['event_id'], further_keys='select event_id from withdrawn where is_new'
    ) }}
),

compared_by_key as (
    select
        {{ all_but(['is_repeated']) }},
        {{ row_status(['event_id'], compared=compared) }} as row_status,
        {{ is_candidate(['event_id'], proof=proof) }} as is_candidate
    from with_same_key_rows
    {%- if not is_incremental() %}
    where is_repeated

    union all

    select
        {{ all_but(['is_repeated']) }},
        case
            when rejection is null then case when is_current then 'kept' else 'gone' end
            when is_current then 'rejected'
            else 'superseded_version'
        end as row_status,
        not is_current and retry_cells is not null as is_candidate
    from with_same_key_rows
    where not is_repeated
    {%- endif %}
),

-- what the platform took back takes no part in any rule; what was played outside any session is no proof for one, but
-- it shows where the learner was (T3)
deduplicated as (
    select
        {{ all_but(['row_status']) }},
        case
            when row_status in ('kept', 'gone') and event_id in (select event_id from withdrawn)
                then case row_status when 'kept' then 'withdrawn' else 'withdrawn_gone' end
            when row_status = 'kept' and session_id is null then 'outside_session'
            else row_status
        end as row_status
    from compared_by_key
),

final as (
    {{ changed_rows('deduplicated', 'learning_events') }}
)

select * from final
