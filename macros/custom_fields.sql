{# The columns that the platform's custom fields become. Their names and order stand in dim_custom_fields, once built:
   custom_field_columns reads them from there while dbt compiles, so that the columns of dim_learners follow the fields
   of the platform. #}


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


{% macro custom_field_values(fields) -%}
    {%- for field in fields -%}
        max({{ 'value_date' if field.value_type == 'date' else 'value' }})
            filter (where custom_field_id = {{ quoted_text(field.custom_field_id) }})
            as {{ quoted_name(field.column_name) }},
        {% endfor -%}
{%- endmacro %}


{% macro fixed_connection_columns() -%}
    {{ return([
        'connection_id', 'user_id', 'session_id', 'course_id', 'connected_at', 'disconnected_at', 'connected_on',
        'end_kind', 'evidence_level', 'modality', 'has_delivered_modality', 'proof_level', 'elapsed_seconds',
        'capped_seconds', 'overlap_seconds', 'retained_seconds', 'time_spent_minutes', 'is_overlapped_in_session',
        'is_overlapped_outside_session', 'is_overlapped_by_other_account', 'flags', 'session_name',
        'program_template_id', 'program_template_name', 'course_name', 'last_name', 'first_name', 'email', 'employer',
        'additional_information', 'labels',
    ]) }}
{%- endmacro %}


{% macro fixed_learner_columns() -%}
    {{ return([
        'user_id', 'email', 'username', 'first_name', 'last_name', 'additional_information', 'status', 'deleted_at',
        'is_deleted', 'language', 'employer', 'labels', 'is_gone', 'person_id', 'person_source',
    ]) }}
{%- endmacro %}


{% macro quoted_name(name) -%}
    {{ adapter.dispatch('quoted_name')(name) }}
{%- endmacro %}

{% macro default__quoted_name(name) -%}
    "{{ name | replace('"', '""') }}"
{%- endmacro %}

{% macro spark__quoted_name(name) -%}
    `{{ name | replace('`', '``') }}`
{%- endmacro %}


{% macro quoted_text(text) -%}
    {#- Spark reads a backslash as the beginning of an escape -#}
    '{{ text | replace("'", "''") | replace("\x00", "' || chr(0) || '") | replace("\\", "' || chr(92) || '") }}'
{%- endmacro %}
