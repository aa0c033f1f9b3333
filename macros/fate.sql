{# What became of a row: rejected, duplicate (a later row has its key), kept, gone (kept, though no longer delivered),
   or past (an earlier delivery of what is delivered now, in no book). Only rows without a fault
   compete; of what is delivered now the last in the order of file and line wins, whenever it was loaded. #}
{% macro fate(key) -%}
    case
            when fault is not null then case when is_current then 'rejected' else 'past' end
            when
                row_number() over (
                    partition by {{ key | join(', ') }}, fault is null
                    order by
                        is_current desc, case when not is_current then last_load_number end desc, file desc, line desc
                ) > 1
                then case when is_current then 'duplicate' else 'past' end
            when is_current then 'kept'
            else 'gone'
        end
{%- endmacro %}
