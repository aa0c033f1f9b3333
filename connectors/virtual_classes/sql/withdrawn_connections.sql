-- One row per stay that the report no longer tells since it was corrected.
select
    connection_key || if(revision > 0, '-' || revision, '') as connection_id,
    as_instant(getvariable('pulled_at')) as withdrawn_at,
    'The attendance report ' || report || ' was corrected' as reason
from connection_history
where is_news and is_withdrawn
order by connection_id
