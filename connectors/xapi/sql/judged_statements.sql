-- One row per telling of a statement: why it is left out; null where it is a trace of a learner.
select
    told_statements.* exclude (reason),
    case
        when told_statements.reason is not null then told_statements.reason
        when voided_statements.event_id is not null then 'voided'
    end as reason,
    coalesce(repeated_tellings.place = told_statements.place, true) as is_first_telling
from told_statements
left join repeated_tellings using (statement_id)
left join voided_statements on told_statements.statement_id = voided_statements.event_id
