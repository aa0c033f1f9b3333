-- One row per learner per program session: hours planned, retained and credited beside the learner's custom fields of
-- today, those declared as numbers as numbers too: what a funder is billed by.
-- @custom_fields: The learner's custom fields with a value today, as text, by column_name of dim_custom_fields.
-- @custom_numbers: Those of them that are declared as numbers, as numbers.
with fields as (
    select
        bridge.user_id,
        map_from_entries(list((named.column_name, bridge.value))) as custom_fields,
        map_from_entries(
            coalesce(
                list((named.column_name, bridge.number_value)) filter (where bridge.number_value is not null), []
            )
        ) as custom_numbers
    from bridge_learner_custom_fields as bridge
    inner join dim_custom_fields as named on bridge.custom_field_id = named.custom_field_id
    group by bridge.user_id
),

totals as (
    select
        user_id,
        session_id,
        {{ metric('planned_hours') }} as planned_hours,
        {{ metric('realised_seconds') }} as realised_seconds,
        {{ metric('credited_seconds') }} as credited_seconds,
        {{ metric('credited_hours') }} as credited_hours
    from fct_learner_sessions
    group by user_id, session_id
)

select
    totals.user_id,
    learners.last_name,
    learners.first_name,
    learners.employer,
    totals.session_id,
    program_sessions.session_name,
    totals.planned_hours,
    totals.realised_seconds,
    totals.credited_seconds,
    totals.credited_hours,
    fields.custom_fields,
    fields.custom_numbers
from totals
inner join dim_learners as learners on totals.user_id = learners.user_id
inner join dim_program_sessions as program_sessions on totals.session_id = program_sessions.session_id
left join fields on totals.user_id = fields.user_id
