{# What a growing table's staging writes: in a full build all rows; else those whose verdict is new, and, once more, as
   past, those of files with new content, so that their learners are made anew. #}
{% macro changed_rows(table_name) -%}
    {#- while dbt parses, too, so that it knows of the reference -#}
    {%- if is_incremental() or not execute -%}
    where sorted_out.fate is distinct from sorted_out.earlier_fate
        or sorted_out.fault is distinct from sorted_out.earlier_fault

    union all by name

    select
        * replace (
            'past' as fate, false as is_kept, null as waiting_cells, (select built_at from this_build) as written_at
        )
    from {{ this }}
    where not {{ still_delivered(table_name) }} and fate <> 'past'
    {%- endif -%}
{%- endmacro %}
