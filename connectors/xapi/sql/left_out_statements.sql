-- One row per reason why statements are left out: how many, and where the first ones stand.
select
    reason,
    count(*) as line_count,
    arg_min(
        coalesce(file || ':' || line, statement_id, 'statement ' || line)
        || if(verb_name is null, '', ' ' || verb_name)
        || coalesce(' of ' || coalesce(user_name, user_id), '')
        || if(reason = 'stored_in_future', ', stored ' || cast(stored_at as varchar), ''),
        place,
        5
    ) as examples
from judged_statements
where reason is not null and is_first_telling
group by reason
