{%- set tables = var('raw_contract').items() | selectattr('1.delivery', 'equalto', 'growing') -%}
{%- set growing = tables | selectattr('1.columns.user_id', 'defined') | map(attribute=0) | list -%}

with this_build as (
    select built_at from {{ ref('stg_this_build') }}
),

-- one set operation, so that who is in several tables is there once
final as (
    {%- for table_name in growing %}
    select user_id
    from {{ ref('stg_' ~ table_name) }}
    where written_at = (select built_at from this_build) and user_id is not null
    {%- if not loop.last %}
    union
    {%- endif %}
    {%- endfor %}
)

select * from final
