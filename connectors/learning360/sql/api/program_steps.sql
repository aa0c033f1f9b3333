-- One row per step of a path, by its place. The API tells no name of an assessment: until a result comes as a message, the
-- step has no resource.
with
steps as (
    select
        _id as program_template_id,
        generate_subscripts(steps, 1) as position,
        unnest(steps) as step
    from api.paths
)

select
    program_template_id,
    position,
    step.type as step_type,
    case
        when step.type <> 'assessment' or step._id in (select assessments.assessment_id from assessments) then step._id
    end as resource_id,
    step.options.optional as is_optional,
    step.options.minScore as min_score_pct
from steps
where step.type is not null
