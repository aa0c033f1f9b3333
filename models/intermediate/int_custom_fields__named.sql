-- rowid is what DuckDB itself calls the rows of any table
{%- set taken_names = (fixed_connection_columns() + fixed_learner_columns() + ['rowid']) | unique | list %}

with recursive kept_values as (
    select custom_field_id from {{ ref('stg_user_custom_field_values') }} where is_kept and value is not null
),

-- a field that is gone is a column only while a kept value has it
fields as (
    select
        custom_field_id,
        title,
        -- no identifier holds a NUL; and none begins with a blank, as inner names of the export do
        trim(replace(title, chr(0), ''), {{ blanks() }}) as name,
        replace(custom_field_id, chr(0), '') as id_in_name,
        value_type,
        row_status = 'gone' as is_gone,
        row_number() over (
            order by {{ alphabetical('title') }}, title, {{ id_order('custom_field_id') }}
        ) as field_position,
        count(*) over (partition by lower(name)) > 1
        or name = ''
        or lower(name) in ('{{ taken_names | join("', '") }}') as is_name_taken
    from {{ ref('stg_custom_fields') }}
    where
        is_kept
        and (row_status is distinct from 'gone' or custom_field_id in (select custom_field_id from kept_values))
),

with_turns as (
    select
        *,
        row_number() over (order by field_position) as turn
    from fields
    where is_name_taken
),

-- one field a turn: the first of title_id, title_id_2, title_id_3… that no column has yet
named as (
    select
        cast(0 as bigint) as turn,
        cast(null as varchar) as custom_field_id,
        cast(null as varchar) as column_name,
        list_concat(
            ['{{ taken_names | join("', '") }}'],
            coalesce((select list(lower(name)) from fields where not is_name_taken), [])
        ) as taken

    union all

    select
        with_turns.turn,
        with_turns.custom_field_id,
        list_filter(
            list_concat(
                [with_turns.name || '_' || with_turns.id_in_name],
                list_transform(
                    range(2, len(named.taken) + 3),
                    lambda number: with_turns.name || '_' || with_turns.id_in_name || '_' || number
                )
            ),
            lambda candidate: not list_contains(named.taken, lower(candidate))
        )[1] as free_name,
        list_append(named.taken, lower(free_name)) as taken
    from named
    inner join with_turns on named.turn + 1 = with_turns.turn
),

final as (
    select
        fields.custom_field_id,
        fields.title,
        fields.value_type,
        fields.field_position,
        fields.is_gone,
        coalesce(named.column_name, fields.name) as column_name
    from fields
    left join named on fields.custom_field_id = named.custom_field_id
)

select * from final
