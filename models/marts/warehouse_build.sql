{%- set marts = [
    'bridge_group_members', 'bridge_learner_custom_fields', 'bridge_session_instructors', 'data_problems',
    'dim_assessments', 'dim_courses', 'dim_custom_fields', 'dim_dates', 'dim_groups', 'dim_learner_history',
    'dim_learners', 'dim_program_sessions', 'fct_assessment_results', 'fct_credited_activities', 'fct_enrollments',
    'fct_issued_documents', 'fct_learner_days', 'fct_learner_follow_up', 'fct_learner_session_steps',
    'fct_learner_sessions', 'fct_opco_connections', 'fct_program_session_indicators', 'fct_program_sessions',
    'fct_tutor_interactions', 'gone_rows', 'identity_findings', 'load_reconciliation', 'rejected_rows',
] -%}

with row_counts as (
    {%- for mart in marts %}
    select
        '{{ mart }}' as table_name,
        count(*) as row_count
    from {{ ref(mart) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

counted as (
    select map_from_entries({{ sorted_list('(table_name, row_count)', ['table_name']) }}) as row_counts from row_counts
),

activity as (
    select max(greatest(connected_at, disconnected_at)) as last_activity_at from {{ ref('fct_opco_connections') }}
),

final as (
    select
        this_build.build_id,
        this_build.data_as_of,
        activity.last_activity_at,
        this_build.built_at,
        this_build.load_number,
        cast({{ var('inactivity_timeout_minutes') }} as bigint) as inactivity_timeout_minutes,
        cast({{ var('max_connection_minutes') or 'null' }} as bigint) as max_connection_minutes,
        cast({{ var('long_connection_minutes') }} as bigint) as long_connection_minutes,
        {{ var("identities").by_email }} as is_email_identity,
        '{{ var("credit").without_duration }}' as credit_without_duration,
        '{{ var("credit").partial }}' as credit_partial,
        {{ var("credit").cap_at_program }} as is_credit_capped_at_program,
        cast({{ var("credit").suspicious_below_pct }} as bigint) as credit_suspicious_below_pct,
        cast({{ var("follow_up").silence_days }} as bigint) as follow_up_silence_days,
        '{{ var("calendar").territory }}' as territory,
        '{{ var("raw_timezone") }}' as raw_timezone,
        '{{ var("display_timezone") }}' as display_timezone,
        this_build.opco_version,
        this_build.rules_edition,
        '{{ dbt_version }}' as dbt_version,
        this_build.duckdb_version,
        counted.row_counts
    from {{ ref('stg_this_build') }} as this_build
    cross join activity
    cross join counted
)

select * from final
