{# One query a model: a test of its own for each column would cost a build more than its data do. #}
{% test expectations(
    model, not_null='', unique=[], where='true', unique_among=none, accepted_values={}, relationships={}
) %}
{%- for column in not_null.split(', ') if column %}
select
    'not_null: {{ column }}' as expectation,
    count(*) as broken
from {{ model }}
where {{ where }} and {{ column }} is null
having count(*) > 0
union all
{%- endfor %}
{%- for columns in ([unique] if unique is string else unique) %}
select
    'unique: {{ columns }}' as expectation,
    count(*) as broken
from (
    select {{ columns }}
    from {{ model }}
    where
        {{ where }}
        {%- if ',' not in columns %} and {{ columns }} is not null{% endif %}
        {%- if unique_among == 'affected_learners' %}
        and ({{ in_affected_learners() }} or (select have_snapshots_changed from {{ ref('stg_this_build') }}))
        {#- while dbt parses, too, so that it knows of the reference: it may parse in a full build #}
        {%- elif unique_among == 'rows_of_this_build' and (not execute or not flags.FULL_REFRESH) %}
        and {{ columns }} in (
            select {{ columns }}
            from {{ model }}
            where written_at = (select built_at from {{ ref('stg_this_build') }})
        )
        {%- endif %}
    group by {{ columns }}
    having count(*) > 1
)
having count(*) > 0
union all
{%- endfor %}
{%- for column, values in accepted_values.items() %}
select
    'accepted_values: {{ column }}' as expectation,
    count(*) as broken
from {{ model }}
where {{ column }} not in ('{{ values.split(', ') | join("', '") }}')
having count(*) > 0
union all
{%- endfor %}
{%- for column, parent in relationships.items() %}
select
    'relationships: {{ column }}' as expectation,
    count(*) as broken
from {{ model }} as child
where
    child.{{ column }} is not null
    and not exists (select 1 from {{ parent }} as parent where parent.{{ column }} = child.{{ column }})
having count(*) > 0
union all
{%- endfor %}
select
    '' as expectation,
    0 as broken
where false
{% endtest %}
