-- One row per stay that was ever delivered or is now: what a pull knows of it for the next one. A stay that a report no
-- longer tells, while the report is there, was corrected: it is withdrawn. So is none whose participant merely is not
-- known any more, nor one whose report was taken away. A stay that comes back after a withdrawal has a new id.
with
still_told as (
    select distinct
        report,
        coalesce(nullif(email, ''), name_key(name)) as participant,
        as_instant(connected_at) as connected_at
    from judged_attendances
    where reason in ('unknown_participant', 'several_users')
),

present as (
    select
        produced_connections.*,
        coalesce(history.revision + if(history.is_withdrawn, 1, 0), 0) as revision,
        false as is_withdrawn,
        history.connection_key is null
        or history.is_withdrawn
        or history.disconnected_at is distinct from produced_connections.disconnected_at
        or history.evidence_level <> produced_connections.evidence_level
            as is_news
    from produced_connections
    left join remembered_connections as history using (connection_key)
),

absent as (
    select
        history.*,
        not history.is_withdrawn and classes.report is not null and still_told.report is null as is_news
    from remembered_connections as history
    left join classes using (report)
    left join still_told using (report, participant, connected_at)
    where history.connection_key not in (select produced_connections.connection_key from produced_connections)
)

select * from present
union all by name
select * replace (is_withdrawn or is_news as is_withdrawn) from absent
