{# How a snapshot table is built incrementally.

   Each delivery of a snapshot table replaces the last, but what the platform no longer delivers stays as it was last
   delivered, so that proof outlives the platform's memory. A full build reads every version of every file; an
   incremental one reads what was delivered since the last build, takes over what that build kept, and writes all rows
   again (get_incremental_all_rows_sql): the tables are small. They come in three sorts:

   - rows that stand for themselves: delivered_rows, and, once these are validated, union_previous_rows;
   - rows that point to others (enrollments, program_sessions), which a later build may accept:
     delivered_and_retried_rows takes in the rows that the last build rejected, too;
   - rows that belong to somebody or something (labels, custom field values, group members, instructors, steps): with
     an owner who is absent, the rows of the last delivery that had him are carried over
     (delivered_and_carried_over_rows), and on the same key the earlier value wins (row_status_of_carried_over). #}


{% macro delivered_rows(table_name) -%}
    select
        *
        {{- typed_columns(table_name) }}
    from (
        select
            {{ trimmed_cells(table_name) }}
        from {{ source('raw', table_name) }}
    )
{%- endmacro %}


{% macro delivered_and_retried_rows(table_name) -%}
    select
        *
        {{- typed_columns(table_name) }}
    from (
        select
            {{ trimmed_cells(table_name) }}
        from {{ source('raw', table_name) }}
        {#- while dbt parses, too, so that it knows of the reference #}
        {%- if is_incremental() or not execute %}

        union all by name

        select
            file_number,
            file,
            line,
            loaded_at,
            last_load_number,
            false as is_current,
            unnest(retry_cells[1])
        from {{ this }}
        where
            retry_cells is not null
            and file_number not in (
                select file_number from {{ ref('stg_raw_files') }} where table_name = '{{ table_name }}' and is_read
            )
        {%- endif %}
    )
{%- endmacro %}


{% macro delivered_and_carried_over_rows(table_name, owner, absent_owners) -%}
    select
        typed.*,
        deliveries.file_number is not null as is_carried_over
    from (
        {{ delivered_and_retried_rows(table_name) }}
    ) as typed
    left join {{ absent_owners }} as absent on typed.{{ owner }} = absent.owner_id
    left join {{ ref('stg_raw_deliveries') }} as deliveries
        on
            typed.file_number = deliveries.file_number
            and absent.load_number between deliveries.first_load_number and deliveries.last_load_number
    where typed.is_current or deliveries.file_number is not null
{%- endmacro %}


{% macro row_status_of_carried_over(key, compared) -%}
    {%- set carried_over_first -%}
        partition by {{ key | join(', ') }}, rejection is null
        order by is_carried_over desc, file desc, line desc
    {%- endset -%}
    {%- set has_first_value -%}
        {{ record_of(compared) }} = first_value({{ record_of(compared) }}) over ({{ carried_over_first }})
    {%- endset -%}
    case
            when rejection is not null then case when is_current then 'rejected' else 'superseded_version' end
            when
                {{ has_first_value }}
                and row_number() over (
                    partition by {{ (key + compared) | join(', ') }}, rejection is null
                    order by is_current desc, file desc, line desc
                ) = 1
                then case when is_current then 'kept' else 'gone' end
            when not is_current then 'superseded_version'
            {#- to differ from an earlier value is no conflict #}
            when not {{ has_first_value }} and first_value(is_current) over ({{ carried_over_first }})
                then 'conflicting'
            else 'duplicate'
        end
{%- endmacro %}


{% macro union_previous_rows(columns_of_this_build=['row_status', 'is_kept']) -%}
    {%- if is_incremental() -%}
    union all by name

    select
        * exclude ({{ columns_of_this_build | join(', ') }}),
        false as is_current
    from {{ this }}
    where is_kept
    {%- endif -%}
{%- endmacro %}


{% macro get_incremental_all_rows_sql(arg_dict) -%}
    delete from {{ arg_dict.target_relation }};

    insert into {{ arg_dict.target_relation }} by name
    select * from {{ arg_dict.temp_relation }}
{%- endmacro %}
