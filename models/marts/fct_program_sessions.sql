with connections as (
    select
        session_id,
        count(*) as connection_count,
        count(*) filter (where disconnected_at is null) as open_connection_count,
        count(*) filter (where flags <> {{ list_of([]) }}) as flagged_connection_count,
        cast(sum(elapsed_seconds) as bigint) as elapsed_seconds,
        cast(sum(capped_seconds) as bigint) as capped_seconds,
        cast(sum(overlap_seconds) as bigint) as overlap_seconds,
        cast(sum(retained_seconds) as bigint) as retained_seconds,
        min(connected_at) as first_connected_at,
        max(coalesce(disconnected_at, connected_at)) as last_connection_at,
        count(distinct connected_on) as connection_day_count
    from {{ ref('fct_opco_connections') }}
    group by session_id
),

-- exact means, cut to six decimals, as those of one learner
learners as (
    select
        session_id,
        count(*) as learner_count,
        count(*) filter (where is_enrolled) as enrolled_count,
        {%- for pct in ['progress_pct', 'score_pct'] %}
        {{ mean_pct(pct) }} as mean_{{ pct }},
        {%- endfor %}
        count(*) filter (where has_played) as played_count
    from {{ ref('fct_learner_sessions') }}
    group by session_id
),

final as (
    select
        session_id,
        program_sessions.session_name,
        program_sessions.program_template_id,
        program_sessions.program_template_name,
        program_sessions.starts_at,
        program_sessions.ends_at,
        coalesce(learners.learner_count, 0) as learner_count,
        coalesce(learners.enrolled_count, 0) as enrolled_count,
        coalesce(learners.played_count, 0) as played_count,
        coalesce(connections.connection_count, 0) as connection_count,
        coalesce(connections.open_connection_count, 0) as open_connection_count,
        coalesce(connections.flagged_connection_count, 0) as flagged_connection_count,
        coalesce(connections.elapsed_seconds, 0) as elapsed_seconds,
        coalesce(connections.capped_seconds, 0) as capped_seconds,
        coalesce(connections.overlap_seconds, 0) as overlap_seconds,
        coalesce(connections.retained_seconds, 0) as retained_seconds,
        connections.first_connected_at,
        connections.last_connection_at,
        coalesce(connections.connection_day_count, 0) as connection_day_count,
        learners.mean_progress_pct,
        learners.mean_score_pct
    from {{ ref('dim_program_sessions') }} as program_sessions
    left join learners using (session_id)
    left join connections using (session_id)
)

select * from final
