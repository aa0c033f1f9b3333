{# The orders that the rules name: of names and of ids. #}


{% macro alphabetical(column) -%}
    {{ lowered(without_accents(column)) }}
{%- endmacro %}


{% macro without_accents(column) -%}
    {{ adapter.dispatch('without_accents')(column) }}
{%- endmacro %}

{% macro default__without_accents(column) -%}
    strip_accents({{ column }})
{%- endmacro %}

{% macro spark__without_accents(column) -%}
    {%- set letters, plain, marks = letters_with_accents() -%}
    translate({{ column }}, '{{ letters }}{{ marks }}', '{{ plain }}')
{%- endmacro %}


{% macro id_order(column) -%}
    length({{ column }}), {{ column }}
{%- endmacro %}
