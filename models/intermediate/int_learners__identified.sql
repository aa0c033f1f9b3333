{{ config(
    materialized='incremental',
    incremental_strategy='all_rows',
    meta={'changes_where': 'person_id <> previous_person_id'}
) }}

-- what the accounts of one person have in common: the learner of identities.csv; without one, where the setting says
-- so, the e-mail in any case; else an account has nothing in common with another
with marked as (
    select
        users.user_id,
        case
            when identities.learner_number is not null then 'file'
            when {{ var('identities').by_email }} and users.email is not null then 'email'
            else 'account'
        end as kind,
        case kind
            when 'file' then cast(identities.learner_number as string)
            when 'email' then {{ lowered('users.email') }}
            else users.user_id
        end as mark
    from {{ ref('stg_users') }} as users
    left join {{ ref('stg_identities') }} as identities on users.user_id = identities.user_id
    where users.is_kept
),

-- a person has the id of the first account, which no other person can have
grouped as (
    select
        user_id,
        first_value(user_id) over (partition by kind, mark order by {{ id_order('user_id') }}) as person_id,
        kind = 'email' and count(*) over (partition by kind, mark) = 1 as has_email_alone,
        kind as person_source
    from marked
),

-- an account that the last build did not know was nobody else's
final as (
    select
        grouped.user_id,
        grouped.person_id,
        case when grouped.has_email_alone then 'account' else grouped.person_source end as person_source,
        coalesce(previous.person_id, grouped.user_id) as previous_person_id
    from grouped
    left join {{ this if is_incremental() else 'grouped' }} as previous on grouped.user_id = previous.user_id
)

select * from final
