-- One row per statement that was told more than once, as files and pages may overlap: where it was told first.
select
    statement_id,
    min(place) as place
from told_statements
where statement_id is not null
group by statement_id
having count(*) > 1
