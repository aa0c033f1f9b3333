-- One row per statement: where it was told first, as files and pages may overlap.
select
    statement_id,
    min(place) as place
from told_statements
where statement_id is not null
group by statement_id
