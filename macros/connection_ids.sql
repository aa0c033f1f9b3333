{# T4: the id of a connection that was delivered without one, from its learner, session, course and beginning. #}


{% macro made_connection_id() -%}
    {{ adapter.dispatch('made_connection_id')() }}
{%- endmacro %}

{% macro default__made_connection_id() -%}
    left(
        sha256(cast(
            to_json([user_id, session_id, course_id, strftime(connected_at, '%Y-%m-%dT%H:%M:%S.%fZ')]) as varchar
        )),
        32
    )
{%- endmacro %}

{% macro spark__made_connection_id() -%}
    left(
        sha2(
            to_json(array(
                user_id, session_id, course_id, date_format(connected_at, 'yyyy-MM-dd''T''HH:mm:ss.SSSSSS''Z''')
            )),
            256
        ),
        32
    )
{%- endmacro %}
