{# Whether a staged row of a growing table stands in a file as it is delivered now, not in an earlier version of it. #}
{% macro still_delivered(table_name) -%}
    file_number in (
        select file_number from {{ ref('stg_raw_files') }} where table_name = '{{ table_name }}' and is_current
    )
{%- endmacro %}
