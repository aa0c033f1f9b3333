{{ config(materialized='incremental', incremental_strategy='all_rows') }}

with known_program_templates as (
    select program_template_id as known_program_template_id from {{ ref('stg_program_templates') }} where is_kept
),

typed as (
    {{ delivered_and_retried_rows('program_sessions') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        session_id,
        program_template_id,
        name as session_name,
        starts_at,
        ends_at,
        modality,
        announced_answer_delay_hours,
        {{ validation_columns('program_sessions', retry='rejected rows') }},
        is_current
    from typed
    left join known_program_templates on typed.program_template_id = known_program_templates.known_program_template_id
    {{ union_previous_rows() }}
),

deduplicated as (
    select
        {{ all_but(['is_current']) }},
        {{ is_candidate(['session_id']) }} as is_candidate,
        {{ row_status(['session_id'], compared=[
            'program_template_id', 'session_name', 'starts_at', 'ends_at', 'modality', 'announced_answer_delay_hours',
        ]) }} as row_status
    from validated
),

final as (
    select
        {{ all_but(['is_candidate']) }},
        row_status in ('kept', 'gone') as is_kept
    from deduplicated
    where row_status <> 'superseded_version' or is_candidate
)

select * from final
