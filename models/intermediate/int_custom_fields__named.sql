-- rowid is what DuckDB itself calls the rows of any table
{%- set taken_names = (fixed_connection_columns() + fixed_learner_columns() + ['rowid']) | unique | list %}

with recursive kept_values as (
    select custom_field_id from {{ ref('stg_user_custom_field_values') }} where is_kept and value is not null
),

-- a field that is gone is a column only while a kept value has it
kept as (
    select
        custom_field_id,
        title,
        -- no identifier holds a NUL; and none begins with a blank, as inner names of the export do
        trim(both '{{ blanks() }}' from replace(title, chr(0), '')) as name,
        replace(custom_field_id, chr(0), '') as id_in_name,
        value_type,
        row_status = 'gone' as is_gone
    from {{ ref('stg_custom_fields') }}
    where
        is_kept
        and (row_status is distinct from 'gone' or custom_field_id in (select custom_field_id from kept_values))
),

fields as (
    select
        *,
        row_number() over (
            order by {{ alphabetical('title') }}, title, {{ id_order('custom_field_id') }}
        ) as field_position,
        count(*) over (partition by {{ lowered('name') }}) > 1
        or name = ''
        or {{ lowered('name') }} in ('{{ taken_names | join("', '") }}') as is_name_taken
    from kept
),

with_turns as (
    select
        *,
        row_number() over (order by field_position) as turn
    from fields
    where is_name_taken
),

-- each between two NULs, which no name holds
taken as (
    select
        chr(0)
        || concat_ws(chr(0), '{{ taken_names | join("', '") }}', string_agg({{ lowered('name') }}, chr(0)))
        || chr(0) as names
    from fields
    where not is_name_taken
),

-- one attempt a turn, at one field until it has a name: the first of title_id, title_id_2, title_id_3… that no column
-- has yet
named as (
    select
        cast(0 as bigint) as turn,
        cast(1 as bigint) as next_turn,
        cast(1 as bigint) as next_attempt,
        cast(null as string) as custom_field_id,
        cast(null as string) as column_name,
        names as taken_names
    from taken

    union all

    select
        turn,
        case when is_free then turn + 1 else turn end as next_turn,
        case when is_free then 1 else attempt + 1 end as next_attempt,
        custom_field_id,
        case when is_free then candidate end as column_name,
        taken_names || {{ lowered('candidate') }} || chr(0) as taken_names
    from (
        select
            turn,
            attempt,
            custom_field_id,
            candidate,
            taken_names,
            not contains(taken_names, chr(0) || {{ lowered('candidate') }} || chr(0)) as is_free
        from (
            select
                with_turns.turn,
                named.next_attempt as attempt,
                with_turns.custom_field_id,
                with_turns.name || '_' || with_turns.id_in_name
                || case when named.next_attempt > 1 then '_' || named.next_attempt else '' end as candidate,
                named.taken_names
            from named
            inner join with_turns on named.next_turn = with_turns.turn
        ) as tried
    ) as compared
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
    left join named on fields.custom_field_id = named.custom_field_id and named.column_name is not null
)

select * from final
