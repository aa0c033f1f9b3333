with ordered as (
    select
        enrollments.*,
        program_sessions.starts_at,
        program_sessions.ends_at,
        this_build.clock_at,
        row_number() over in_order as enrollment_number,
        count(*) over (partition by enrollments.user_id, enrollments.session_id) as enrollment_count
    from {{ ref('stg_enrollments') }} as enrollments
    inner join {{ ref('dim_program_sessions') }} as program_sessions using (session_id)
    cross join {{ ref('stg_this_build') }} as this_build
    where enrollments.is_kept
    window in_order as (
        partition by enrollments.user_id, enrollments.session_id
        order by enrollments.enrolled_at nulls first, {{ id_order('enrollments.enrollment_id') }}
    )
),

-- an empty bound is none
final as (
    select
        enrollment_id,
        user_id,
        session_id,
        enrollment_number,
        enrolled_at,
        unenrolled_at,
        completed_at,
        status,
        progress_pct,
        score_pct,
        coalesce(enrolled_at > starts_at, false) as is_late,
        enrollment_number > 1 as is_reenrollment,
        enrollment_number < enrollment_count as has_later_enrollment,
        coalesce(unenrolled_at <= clock_at, false) as has_ended,
        has_ended
        and completed_at is null
        and not has_later_enrollment
        and coalesce(unenrolled_at < ends_at, true) as is_dropped,
        row_status = 'gone' as is_gone
    from ordered
)

select * from final
