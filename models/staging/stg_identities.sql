with final as (
    select
        user_id,
        learner_number
    from {{ source('raw', 'identities') }}
)

select * from final
