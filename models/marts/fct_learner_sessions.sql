{{ config(materialized='incremental', incremental_strategy='affected_learners', tags=['reads_snapshots']) }}

with connections as (
    select
        user_id,
        session_id,
        count(*) as connection_count,
        count(*) filter (where disconnected_at is null) as open_connection_count,
        cast(sum(elapsed_seconds) as bigint) as elapsed_seconds,
        cast(sum(capped_seconds) as bigint) as capped_seconds,
        cast(sum(overlap_seconds) as bigint) as overlap_seconds,
        cast(sum(retained_seconds) as bigint) as retained_seconds,
        min(connected_at) as first_connected_at,
        max(coalesce(disconnected_at, connected_at)) as last_connection_at,
        count(distinct connected_on) as connection_day_count,
        {%- for level in ['work', 'tutored', 'consultation'] %}
        cast(sum(retained_seconds) filter (where proof_level = '{{ level }}') as bigint) as {{ level }}_seconds,
        {%- endfor %}
        cast(sum(retained_seconds) filter (where modality = 'sync') as bigint) as synchronous_seconds,
        bool_or(has_delivered_modality) as has_delivered_modality
    from {{ ref('fct_opco_connections') }}
    where {{ in_affected_learners() }}
    group by user_id, session_id
),

instructors as (
    select
        user_id,
        session_id
    from {{ ref('bridge_session_instructors') }}
),

-- no more than a bigint holds, whatever durations are delivered
activities as (
    select
        user_id,
        session_id,
        count(*) as step_count,
        count(*) filter (where not is_optional) as required_step_count,
        count(*) filter (where is_completed) as completed_step_count,
        count(*) filter (where is_completed and not is_optional) as completed_required_step_count,
        count(*) filter (where step_type = 'course' and not is_optional) as required_course_count,
        count(*) filter (
            where step_type = 'course' and is_completed and not is_optional
        ) as completed_required_course_count,
        count(*) filter (where step_type = 'assessment' and is_started) as handed_in_assessment_count,
        -- a placement test tells where a learner begins
        count(*) filter (
            where step_type = 'assessment' and is_passed is not null and evaluation_kind is distinct from 'placement'
        ) as judged_assessment_count,
        count(*) filter (
            where step_type = 'assessment' and is_passed and evaluation_kind is distinct from 'placement'
        ) as passed_assessment_count,
        count(*) filter (where is_without_duration) as without_duration_count,
        count(*) filter (where is_suspicious) as suspicious_count,
        min(completed_at) as first_completed_at,
        max(completed_at) as last_completed_at,
        cast(
            least(sum(cast(creditable_seconds as decimal(38, 0))), 9223372036854775807) as bigint
        ) as creditable_seconds,
        cast(least(sum(cast(credited_seconds as decimal(38, 0))), 9223372036854775807) as bigint) as credited_seconds
    from {{ ref('fct_credited_activities') }}
    where {{ in_affected_learners() }}
    group by user_id, session_id
),

interactions as (
    select *
    from {{ ref('fct_tutor_interactions') }}
    where {{ in_affected_learners() }}
),

contacts as (
    select
        user_id,
        session_id,
        asked_at as contact_at
    from interactions
    where not is_automated
    union all
    select
        user_id,
        session_id,
        answered_at as contact_at
    from interactions
    where not is_automated
),

silences as (
    select
        user_id,
        session_id,
        contact_at,
        lag(contact_at) over (partition by user_id, session_id order by contact_at) as previous_contact_at
    from contacts
    where contact_at is not null
),

silent as (
    select
        user_id,
        session_id,
        min(contact_at) as first_interaction_at,
        max(contact_at) as last_interaction_at,
        max({{ whole_units_between('second', 'previous_contact_at', 'contact_at') }}) as longest_silence_seconds
    from silences
    group by user_id, session_id
),

-- automated ones are no assistance
assisted as (
    select
        user_id,
        session_id,
        count(*) filter (where not is_automated) as interaction_count,
        count(*) filter (where is_automated) as automated_interaction_count,
        count(asked_at) filter (where not is_automated) as question_count,
        count(answer_seconds) filter (where not is_automated) as answered_count,
        count(*) filter (where not is_automated and is_within_announced_delay) as within_announced_delay_count,
        cast(
            floor(median(answer_seconds) filter (where not is_automated)) as bigint
        ) as median_answer_seconds,
        max(answer_seconds) filter (where not is_automated) as longest_answer_seconds,
        min(asked_at) as first_asked_at,
        max(asked_at) as last_asked_at
    from interactions
    group by user_id, session_id
),

