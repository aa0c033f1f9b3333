{# What became of a row: rejected, duplicate (a later row has its key), kept, gone (kept, though no longer delivered),
   or past (an earlier delivery of what is delivered now, in no book). Only rows without a fault compete. #}
{% macro fate(key) -%}
    case
            when fault is not null then case when is_current then 'rejected' else 'past' end
            when
                row_number() over (
                    partition by {{ key | join(', ') }}, fault is null
                    order by last_load_number desc, file desc, line desc
                ) > 1
                then case when is_current then 'duplicate' else 'past' end
            when is_current then 'kept'
            else 'gone'
        end
{%- endmacro %}
