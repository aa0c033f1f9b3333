-- A date is an epoch: its day in the site's zone. A checkbox is a word. The values of deleted users are gone: as last delivered.
select
    cast(d.userid as varchar) as user_id,
    cast(d.fieldid as varchar) as custom_field_id,
    case f.datatype
        when 'datetime' then case
            when try_cast(d.data as bigint) <> 0
                then strftime(timezone(s.timezone, to_timestamp(try_cast(d.data as bigint))), '%Y-%m-%d')
        end
        when 'checkbox' then case d.data
            when '1' then getvariable('yes')
            when '0' then getvariable('no')
            else d.data
        end
        else d.data
    end as value
from moodle.user_info_data as d
inner join moodle.user_info_field as f on d.fieldid = f.id
inner join people as p on d.userid = p.id
cross join site as s
union all
select before.user_id, before.custom_field_id, before.value
from previous.user_custom_field_values as before
inner join people as p on before.user_id = cast(p.id as varchar)
where
    p.deleted = 1
    and before.custom_field_id in (select cast(id as varchar) from moodle.user_info_field)
    and not exists (
        select 1
        from moodle.user_info_data as d
        where cast(d.userid as varchar) = before.user_id and cast(d.fieldid as varchar) = before.custom_field_id
    )
order by 1, 2
