with cells as (
    select
        {{ delivered_cells('groups') }}
    from {{ source('raw', 'groups') }}
),

typed as (
    select
        *,
        {{ as_text('group_id') }} as group_id,
        {{ as_text('name') }} as name,
        {{ as_text('parent_group_id') }} as parent_group_id
    from cells
),

rejecting as (
    select
        *,
        {{ first_fault('groups') }} as fault
    from typed
),

-- a parent is known when it is itself a group that is kept
known_parents as (
    select distinct group_id as known_parent_group_id from rejecting where fault is null
),

judged as (
    select
        rejecting.*,
        known_parents.known_parent_group_id,
        {{ emptied_cells('groups', further=[
            ['unknown_group', 'parent_group_id', 'parent_group_id is not null and known_parent_group_id is null'],
        ]) }} as emptied_cells
    from rejecting
    left join known_parents on rejecting.parent_group_id = known_parents.known_parent_group_id
),

sorted_out as (
    select
        file,
        line,
        loaded_at,
        group_id,
        name as group_name,
        known_parent_group_id as parent_group_id,
        fault,
        emptied_cells,
        {{ fate(['group_id']) }} as fate
    from judged
),

final as (
    select
        *,
        fate = 'kept' as is_kept
    from sorted_out
)

select * from final
