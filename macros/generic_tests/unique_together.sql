{# No two rows have the same values in all of these columns; empty values are values like any other. Of what is made
   learner by learner, a build that goes on looks at what it made anew. #}
{% test unique_together(model, columns, is_made_by_learner=false) %}
select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
{%- if is_made_by_learner %}
where {{ when_touched() }} or (select have_snapshots_changed from {{ ref('stg_this_build') }})
{%- endif %}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
