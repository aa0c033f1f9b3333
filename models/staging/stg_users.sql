{{ config(materialized='incremental', incremental_strategy='all_rows') }}
{%- set identifying = ['email', 'username', 'first_name', 'last_name', 'additional_information', 'employer'] %}

with typed as (
    {{ delivered_rows('users') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        user_id,
        email,
        username,
        first_name,
        last_name,
        additional_information,
        coalesce(status, 'active') as status,
        deleted_at,
        language,
        employer,
        {{ validation_columns('users') }},
        is_current
    from typed
),

-- at the last of the loads that delivered the same files of users, each user as he was delivered then
deliveries as (
    select * from {{ ref('stg_raw_deliveries') }} where table_name = 'users'
),

loads as (
    select distinct last_load_number as load_number
    from deliveries
    {#- while dbt parses, too, so that it knows of the reference #}
    {%- if is_incremental() or not execute %}
    where last_load_number > (select earlier_load_number from {{ ref('stg_this_build') }})
    {%- endif %}
),

delivered_by_load as (
    select
        {{ all_but(['last_load_number'], of='validated') }},
        loads.load_number as last_load_number,
        row_number() over (
            partition by validated.user_id, loads.load_number order by validated.file desc, validated.line desc
        ) = 1 as is_delivered_row
    from validated
    inner join deliveries on validated.file_number = deliveries.file_number
    inner join loads on loads.load_number between deliveries.first_load_number and deliveries.last_load_number
    where validated.rejection is null
),

present as (
    select
        user_id,
        last_load_number as last_present_load_number,
        file_number as last_present_file_number,
        email,
        username,
        first_name,
        last_name,
        additional_information,
        employer
    from delivered_by_load
    where is_delivered_row and status <> 'deleted' and deleted_at is null
    {%- if is_incremental() %}

    union all by name

    select
        user_id,
        last_present_load_number,
        last_present_file_number,
        email,
        username,
        first_name,
        last_name,
        additional_information,
        employer
    from {{ this }}
    where is_kept and last_present_load_number is not null
    {%- endif %}
),

-- as he was delivered last while he was neither gone nor deleted
last_present as (
    select * from present
    qualify row_number() over (partition by user_id order by last_present_load_number desc) = 1
),

with_previous_rows as (
    select * from validated
    {{ union_previous_rows(columns_of_this_build=[
        'row_status', 'is_kept', 'is_deleted', 'last_present_load_number', 'last_present_file_number',
    ]) }}
),

deduplicated as (
    select
        {{ all_but(['is_current']) }},
        status = 'deleted' or deleted_at is not null as is_deleted,
        {{ row_status(['user_id'], compared=[
            'email', 'username', 'first_name', 'last_name', 'additional_information', 'status', 'deleted_at',
            'language', 'employer',
        ]) }} as row_status
    from with_previous_rows
),

-- what tells who a deleted user was stays as it was last delivered while he was not
final as (
    select
        {{ all_but(identifying, of='deduplicated') }},
        {%- for column in identifying %}
        case
            when deduplicated.is_deleted and last_present.user_id is not null then last_present.{{ column }}
            else deduplicated.{{ column }}
        end as {{ column }},
        {%- endfor %}
        last_present.last_present_load_number,
        last_present.last_present_file_number,
        deduplicated.row_status in ('kept', 'gone') as is_kept
    from deduplicated
    left join last_present on deduplicated.user_id = last_present.user_id and deduplicated.rejection is null
    where deduplicated.row_status <> 'superseded_version'
)

select * from final
