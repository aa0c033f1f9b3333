-- One row per reason why lines are left out: how many, and where the first ones stand, with whom or what they may mean.
with
names as (
    select
        name_key(last_name || ' ' || first_name) as name,
        string_agg(distinct address, ', ' order by address) as candidates
    from typed_lines
    where address is not null
    group by name_key(last_name || ' ' || first_name)
),

told as (
    select
        judged_lines.*,
        coalesce(nullif(trim(last_name || ' ' || first_name), ''), 'nobody') as learner,
        names.candidates as namesakes
    from judged_lines
    left join names on name_key(judged_lines.last_name || ' ' || judged_lines.first_name) = names.name
),

left_out as (
    select
        reason,
        file,
        line,
        file || ':' || line || ' ' || learner
        || case
            when reason = 'no_email' then coalesce(': perhaps ' || namesakes, '')
            when reason in ('unknown_user', 'unknown_session', 'unknown_course')
                then ' <' || address || '>, ' || session_id || ', ' || course_name || coalesce(': perhaps ' || candidates, '')
            else ', ' || course_name || ': ' || connected || ' to ' || coalesce(nullif(disconnected, ''), '-')
                || if(time_spent = '', '', ', ' || time_spent)
        end as example
    from told
    where reason is not null
    union all
    select
        'perhaps_renamed_course' as reason,
        stays.file,
        stays.line,
        stays.file || ':' || stays.line || ' ' || trim(stays.last_name || ' ' || stays.first_name) || ', '
        || stays.course_name || ': perhaps ' || renamed_stays.first_course_name as example
    from renamed_stays
    inner join stays using (connection_id)
    where not renamed_stays.is_same
)

select
    reason,
    count(*) as line_count,
    list(example order by file, line)[:10] as examples
from left_out
group by reason
