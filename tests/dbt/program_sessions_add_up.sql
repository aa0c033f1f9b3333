-- The totals of each program session are those of its learners and, over all sessions, those of the connections.
{%- set figures = ['elapsed_seconds', 'capped_seconds', 'overlap_seconds', 'retained_seconds'] %}

with learners as (
    select
        session_id,
        count(*) as learner_count,
        count(*) filter (where has_played) as played_count,
        sum(connection_count) as connection_count,
        sum(open_connection_count) as open_connection_count,
        {%- for figure in figures %}
        sum({{ figure }}) as {{ figure }},
        {%- endfor %}
        min(first_connected_at) as first_connected_at,
        max(last_connection_at) as last_connection_at
    from {{ ref('fct_learner_sessions') }}
    group by session_id
),

connections as (
    select
        {%- for figure in figures %}
        coalesce(sum({{ figure }}), 0) as {{ figure }},
        {%- endfor %}
        count(*) as connection_count
    from {{ ref('fct_opco_connections') }}
),

sessions as (
    select
        {%- for figure in figures %}
        coalesce(sum({{ figure }}), 0) as {{ figure }},
        {%- endfor %}
        coalesce(sum(connection_count), 0) as connection_count
    from {{ ref('fct_program_sessions') }}
)

select program_sessions.session_id
from {{ ref('fct_program_sessions') }} as program_sessions
full join learners using (session_id)
where
    program_sessions.session_id is null
    or program_sessions.learner_count <> coalesce(learners.learner_count, 0)
    or program_sessions.played_count <> coalesce(learners.played_count, 0)
    or program_sessions.connection_count <> coalesce(learners.connection_count, 0)
    or program_sessions.open_connection_count <> coalesce(learners.open_connection_count, 0)
    {%- for figure in figures %}
    or program_sessions.{{ figure }} <> coalesce(learners.{{ figure }}, 0)
    {%- endfor %}
    or program_sessions.first_connected_at is distinct from learners.first_connected_at
    or program_sessions.last_connection_at is distinct from learners.last_connection_at
union all
select null as session_id
from sessions
anti join connections using (connection_count, {{ figures | join(', ') }})
