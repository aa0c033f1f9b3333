{# Nothing is dropped in silence: every delivered record is kept, a duplicate, rejected, or outside any session. #}
{% test books_balance(model) %}
select *
from {{ model }}
where delivered <> kept + duplicate + rejected + coalesce(outside_session, 0)
{% endtest %}
