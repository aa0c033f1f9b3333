{% test unique_in_any_case(model, column_name) %}
select
    {{ lowered(column_name) }} as name,
    count(*) as row_count
from {{ model }}
group by {{ lowered(column_name) }}
having count(*) > 1
{% endtest %}
