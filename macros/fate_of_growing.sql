{# What became of a row of a growing table: rejected, duplicate (a later row has its key), or kept. Only rows without a
   fault compete; the last in the order of file and line wins, whenever it was loaded. #}
{% macro fate_of_growing(key) -%}
    case
            when fault is not null then 'rejected'
            when
                row_number() over (partition by {{ key | join(', ') }}, fault is null order by file desc, line desc) > 1
                then 'duplicate'
            else 'kept'
        end
{%- endmacro %}
