{{ config(materialized='incremental', incremental_strategy='touched_learners') }}

with connections as (
    select * from {{ ref('int_connections__measured') }} where {{ touched_learners_only() }}
),

-- an earlier connection in the order of T5 that was still counted when this one began
coverings as (
    select
        overlapped.connection_id,
        overlapped.user_id,
        overlapped.session_id,
        overlapped.course_id,
        overlapped.connected_at,
        earlier.session_id = overlapped.session_id as is_same_session
    from connections as overlapped
    inner join connections as earlier
        on
            overlapped.user_id = earlier.user_id
            and overlapped.connected_at < earlier.counted_until
            and ({{ counting_order('earlier.') }}) < ({{ counting_order('overlapped.') }})
    where overlapped.overlap_seconds > 0
),

final as (
    select
        connection_id,
        user_id,
        session_id,
        course_id,
        connected_at,
        bool_or(is_same_session) as is_overlapped_in_session,
        bool_or(not is_same_session) as is_overlapped_outside_session
    from coverings
    group by connection_id, user_id, session_id, course_id, connected_at
)

select * from final
