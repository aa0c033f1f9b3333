{# The data show no problem of this kind; the failing rows are the problems, as the alerts tell them. #}
{% test no_problem(model, problem) %}
select *
from {{ model }}
where problem = '{{ problem }}'
{% endtest %}
