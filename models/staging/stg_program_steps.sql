with cells as (
    select
        {{ delivered_cells('program_steps') }}
    from {{ source('raw', 'program_steps') }}
),

known_program_templates as (
    select program_template_id as known_program_template_id from {{ ref('stg_program_templates') }} where is_kept
),

known_courses as (
    select course_id as known_course_id from {{ ref('stg_courses') }} where is_kept
),

known_assessments as (
    select assessment_id as known_assessment_id from {{ ref('stg_assessments') }} where is_kept
),

typed as (
    select
        *,
        {{ as_text('program_template_id') }} as program_template_id,
        {{ as_whole('position') }} as position,
        lower({{ as_text('step_type') }}) as step_type,
        {{ as_text('resource_id') }} as resource_id,
        {{ as_bool('is_optional') }} as is_optional,
        {{ as_pct('min_score_pct') }} as min_score_pct
    from cells
),

judged as (
    select
        typed.*,
        {{ first_fault('program_steps', further=[
            [
                'unknown_course',
                'resource_id',
                "step_type = 'course' and resource_id is not null and known_course_id is null",
            ],
            [
                'unknown_assessment',
                'resource_id',
                "step_type = 'assessment' and resource_id is not null and known_assessment_id is null",
            ],
        ]) }} as fault,
        {{ emptied_cells('program_steps') }} as emptied_cells
    from typed
    left join known_program_templates on typed.program_template_id = known_program_templates.known_program_template_id
    left join known_courses on typed.resource_id = known_courses.known_course_id
    left join known_assessments on typed.resource_id = known_assessments.known_assessment_id
),

sorted_out as (
    select
        file,
        line,
        loaded_at,
        program_template_id,
        position,
        step_type,
        resource_id,
        is_optional,
        min_score_pct,
        fault,
        emptied_cells,
        {{ fate([
            'program_template_id', 'position', 'step_type', 'resource_id', 'is_optional', 'min_score_pct'
        ]) }} as fate
    from judged
),

final as (
    select
        *,
        fate = 'kept' as is_kept
    from sorted_out
)

select * from final
