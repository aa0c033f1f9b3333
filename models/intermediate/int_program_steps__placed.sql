with steps as (
    select
        program_template_id,
        position,
        step_type,
        resource_id,
        coalesce(is_optional, false) as is_optional
    from {{ ref('stg_program_steps') }}
    where is_kept and step_type in ('course', 'assessment') and resource_id is not null
),

final as (
    select
        program_template_id,
        step_type,
        resource_id,
        min(position) as program_position,
        bool_and(is_optional) as is_optional
    from steps
    group by program_template_id, step_type, resource_id
)

select * from final
