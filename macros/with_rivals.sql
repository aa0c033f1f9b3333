{# The judged rows of a growing table and their rivals: rows judged by an earlier build that have the key of one of
   them, or of a row whose file has new content. Which of them wins may have changed. #}
{% macro with_rivals(table_name, key) -%}
    {%- set key = key[0] if key | length == 1 else 'row(' ~ key | join(', ') ~ ')' -%}
    select * from judged
    {%- if is_incremental() %}

    union all by name

    select
        * exclude (fate, is_kept, written_at),
        fault as earlier_fault,
        fate as earlier_fate
    from {{ this }}
    where
        fault is null
        and {{ still_delivered(table_name) }}
        and {{ key }} in (
            select {{ key }} from judged where fault is null
            union all
            select {{ key }} from {{ this }} where fault is null and not {{ still_delivered(table_name) }}
        )
    {%- endif %}
{%- endmacro %}
