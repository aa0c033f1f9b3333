{# The reasons in the order in which they are looked for; the seed reject_reasons says what each means. #}
{% macro reject_reasons() -%}
    {{ return([
        'malformed_line', 'missing_value', 'bad_type', 'not_in_list', 'unknown_user', 'unknown_session',
        'unknown_course', 'unknown_custom_field', 'unknown_group', 'unknown_program_template', 'unknown_assessment',
        'ends_before_it_starts', 'in_the_future', 'before_2000',
    ]) }}
{%- endmacro %}
