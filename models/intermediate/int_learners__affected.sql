{{ config(tags=['of_this_build']) }}
{%- set tables = var('raw_contract').items() | selectattr('1.delivery', 'equalto', 'growing') -%}
{%- set growing = tables | selectattr('1.columns.user_id', 'defined') | map(attribute=0) | list -%}

with this_build as (
    select built_at from {{ ref('stg_this_build') }}
),

-- one set operation, so that who is in several tables is there once
with_rows as (
    {%- for table_name in growing %}
    select user_id
    from {{ ref('stg_' ~ table_name) }}
    where written_at = (select built_at from this_build) and user_id is not null
    {%- if not loop.last %}
    union
    {%- endif %}
    {%- endfor %}
),

learners as (
    select * from {{ ref('int_learners__identified') }}
),

-- T5 counts over all accounts of a person: whoever has new rows, and whoever gained or lost an account
persons as (
    select learners.person_id
    from learners
    inner join with_rows on learners.user_id = with_rows.user_id
    union
    select person_id from learners where person_id <> previous_person_id
    union
    select previous_person_id as person_id from learners where person_id <> previous_person_id
),

final as (
    select user_id from with_rows
    union
    select learners.user_id
    from learners
    inner join persons on learners.person_id = persons.person_id
)

select * from final
