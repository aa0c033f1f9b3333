-- One row per learner and label of the last line.
with
last_labels as (
    select
        user_id,
        arg_max(labels, recency) as labels
    from taken_stays
    group by user_id
),

parted as (
    select
        user_id,
        trim(unnest(string_split(labels, ', '))) as label
    from last_labels
)

select distinct
    user_id,
    label
from parted
where label <> ''
