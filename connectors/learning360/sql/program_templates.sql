-- One row per program template, named as last told.
select
    program_template_id,
    coalesce(nullif(arg_max(program_template_name, recency), ''), program_template_id) as name
from taken_stays
group by program_template_id
