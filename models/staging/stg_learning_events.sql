{{ config(materialized='incremental', incremental_strategy='changed_rows') }}

with cells as not materialized (
    {{ cells_to_judge('learning_events') }}
),

known_users as (
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

typed as not materialized (
    select
        *,
        {{ as_text('event_id') }} as event_id,
        {{ as_text('user_id') }} as user_id,
        {{ as_text('session_id') }} as session_id,
        {{ as_text('course_id') }} as course_id,
        {{ as_word('learning_events', 'verb') }} as verb,
        {{ as_instant('occurred_at') }} as occurred_at,
        {{ as_text('attempt_id') }} as attempt_id
    from cells
),

-- nearly every event is delivered once; only those that are not compete (a build that goes on has few rows, and lets
-- all of them compete)
repeated as (
    select event_id_cell as repeated_event_id
    from cells
    group by event_id_cell
    having count(*) > 1
),

examined as not materialized (
    select
        typed.*,
        repeated.repeated_event_id is not null as is_repeated,
        {{ first_fault('learning_events', further=time_faults(['occurred_at'])) }} as fault,
        {{ emptied_cells('learning_events') }} as emptied_cells
    from typed
    cross join this_build
    left join repeated on typed.event_id_cell = repeated.repeated_event_id
    left join known_users on typed.user_id = known_users.known_user_id
    left join known_program_sessions on typed.session_id = known_program_sessions.known_session_id
    left join known_courses on typed.course_id = known_courses.known_course_id
),

judged as not materialized (
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
        attempt_id,
        fault,
        emptied_cells,
        {{ waiting_cells('learning_events') }} as waiting_cells,
        earlier_fault,
        earlier_fate,
        is_repeated
    from examined
),

competing as not materialized (
    {{ with_rivals('learning_events', ['event_id']) }}
),

ranked as (
    select
        * exclude (is_repeated),
        {{ fate_of_growing(['event_id']) }} as fate
    from competing
    {%- if not is_incremental() %}
    where is_repeated

    union all by name

    select
        * exclude (is_repeated),
        case when fault is null then 'kept' else 'rejected' end as fate
    from competing
    where not is_repeated
    {%- endif %}
),

-- played outside any session: no proof for one, but it shows where the learner was (T3)
sorted_out as (
    select * replace (case when fate = 'kept' and session_id is null then 'outside_session' else fate end as fate)
    from ranked
),

final as (
    select
        * exclude (earlier_fault, earlier_fate),
        fate in ('kept', 'outside_session') as is_kept,
        (select built_at from this_build) as written_at
    from sorted_out
    {{ changed_rows('learning_events') }}
)

select * from final
