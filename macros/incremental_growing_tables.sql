{# How a growing table is built incrementally.

   Its files pile up: a row once delivered counts until a later one has its key, or until it is withdrawn. A full build
   reads every file. An incremental one reads as little as gives the same result (T8), in four steps:

   1. new_and_retried_rows: the rows of files that no build has read yet, and those that the last build rejected for a
      reason that may have passed: what they point to may have been delivered since, and the future comes;
   2. with_same_key_rows, once these are validated: the rows of earlier builds that have the key of one of them, of a
      row whose file has new content, or of one that was withdrawn since. Which of them counts may have changed, so they
      are compared again;
   3. changed_rows, once they are deduplicated: only rows whose status is not what it was. int_learners__affected reads
      in them whose connections are to be computed again;
   4. get_incremental_changed_rows_sql, the model's incremental strategy, writes these over the rows they replace.

   A file whose content is replaced leaves its old rows as superseded versions: counted nowhere, and gone with the next
   build, but for candidates (is_candidate), which a later build may need. An incremental build has no other memory. #}


{% macro new_and_retried_rows(table_name) -%}
    select
        *
        {{- typed_columns(table_name) }}
    from (
        select
            {{ trimmed_cells(table_name) }},
            {{ no_rejection() }} as previous_rejection,
            cast(null as string) as previous_row_status,
            cast(null as boolean) as was_candidate
        from {{ source('raw', table_name) }}
        {%- if is_incremental() %}

        union all by name

        select
            previous.file_number,
            previous.file,
            previous.line,
            previous.loaded_at,
            files.last_load_number,
            files.is_current,
            unnest(previous.retry_cells[1]),
            previous.rejection as previous_rejection,
            previous.row_status as previous_row_status,
            previous.is_candidate as was_candidate
        from {{ this }} as previous
        inner join {{ ref('stg_raw_files') }} as files on previous.file_number = files.file_number and not files.is_read
        where
            previous.retry_cells is not null
            and (previous.row_status <> 'superseded_version' or previous.is_candidate)
        {%- endif %}
    )
{%- endmacro %}


{% macro with_same_key_rows(validated, table_name, key, further_keys=none) -%}
    {%- set key = key[0] if key | length == 1 else 'row(' ~ key | join(', ') ~ ')' -%}
    select * from {{ validated }}
    {%- if is_incremental() %}

    union all by name

    select
        previous.* exclude (row_status, is_kept, is_candidate, written_at),
        files.last_load_number,
        files.is_current,
        previous.rejection as previous_rejection,
        previous.row_status as previous_row_status,
        previous.is_candidate as was_candidate
    from {{ this }} as previous
    inner join {{ ref('stg_raw_files') }} as files on previous.file_number = files.file_number and not files.is_read
    where
        previous.rejection is null
        and (previous.row_status <> 'superseded_version' or previous.is_candidate)
        and {{ key }} in (
            select {{ key }} from {{ validated }} where rejection is null
            union all
            select {{ key }} from {{ this }}
            where
                rejection is null
                and row_status not in ('gone', 'superseded_version')
                and {{ is_in_a_replaced_file(table_name) }}
            {%- if further_keys %}
            union all
            {{ further_keys }}
            {%- endif %}
        )
    {%- endif %}
{%- endmacro %}


{% macro changed_rows(deduplicated, table_name) -%}
    select
        {{ all_but([
            'is_current', 'last_load_number', 'previous_rejection', 'previous_row_status', 'was_candidate',
        ]) }},
        row_status in ('kept', 'outside_session', 'gone') as is_kept,
        (select built_at from {{ source('raw', 'this_build') }}) as written_at
    from {{ deduplicated }}
    {#- while dbt parses, too, so that it knows of the reference #}
    {%- if is_incremental() or not execute %}
    where
        row_status is distinct from previous_row_status
        or rejection is distinct from previous_rejection
        or is_candidate is distinct from was_candidate

    union all by name

    select
        * replace (
            'superseded_version' as row_status,
            false as is_kept,
            false as is_candidate,
            (select built_at from {{ source('raw', 'this_build') }}) as written_at
        )
    from {{ this }}
    where row_status = 'rejected' and retry_cells is null and {{ is_in_a_replaced_file(table_name) }}
    {%- else %}
    where row_status <> 'superseded_version' or is_candidate
    {%- endif %}
{%- endmacro %}


{% macro is_in_a_replaced_file(table_name) -%}
    file_number not in (
        select file_number from {{ ref('stg_raw_files') }} where table_name = '{{ table_name }}' and is_current
    )
{%- endmacro %}


{# Where a table changes although no file of it did: it holds what the next build removes, or the clock lets in. #}
{% macro changes_without_delivery(table_name) -%}
    row_status = 'superseded_version' and not is_candidate
    {%- for name, column in var('raw_contract')[table_name].columns.items() if column.proves_presence %}
    or rejection.reason = 'in_the_future'
    and rejection.column_name = '{{ name }}'
    and {{ name }} <= (select clock_at + interval 5 minutes from raw.this_build)
    {%- endfor %}
{%- endmacro %}


{% macro get_incremental_changed_rows_sql(arg_dict) -%}
    delete from {{ arg_dict.target_relation }} as previous
    using {{ arg_dict.temp_relation }} as changed
    where previous.file_number = changed.file_number and previous.line = changed.line;

    delete from {{ arg_dict.target_relation }} where row_status = 'superseded_version' and not is_candidate;

    insert into {{ arg_dict.target_relation }} by name
    select * from {{ arg_dict.temp_relation }}
{%- endmacro %}
