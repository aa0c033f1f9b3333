{#- null: no limit; the settings of the alerts give both -#}
{%- set max_rejected_rows = var('max_rejected_rows', none) -%}
{%- set max_rejected_pct = var('max_rejected_pct', none) -%}

with this_load as (
    select
        data_as_of,
        load_number
    from {{ ref('stg_this_build') }}
),

delivered as (
    select
        files.table_name,
        cast(sum(files.row_count) as bigint) as delivered_count
    from {{ ref('stg_raw_files') }} as files
    inner join this_load on files.loaded_at = this_load.data_as_of
    group by files.table_name
),

rejected_by_reason as (
    select
        rejected_rows.table_name,
        rejected_rows.reason,
        rejected_rows.column_name,
        count(*) as row_count,
        min(rejected_rows.file || ':' || rejected_rows.line) as place
    from {{ ref('rejected_rows') }} as rejected_rows
    inner join this_load on rejected_rows.loaded_at = this_load.data_as_of
    where not rejected_rows.row_kept
    group by rejected_rows.table_name, rejected_rows.reason, rejected_rows.column_name
),

rejected as (
    select
        table_name,
        cast(sum(row_count) as bigint) as row_count,
        {{ sorted_list(
            struct_of({
                'row_count': 'row_count',
                'reason': 'reason',
                'column_name': 'column_name',
                'happened_on': 'cast(null as date)',
                'place': 'place',
            }),
            ['-row_count', 'reason', "coalesce(column_name, '')"]
        ) }} as details
    from rejected_by_reason
    group by table_name
),

rejects as (
    select
        'rejects' as problem,
        table_name as subject,
        this_load.load_number,
        rejected.row_count,
        delivered.delivered_count,
        rejected.details
    from rejected
    inner join delivered using (table_name)
    cross join this_load
    where
        rejected.row_count > {{ 'null' if max_rejected_rows is none else max_rejected_rows }}
        or rejected.row_count * 100 > {{ 'null' if max_rejected_pct is none else max_rejected_pct }}
        * delivered.delivered_count
),

-- of each table the last load that made rows gone
last_gone as (
    select * from {{ ref('gone_rows') }}
    qualify load_number = max(load_number) over (partition by table_name, is_kept)
),

gone_by_day as (
    select
        table_name,
        is_kept,
        load_number,
        happened_on,
        count(*) as row_count,
        min(file || ':' || line) as place
    from last_gone
    group by table_name, is_kept, load_number, happened_on
),

missing as (
    select
        case when is_kept then 'purged' else 'reused' end as problem,
        table_name as subject,
        load_number,
        cast(sum(row_count) as bigint) as row_count,
        {{ sorted_list(
            struct_of({
                'row_count': 'row_count',
                'reason': 'cast(null as string)',
                'column_name': 'cast(null as string)',
                'happened_on': 'happened_on',
                'place': 'place',
            }),
            ['happened_on']
        ) }} as details
    from gone_by_day
    group by table_name, is_kept, load_number
),

proofs as (
    {%- for subject, dimension, key, subject_id, is_gone in [
        ('learner', 'dim_learners', 'user_id', 'user_id', 'is_gone'),
        ('session', 'dim_program_sessions', 'session_id', 'session_id', 'is_gone'),
        ('program', 'dim_program_sessions', 'session_id', 'program_template_id', 'is_program_template_gone'),
        ('course', 'dim_courses', 'course_id', 'course_id', 'is_gone'),
    ] %}
    select
        '{{ subject }}' as subject,
        holders.{{ subject_id }} as subject_id,
        connections.retained_seconds
    from {{ ref('fct_opco_connections') }} as connections
    inner join {{ ref(dimension) }} as holders using ({{ key }})
    where holders.{{ is_gone }}
    union all
    {%- endfor %}
    select
        'assessment' as subject,
        assessment_id as subject_id,
        null as retained_seconds
    from {{ ref('fct_assessment_results') }}
    inner join {{ ref('dim_assessments') }} as assessments using (assessment_id)
    where assessments.is_gone
),

gone as (
    select
        'gone' as problem,
        subject,
        subject_id,
        count(*) as row_count,
        cast(sum(retained_seconds) as bigint) as retained_seconds
    from proofs
    group by subject, subject_id
),

-- who may not be one person, and who was in two places at once
doubtful as (
    select
        'doubtful' as problem,
        finding_kind as subject,
        user_id as subject_id,
        cast(sum(coalesce(connection_count, 1)) as bigint) as row_count,
        {{ sorted_list(
            struct_of({
                'row_count': 'coalesce(connection_count, 1)',
                'reason': 'cast(null as string)',
                'column_name': 'cast(null as string)',
                'happened_on': 'cast(' ~ local_time('first_connected_at') ~ ' as date)',
                'place': 'other_user_id',
            }),
            ['other_user_id', 'first_connected_at', 'connection_count']
        ) }} as details
    from {{ ref('identity_findings') }}
    group by finding_kind, user_id
),

listed as (
    select
        problem,
        subject,
        null as subject_id,
        load_number,
        row_count,
        delivered_count,
        null as retained_seconds,
        details
    from rejects
    union all
    select
        problem,
        subject,
        null as subject_id,
        load_number,
        row_count,
        null as delivered_count,
        null as retained_seconds,
        details
    from missing
    union all
    select
        problem,
        subject,
        subject_id,
        null as load_number,
        row_count,
        null as delivered_count,
        retained_seconds,
        null as details
    from gone
    union all
    select
        problem,
        subject,
        subject_id,
        null as load_number,
        row_count,
        null as delivered_count,
        null as retained_seconds,
        details
    from doubtful
),

final as (
    select
        problem,
        subject,
        subject_id,
        load_number,
        row_count,
        delivered_count,
        retained_seconds,
        coalesce(details, {{ list_of([]) }}) as details
    from listed
)

select * from final
