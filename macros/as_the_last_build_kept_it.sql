{# For a snapshot table whose rows outlive their delivery: a build that goes on reads only what was delivered since the
   last one, which holds every key as it was last delivered before. #}
{% macro as_the_last_build_kept_it() -%}
    {%- if is_incremental() -%}
    union all by name

    select
        * exclude (fate, is_kept),
        false as is_current,
        0 as last_load_number
    from {{ this }}
    where is_kept
    {%- endif -%}
{%- endmacro %}
