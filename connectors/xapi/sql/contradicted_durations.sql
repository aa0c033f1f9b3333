-- One row per end of a cmi5 session whose own duration is another than the time since its beginning.
with
openings as (
    select
        user_id,
        attempt_id,
        min(occurred_at) as occurred_at
    from shown_statements
    where verb_name = 'initialized' and is_cmi5
    group by user_id, attempt_id
)

select
    endings.statement_id,
    endings.duration_seconds,
    date_diff('millisecond', openings.occurred_at, endings.occurred_at) / 1000 as elapsed_seconds
from shown_statements as endings
inner join openings using (user_id, attempt_id)
where
    endings.verb_name = 'terminated'
    and abs(endings.duration_seconds - date_diff('millisecond', openings.occurred_at, endings.occurred_at) / 1000) > 5
