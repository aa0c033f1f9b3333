-- One row per session, of the template and with the name that were told last.
select
    session_id,
    arg_max(program_template_id, recency) as program_template_id,
    coalesce(nullif(arg_max(session_name, recency), ''), session_id) as name
from taken_stays
group by session_id