final as (
    select
        user_id,
        session_id,
        found.is_enrolled,
        found.last_enrolled_at,
        found.last_unenrolled_at,
        instructors.user_id is not null as is_instructor,
        connections.connection_count is not null as has_played,
        coalesce(connections.connection_count, 0) as connection_count,
        coalesce(connections.open_connection_count, 0) as open_connection_count,
        coalesce(connections.elapsed_seconds, 0) as elapsed_seconds,
        coalesce(connections.capped_seconds, 0) as capped_seconds,
        coalesce(connections.overlap_seconds, 0) as overlap_seconds,
        coalesce(connections.retained_seconds, 0) as retained_seconds,
        coalesce(connections.work_seconds, 0) as work_seconds,
        coalesce(connections.tutored_seconds, 0) as tutored_seconds,
        coalesce(connections.consultation_seconds, 0) as consultation_seconds,
        coalesce(connections.synchronous_seconds, 0) as synchronous_seconds,
        coalesce(connections.has_delivered_modality, false) as has_delivered_modality,
        connections.first_connected_at,
        connections.last_connection_at,
        coalesce(connections.connection_day_count, 0) as connection_day_count,
        progressed.progress_pct,
        progressed.score_pct,
        progressed.progress_source,
        progressed.score_source,
        progressed.started_resource_count,
        least(
            connections.first_connected_at, progressed.first_activity_at, assisted.first_asked_at
        ) as first_activity_at,
        greatest(
            connections.last_connection_at, progressed.last_activity_at, assisted.last_asked_at
        ) as last_activity_at,
        program_sessions.planned_duration_seconds,
        coalesce(activities.step_count, 0) as step_count,
        coalesce(activities.required_step_count, 0) as required_step_count,
        coalesce(activities.completed_step_count, 0) as completed_step_count,
        coalesce(activities.completed_required_step_count, 0) as completed_required_step_count,
        {%- for count in [
            'required_course_count', 'completed_required_course_count', 'handed_in_assessment_count',
            'judged_assessment_count', 'passed_assessment_count',
        ] %}
        coalesce(activities.{{ count }}, 0) as {{ count }},
        {%- endfor %}
        coalesce(activities.without_duration_count, 0) as without_duration_count,
        coalesce(activities.suspicious_count, 0) as suspicious_count,
        activities.first_completed_at,
        activities.last_completed_at,
        {%- for column in ['creditable_seconds', 'credited_seconds'] %}
        {%- if var('credit').without_duration == 'refuse' %}
        case
            when coalesce(activities.without_duration_count, 0) = 0 then coalesce(activities.{{ column }}, 0)
        end as {{ column }},
        {%- else %}
        coalesce(activities.{{ column }}, 0) as {{ column }},
        {%- endif %}
        {%- endfor %}
        coalesce(assisted.interaction_count, 0) as interaction_count,
        coalesce(assisted.automated_interaction_count, 0) as automated_interaction_count,
        silent.first_interaction_at,
        silent.last_interaction_at,
        coalesce(assisted.question_count, 0) as question_count,
        coalesce(assisted.answered_count, 0) as answered_count,
        assisted.median_answer_seconds,
        assisted.longest_answer_seconds,
        case
            when program_sessions.announced_answer_delay_hours is not null and assisted.question_count > 0
                then cast(
                    {{ whole_quotient(
                        'assisted.within_announced_delay_count * 100000000', 'assisted.question_count'
                    ) }} / 1000000
                    as decimal(9, 6)
                )
        end as within_announced_delay_pct,
        silent.longest_silence_seconds
    from {{ ref('int_learner_sessions__found') }} as found
    inner join {{ ref('int_learner_sessions__progressed') }} as progressed using (user_id, session_id)
    left join connections using (user_id, session_id)
    inner join {{ ref('dim_program_sessions') }} as program_sessions using (session_id)
    left join instructors using (user_id, session_id)
    left join activities using (user_id, session_id)
    left join assisted using (user_id, session_id)
    left join silent using (user_id, session_id)
    where {{ in_affected_learners() }}
)

select * from final
