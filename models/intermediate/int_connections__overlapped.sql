{{ config(materialized='incremental', incremental_strategy='affected_learners') }}

-- each counted connection twice: +1 where it begins, -1 where it ends. A sweep over both finds what covers a connection
-- without a look at each pair of a person who has many at once.
with steps as (
    select
        person_id,
        user_id,
        session_id,
        course_id,
        connected_at,
        counting_number,
        overlap_seconds,
        steps.step,
        case when steps.step = 1 then connected_at else counted_until end as stepped_at
    from {{ ref('int_connections__measured') }}
    cross join (values (1), (-1)) as steps (step)
    where counted_until is not null and {{ in_affected_learners() }}
),

-- how many are counted at once when one begins: itself, and what covers it of those earlier in the order of T5
swept as (
    select
        *,
        sum(step) over (partition by person_id order by stepped_at, step, counting_number) as depth,
        sum(step) over (partition by user_id order by stepped_at, step, counting_number) as depth_in_account,
        sum(step) over (
            partition by user_id, session_id order by stepped_at, step, counting_number
        ) as depth_in_session
    from steps
),

final as (
    select
        user_id,
        session_id,
        course_id,
        connected_at,
        depth_in_session > 1 as is_overlapped_in_session,
        depth_in_account > depth_in_session as is_overlapped_outside_session,
        depth > depth_in_account as is_overlapped_by_other_account
    from swept
    where step = 1 and overlap_seconds > 0
)

select * from final
