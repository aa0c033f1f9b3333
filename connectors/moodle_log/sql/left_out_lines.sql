-- One row per reason why lines are left out: how many, and where the first ones of each person stand.
with
of_people as (
    select
        judged_lines.reason,
        judged_lines.moodle_id,
        count(*) as line_count,
        arg_min(
            judged_lines.file || ':' || judged_lines.line || ' ' || judged_lines.actor
            || if(judged_lines.moodle_id = '', '', ' (number ' || judged_lines.moodle_id || ')')
            || coalesce(', one of ' || people.candidates, ''),
            (judged_lines.file, judged_lines.line)
        ) as example,
        min((judged_lines.file, judged_lines.line)) as place
    from judged_lines
    left join people using (moodle_id)
    where judged_lines.reason is not null
    group by judged_lines.reason, judged_lines.moodle_id
)

select
    reason,
    cast(sum(line_count) as bigint) as line_count,
    count(*) as person_count,
    list(example order by line_count desc, place)[:5] as examples
from of_people
group by reason
