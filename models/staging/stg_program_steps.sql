{{ config(materialized='incremental', incremental_strategy='all_rows') }}

-- of a template that is gone, the rows of the last delivery that held it stay
with absent_owners as (
    select
        program_template_id as owner_id,
        last_load_number as load_number
    from {{ ref('stg_program_templates') }}
    where is_kept and row_status = 'gone'
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
    {{ delivered_and_carried_over_rows('program_steps', owner='program_template_id', absent_owners='absent_owners') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        program_template_id,
        position,
        {{ lowered('step_type') }} as step_type,
        resource_id,
        is_optional,
        min_score_pct,
        {{ validation_columns('program_steps', further=[
            [
                'unknown_course',
                'resource_id',
                lowered('step_type') ~ " = 'course' and resource_id is not null and known_course_id is null",
            ],
            [
                'unknown_assessment',
                'resource_id',
                lowered('step_type') ~ " = 'assessment' and resource_id is not null and known_assessment_id is null",
            ],
        ], retry='all rows') }},
        is_current
    from typed
    left join known_program_templates
        on typed.program_template_id = known_program_templates.known_program_template_id
    left join known_courses on typed.resource_id = known_courses.known_course_id
    left join known_assessments on typed.resource_id = known_assessments.known_assessment_id
),

deduplicated as (
    select
        {{ all_but(['is_current']) }},
        {{ row_status([
            'program_template_id', 'position', 'step_type', 'resource_id', 'is_optional', 'min_score_pct',
        ]) }} as row_status
    from validated
),

final as (
    select
        *,
        row_status in ('kept', 'gone') as is_kept
    from deduplicated
)

select * from final
