{{ config(materialized='incremental', incremental_strategy='touched_learners') }}

with events as (
    select
        event_id,
        user_id,
        session_id,
        course_id,
        attempt_id,
        verb,
        occurred_at
    from {{ ref('stg_learning_events') }}
    where is_kept and {{ touched_learners_only() }}
),

marked as (
    select events.*
    from events
    inner join {{ ref('int_event_groups__marked') }} as marked_groups
        on
            events.user_id = marked_groups.user_id
            and events.session_id = marked_groups.session_id
            and events.course_id = marked_groups.course_id
            and events.attempt_id is not distinct from marked_groups.attempt_id
),

instants as (
    select
        user_id,
        session_id,
        course_id,
        attempt_id,
        occurred_at,
        bool_or(verb = 'connected') as has_opening,
        bool_or(verb in ('disconnected', 'completed')) as has_end
    from marked
    group by user_id, session_id, course_id, attempt_id, occurred_at
),

-- only an instant with an opening or an end mark, not both, changes whether a connection is open
instants_with_state as (
    select
        *,
        coalesce(
            last_value(case when has_opening <> has_end then has_opening end ignore nulls) over (
                partition by user_id, session_id, course_id, attempt_id
                order by occurred_at
                rows between unbounded preceding and 1 preceding
            ),
            false
        ) as is_open_before
    from instants
),

ranked as (
    select
        marked.*,
        case
            when instants_with_state.is_open_before
                then array_position(['active', 'completed', 'disconnected', 'connected'], marked.verb)
            else array_position(['connected', 'active', 'completed', 'disconnected'], marked.verb)
        end as verb_rank
    from marked
    inner join instants_with_state
        on
            marked.user_id = instants_with_state.user_id
            and marked.session_id = instants_with_state.session_id
            and marked.course_id = instants_with_state.course_id
            and marked.attempt_id is not distinct from instants_with_state.attempt_id
            and marked.occurred_at = instants_with_state.occurred_at
),

ordered as (
    select
        *,
        row_number() over (
            partition by user_id, session_id, course_id, attempt_id
            order by occurred_at, verb_rank, {{ id_order('event_id') }}
        ) as event_number
    from ranked
),

opened as (
    select
        *,
        count(*) filter (where verb = 'connected') over (
            partition by user_id, session_id, course_id, attempt_id
            order by event_number
        ) as opening_number
    from ordered
),

ended as (
    select
        *,
        min(event_number) filter (where verb in ('disconnected', 'completed')) over (
            partition by user_id, session_id, course_id, attempt_id, opening_number
        ) as end_event_number
    from opened
),

final as (
    select
        event_id,
        user_id,
        session_id,
        course_id,
        attempt_id,
        verb,
        occurred_at,
        event_number,
        opening_number,
        coalesce(event_number = end_event_number and opening_number > 0, false) as is_end,
        opening_number = 0 or event_number > coalesce(end_event_number, event_number) as is_unattached
    from ended
)

select * from final
