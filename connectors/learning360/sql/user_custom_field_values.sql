-- One row per learner and custom field that has a value in the last line that has its column: an export may leave columns
-- out, and a cell that is blank now was emptied.
with
cells as (
    select
        user_id,
        recency,
        unnest(field_ids) as custom_field_id,
        unnest(field_titles) as title,
        unnest(field_cells) as value
    from taken_stays
),

last_values as (
    select
        user_id,
        custom_field_id,
        arg_max(value, recency) as value
    from cells
    where title <> ''
    group by user_id, custom_field_id
)

select *
from last_values
where value <> ''
