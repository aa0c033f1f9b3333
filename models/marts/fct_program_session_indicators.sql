with learners as (
    select
        session_id,
        count(*) filter (where required_step_count > 0) as required_count,
        count(*) filter (where has_completed_steps) as completed_count,
        count(*) filter (where required_step_count > 0 and has_activity) as begun_count,
        count(*) filter (where has_abandoned) as abandoned_count,
        cast(sum(judged_assessment_count) as bigint) as judged_count,
        cast(sum(passed_assessment_count) as bigint) as passed_count,
        count(*) filter (where is_open) as open_count,
        count(*) filter (where follow_up_status = 'to_chase') as to_chase_count
    from {{ ref('fct_learner_follow_up') }}
    group by session_id
),

measured as (
    {%- for measure, numerator, denominator in [
        ('completion_rate', 'completed_count', 'required_count'),
        ('abandonment_rate', 'abandoned_count', 'begun_count'),
        ('pass_rate', 'passed_count', 'judged_count'),
        ('learners_to_chase', 'to_chase_count', 'open_count'),
    ] %}
    select
        program_sessions.session_id,
        program_sessions.starts_at,
        program_sessions.ends_at,
        '{{ measure }}' as measure,
        coalesce(learners.{{ numerator }}, 0) as numerator,
        coalesce(learners.{{ denominator }}, 0) as denominator
    from {{ ref('dim_program_sessions') }} as program_sessions
    left join learners using (session_id)
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- the reference in force on the day on which the figures are established
clock as (
    select
        clock_at,
        cast({{ local_time('clock_at') }} as date) as clock_on
    from {{ ref('stg_this_build') }}
),

reference as (
    select
        clock.clock_at as established_at,
        reference_versions.reference_version
    from clock
    left join {{ ref('quality_reference_versions') }} as reference_versions
        on
            coalesce(clock.clock_on >= reference_versions.first_valid_on, true)
            and coalesce(clock.clock_on <= reference_versions.last_valid_on, true)
),

final as (
    select
        measured.session_id,
        measured.measure,
        measures.indicator_number,
        reference.reference_version,
        measured.numerator,
        measured.denominator,
        cast(
            case
                when measured.denominator > 0
                    then {{ whole_quotient('measured.numerator * 100000000', 'measured.denominator') }} / 1000000
            end
            as decimal(9, 6)
        ) as rate_pct,
        measured.starts_at as period_starts_at,
        greatest(measured.starts_at, least(measured.ends_at, reference.established_at)) as period_ends_at,
        reference.established_at,
        measures.label_en,
        measures.label_fr,
        replace(measures.formula_en, '{silence_days}', '{{ var("follow_up").silence_days }}') as formula_en,
        replace(measures.formula_fr, '{silence_days}', '{{ var("follow_up").silence_days }}') as formula_fr
    from measured
    inner join {{ ref('follow_up_measures') }} as measures using (measure)
    cross join reference
)

select * from final
