{# What DuckDB and Spark write differently and no other file of macros has for its concept.

   A model holds only what both engines read. What they write differently is a macro that asks adapter.dispatch, with
   the form of DuckDB (default__) and that of Spark (spark__) beneath; no model asks which engine it is for. Branches
   of incremental builds are DuckDB's alone: Spark always builds in full (decision 190). #}


{# All columns but some, of one relation or of all. #}
{% macro all_but(columns, of=none) -%}
    {{ adapter.dispatch('all_but')(columns, of) }}
{%- endmacro %}

{% macro default__all_but(columns, of) -%}
    {{ of ~ '.' if of }}* exclude ({{ columns | join(', ') }})
{%- endmacro %}

{% macro spark__all_but(columns, of) -%}
    {{ of ~ '.' if of }}* except ({{ columns | join(', ') }})
{%- endmacro %}


{# Of a CTE that is read twice: computed twice, as that is cheaper than to keep it. #}
{% macro not_materialized() -%}
    {{ adapter.dispatch('not_materialized')() }}
{%- endmacro %}

{% macro default__not_materialized() -%}
    not materialized
{%- endmacro %}

{% macro spark__not_materialized() -%}
{%- endmacro %}


{# Of a join that finds the last row before: where the rest of the query leaves at most one such row, a join as any. #}
{% macro asof() -%}
    {{ adapter.dispatch('asof')() }}
{%- endmacro %}

{% macro default__asof() -%}
    asof
{%- endmacro %}

{% macro spark__asof() -%}
{%- endmacro %}


{# Integer division of numbers that are not negative; null by zero. #}
{% macro whole_quotient(dividend, divisor) -%}
    {{ adapter.dispatch('whole_quotient')(dividend, divisor) }}
{%- endmacro %}

{% macro default__whole_quotient(dividend, divisor) -%}
    (({{ dividend }}) // ({{ divisor }}))
{%- endmacro %}

{% macro spark__whole_quotient(dividend, divisor) -%}
    (({{ dividend }}) div nullif({{ divisor }}, 0))
{%- endmacro %}


{# Aggregate: the exact mean of percentages, cut to six decimals, so that rounding half up to one decimal
   stays right. #}
{% macro mean_pct(pct) -%}
    {%- set millionths = 'sum(cast(' ~ pct ~ ' * 1000000 as bigint))' -%}
    cast({{ whole_quotient(millionths, 'count(' ~ pct ~ ')') }} / 1000000 as decimal(9, 6))
{%- endmacro %}
