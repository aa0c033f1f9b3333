{{ config(materialized='incremental', incremental_strategy='all_rows') }}

with typed as (
    {{ delivered_rows('groups') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        group_id,
        name as group_name,
        parent_group_id as delivered_parent_group_id,
        {{ validation_columns('groups') }},
        is_current
    from typed
    {{ union_previous_rows(columns_of_this_build=['row_status', 'is_kept', 'parent_group_id', 'nulled_cells']) }}
),

-- a parent is known when it is itself a group that is kept
known_parents as (
    select distinct group_id as known_parent_group_id from validated where rejection is null
),

deduplicated as (
    select
        {{ all_but(['nulled_cells', 'is_current'], of='validated') }},
        known_parents.known_parent_group_id as parent_group_id,
        case
            when validated.delivered_parent_group_id is null or known_parents.known_parent_group_id is not null
                then coalesce(validated.nulled_cells, {{ list_of([]) }})
            else {{ list_of([
                rejection('unknown_group', 'parent_group_id', of='validated.delivered_parent_group_id')
            ]) }}
        end as nulled_cells,
        {{ row_status(['group_id'], compared=['group_name', 'delivered_parent_group_id']) }} as row_status
    from validated
    left join known_parents on validated.delivered_parent_group_id = known_parents.known_parent_group_id
),

final as (
    select
        *,
        row_status in ('kept', 'gone') as is_kept
    from deduplicated
    where row_status <> 'superseded_version'
)

select * from final
