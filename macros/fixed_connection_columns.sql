{# The columns that fct_opco_connections has on every platform; a custom field's column takes another name. #}
{% macro fixed_connection_columns() -%}
    {{ return([
        'connection_id', 'user_id', 'session_id', 'course_id', 'connected_at', 'disconnected_at', 'connected_on',
        'end_kind', 'evidence_level', 'elapsed_seconds', 'capped_seconds', 'overlap_seconds', 'retained_seconds',
        'time_spent_minutes', 'is_overlapped_in_session', 'is_overlapped_outside_session', 'flags', 'session_name',
        'program_template_id', 'program_template_name', 'course_name', 'last_name', 'first_name', 'email', 'employer',
        'additional_information', 'labels',
    ]) }}
{%- endmacro %}
