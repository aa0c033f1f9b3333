{# No two kept rows have this value. A build that goes on from the last one looks at the values that it wrote. #}
{% test unique_among_kept(model, column_name) %}
select
    {{ column_name }},
    count(*) as row_count
from {{ model }}
where
    is_kept
    {#- while dbt parses, too, so that it knows of the reference: it may parse in a full build #}
    {%- if not execute or not flags.FULL_REFRESH %}
    and {{ column_name }} in (
        select {{ column_name }}
        from {{ model }}
        where written_at = (select built_at from {{ ref('stg_this_build') }})
    )
    {%- endif %}
group by {{ column_name }}
having count(*) > 1
{% endtest %}
