{# The pivot of a learner's custom fields: one column per field, under its column_name, a date field as a date. #}
{% macro custom_field_values(fields) -%}
    {%- for field in fields -%}
        max({{ 'value_date' if field.value_type == 'date' else 'value' }})
            filter (where custom_field_id = {{ quoted_text(field.custom_field_id) }})
            as {{ quoted_name(field.column_name) }},
        {% endfor -%}
{%- endmacro %}
