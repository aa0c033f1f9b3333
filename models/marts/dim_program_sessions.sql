with final as (
    select
        program_sessions.session_id,
        program_sessions.session_name,
        program_sessions.starts_at,
        program_sessions.ends_at,
        program_sessions.modality,
        program_sessions.announced_answer_delay_hours,
        program_sessions.program_template_id,
        program_templates.program_template_name,
        program_templates.objectives,
        program_templates.planned_duration_seconds,
        program_templates.action_kind,
        program_sessions.row_status = 'gone' as is_gone,
        program_templates.row_status = 'gone' as is_program_template_gone
    from {{ ref('stg_program_sessions') }} as program_sessions
    inner join {{ ref('stg_program_templates') }} as program_templates
        on program_sessions.program_template_id = program_templates.program_template_id and program_templates.is_kept
    where program_sessions.is_kept
)

select * from final
