with final as (
    select
        program_template_id,
        step_type,
        resource_id,
        min(position) as program_position,
        bool_and(coalesce(is_optional, false)) as is_optional
    from {{ ref('stg_program_steps') }}
    where is_kept and step_type in ('course', 'assessment') and resource_id is not null
    group by program_template_id, step_type, resource_id
)

select * from final
