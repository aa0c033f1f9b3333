with unmarked as (
    select * from {{ ref('int_learning_events__grouped') }} where not is_marked
),

instants_in_session as (
    select distinct
        user_id,
        occurred_at
    from unmarked
    where session_id is not null
),

-- a page of the site that loads with a page of the course says nothing of its own
followed as (
    select * from unmarked where session_id is not null
    union all
    select unmarked.*
    from unmarked
    left join instants_in_session
        on unmarked.user_id = instants_in_session.user_id and unmarked.occurred_at = instants_in_session.occurred_at
    where unmarked.session_id is null and instants_in_session.user_id is null
),

with_neighbours as (
    select
        *,
        lag(session_id) over learner as previous_session_id,
        lag(course_id) over learner as previous_course_id,
        lag(verb) over learner as previous_verb,
        lag(occurred_at) over learner as previous_occurred_at,
        lead(occurred_at) over learner as next_occurred_at
    from followed
    window learner as (partition by user_id order by occurred_at, {{ id_order('event_id') }})
),

with_run_starts as (
    select
        *,
        coalesce(
            course_id <> previous_course_id
            or (session_id is distinct from previous_session_id)
            or occurred_at > previous_occurred_at + {{ inactivity_timeout() }}
            or previous_verb in ('disconnected', 'completed'),
            true
        ) as is_run_start
    from with_neighbours
),

final as (
    select
        event_id,
        user_id,
        session_id,
        course_id,
        verb,
        occurred_at,
        next_occurred_at,
        count(*) filter (where is_run_start) over (
            partition by user_id
            order by occurred_at, {{ id_order('event_id') }}
        ) as run_number
    from with_run_starts
)

select * from final
