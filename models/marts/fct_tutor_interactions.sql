{{ config(materialized='incremental', incremental_strategy='affected_learners', tags=['reads_snapshots']) }}

with final as (
    select
        interactions.interaction_id,
        interactions.session_id,
        interactions.user_id,
        interactions.tutor_user_id,
        interactions.kind as interaction_kind,
        interactions.asked_at,
        interactions.answered_at,
        interactions.channel,
        coalesce(interactions.is_automated, false) as is_automated,
        case
            when interactions.answered_at >= interactions.asked_at
                then {{ whole_units_between('second', 'interactions.asked_at', 'interactions.answered_at') }}
        end as answer_seconds,
        case
            when interactions.answered_at >= interactions.asked_at
                then
                    {{ whole_units_between('microsecond', 'interactions.asked_at', 'interactions.answered_at') }}
                    <= cast(program_sessions.announced_answer_delay_hours as decimal(38, 0)) * 3600000000
        end as is_within_announced_delay
    from {{ ref('stg_tutor_interactions') }} as interactions
    inner join {{ ref('dim_program_sessions') }} as program_sessions using (session_id)
    where interactions.is_kept and {{ in_affected_learners('interactions.user_id') }}
)

select * from final
