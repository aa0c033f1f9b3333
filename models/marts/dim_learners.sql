-- depends_on: {{ ref('dim_custom_fields') }}
{%- set fields = custom_field_columns() %}

with labels as (
    select
        user_id,
        {{ sorted_list('label', [alphabetical('label'), 'label']) }} as labels
    from {{ ref('stg_user_labels') }}
    where is_kept
    group by user_id
),

custom_fields as (
    select {{ custom_field_values(fields) }} user_id
    from {{ ref('bridge_learner_custom_fields') }}
    group by user_id
),

final as (
    select
        users.user_id,
        users.email,
        users.username,
        users.first_name,
        users.last_name,
        users.additional_information,
        users.status,
        users.deleted_at,
        users.status = 'deleted' or users.deleted_at is not null as is_deleted,
        users.language,
        users.employer,
        coalesce(labels.labels, {{ list_of([]) }}) as labels,
        users.row_status = 'gone' as is_gone,
        identified.person_id,
        identified.person_source,
        {{ all_but(['user_id'], of='custom_fields') }}
    from {{ ref('stg_users') }} as users
    inner join {{ ref('int_learners__identified') }} as identified on users.user_id = identified.user_id
    left join labels on users.user_id = labels.user_id
    left join custom_fields on users.user_id = custom_fields.user_id
    where users.is_kept
)

select * from final
