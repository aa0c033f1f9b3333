{{ config(tags=['of_this_build']) }}

with final as (
    select
        build_id,
        clock_at,
        built_at,
        data_as_of,
        load_number,
        opco_version,
        rules_edition,
        duckdb_version,
        earlier_load_number,
        have_snapshots_changed
    from {{ source('raw', 'this_build') }}
)

select * from final
