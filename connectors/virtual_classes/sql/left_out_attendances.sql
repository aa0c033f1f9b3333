-- One row per reason why lines are left out: how many, and where the first ones of each participant stand.
with
of_participants as (
    select
        reason,
        count(*) as line_count,
        arg_min(
            report || ':' || line || ' ' || name || if(email = '', '', ' <' || email || '>')
            || case
                when reason in ('unknown_participant', 'several_users') then coalesce(': perhaps ' || candidates, '')
                else ': ' || joined || ' to ' || "left" || if(duration = '', '', ', ' || duration)
            end,
            (report, line)
        ) as example,
        min((report, line)) as place
    from judged_attendances
    where reason is not null
    group by reason, name, email
)

select
    reason,
    cast(sum(line_count) as bigint) as line_count,
    list(example order by place)[:10] as examples
from of_participants
group by reason
