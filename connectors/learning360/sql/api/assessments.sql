-- One row per assessment of which a message told a result, named as last told.
select
    assessment_id,
    coalesce(nullif(arg_max(name, submitted_at), ''), assessment_id) as name
from results
where assessment_id is not null
group by assessment_id
