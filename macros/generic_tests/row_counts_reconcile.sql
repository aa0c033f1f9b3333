{% test row_counts_reconcile(model) %}
select *
from {{ model }}
where delivered <> kept + duplicate + rejected + coalesce(withdrawn, 0) + coalesce(outside_session, 0)
{% endtest %}
