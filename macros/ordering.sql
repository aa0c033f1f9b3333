{# The orders that the rules name: of names and of ids. #}


{% macro alphabetical(column) -%}
    lower(strip_accents({{ column }}))
{%- endmacro %}


{% macro id_order(column) -%}
    length({{ column }}), {{ column }}
{%- endmacro %}
