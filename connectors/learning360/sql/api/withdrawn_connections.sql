-- One row per connection of an attempt that was one stay and is none any more, or that an export tells now.
select
    'attempt-' || attempt_id || if(earlier_revision > 0, '-' || earlier_revision, '') as connection_id,
    as_instant(getvariable('pulled_at')) as withdrawn_at,
    case verdict
        when 'told_by_an_export' then 'An export of connections tells the stay'
        when 'pauses' then 'The attempt has pauses since'
        else 'The platform tells the attempt otherwise'
    end as reason
from attempt_connections
where is_taken_back
order by connection_id
