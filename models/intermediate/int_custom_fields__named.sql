with recursive fields as (
    select
        custom_field_id,
        title,
        -- no identifier holds a NUL
        replace(title, chr(0), '') as name,
        value_type,
        row_number() over (
            order by {{ alphabetical('title') }}, title, {{ id_order('custom_field_id') }}
        ) as field_position,
        count(*) over (partition by lower(name)) > 1
        or lower(name) in ('{{ fixed_connection_columns() | join("', '") }}') as meets_another
    from {{ ref('stg_custom_fields') }}
    where is_kept
),

meeting as (
    select
        *,
        row_number() over (order by field_position) as turn
    from fields
    where meets_another
),

-- one field a turn: the first of title_id, title_id_2, title_id_3… that no column has yet
named as (
    select
        cast(0 as bigint) as turn,
        cast(null as varchar) as custom_field_id,
        cast(null as varchar) as column_name,
        list_concat(
            ['{{ fixed_connection_columns() | join("', '") }}'],
            coalesce((select list(lower(name)) from fields where not meets_another), [])
        ) as taken

    union all

    select
        meeting.turn,
        meeting.custom_field_id,
        list_filter(
            list_concat(
                [meeting.name || '_' || meeting.custom_field_id],
                list_transform(
                    range(2, len(named.taken) + 3),
                    lambda number: meeting.name || '_' || meeting.custom_field_id || '_' || number
                )
            ),
            lambda candidate: not list_contains(named.taken, lower(candidate))
        )[1] as free_name,
        list_append(named.taken, lower(free_name)) as taken
    from named
    inner join meeting on named.turn + 1 = meeting.turn
),

final as (
    select
        fields.custom_field_id,
        fields.title,
        fields.value_type,
        fields.field_position,
        coalesce(named.column_name, fields.name) as column_name
    from fields
    left join named on fields.custom_field_id = named.custom_field_id
)

select * from final
