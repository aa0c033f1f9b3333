{# The columns that custom fields have in fct_opco_connections, in the export's order: custom_field_id, column_name,
   value_type of each. Read from the built table, so that the columns of the fact follow the platform's fields. #}
{% macro custom_field_columns() -%}
    {%- set fields = [] -%}
    {%- if execute -%}
        {%- set relation = load_relation(ref('dim_custom_fields')) -%}
        {%- if relation is not none -%}
            {%- for row in run_query(
                'select custom_field_id, column_name, value_type from ' ~ relation ~ ' order by field_position'
            ).rows -%}
                {%- do fields.append({'custom_field_id': row[0], 'column_name': row[1], 'value_type': row[2]}) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endif -%}
    {{ return(fields) }}
{%- endmacro %}
