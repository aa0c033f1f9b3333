{# Lists and records within a column. #}


{# A list of expressions. #}
{% macro list_of(items) -%}
    {{ adapter.dispatch('list_of')(items) }}
{%- endmacro %}

{% macro default__list_of(items) -%}
    [{{ items | join(', ') }}]
{%- endmacro %}

{% macro spark__list_of(items) -%}
    array({{ items | join(', ') }})
{%- endmacro %}


{# A record: its fields by name, each an expression. #}
{% macro struct_of(fields) -%}
    {{ adapter.dispatch('struct_of')(fields) }}
{%- endmacro %}

{% macro default__struct_of(fields) -%}
    { {%- for name, value in fields.items() %}'{{ name }}': {{ value }}{{ ', ' if not loop.last }}{% endfor -%} }
{%- endmacro %}

{% macro spark__struct_of(fields) -%}
    named_struct(
        {%- for name, value in fields.items() %}'{{ name }}', {{ value }}{{ ', ' if not loop.last }}{% endfor -%}
    )
{%- endmacro %}


{# The values of some columns as one record: unlike a value alone, one that is null equals another that is null. #}
{% macro record_of(columns) -%}
    {%- set fields = {} -%}
    {%- for column in columns -%}
        {%- do fields.update({column: column}) -%}
    {%- endfor -%}
    {{ struct_of(fields) }}
{%- endmacro %}


{# The items of a list, each named item, for which a condition holds. #}
{% macro items_where(list, condition) -%}
    {{ adapter.dispatch('items_where')(list, condition) }}
{%- endmacro %}

{% macro default__items_where(list, condition) -%}
    list_filter({{ list }}, lambda item: {{ condition }})
{%- endmacro %}

{% macro spark__items_where(list, condition) -%}
    filter({{ list }}, item -> {{ condition }})
{%- endmacro %}


{# What is said of each item of a list, by the name item, as one text. #}
{% macro joined_items(list, text, separator) -%}
    {{ adapter.dispatch('joined_items')(list, text, separator) }}
{%- endmacro %}

{% macro default__joined_items(list, text, separator) -%}
    array_to_string(list_transform({{ list }}, lambda item: {{ text }}), '{{ separator }}')
{%- endmacro %}

{% macro spark__joined_items(list, text, separator) -%}
    concat_ws('{{ separator }}', transform({{ list }}, item -> {{ text }}))
{%- endmacro %}


{# The words of a list of which the condition holds, in the order given. #}
{% macro words_where(conditions) -%}
    {%- set words = [] -%}
    {%- for word, condition in conditions.items() -%}
        {%- do words.append('case when ' ~ condition ~ " then '" ~ word ~ "' end") -%}
    {%- endfor -%}
    {{ items_where(list_of(words), 'item is not null') }}
{%- endmacro %}


{# Aggregate: a value of each row, in the order of keys, each ascending and, if it can be null, with nulls last. #}
{% macro sorted_list(value, keys) -%}
    {{ adapter.dispatch('sorted_list')(value, keys) }}
{%- endmacro %}

{% macro default__sorted_list(value, keys) -%}
    list({{ value }} order by {{ keys | join(', ') }})
{%- endmacro %}

{% macro spark__sorted_list(value, keys) -%}
    {#- a null within a struct comes first -#}
    transform(
        array_sort(collect_list(struct(
            {% for key in keys -%}
                {{ key }} is null as no_key_{{ loop.index }}, {{ key }} as key_{{ loop.index }},
            {% endfor %}
            {{ value }} as value
        ))),
        row -> row.value
    )
{%- endmacro %}


{# A row for each item of a list, as the only such column of a select. #}
{% macro one_by_one(list) -%}
    {{ adapter.dispatch('one_by_one')(list) }}
{%- endmacro %}

{% macro default__one_by_one(list) -%}
    unnest({{ list }})
{%- endmacro %}

{% macro spark__one_by_one(list) -%}
    explode({{ list }})
{%- endmacro %}
