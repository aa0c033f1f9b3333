-- One row per custom field that a file has as a column or had at an earlier pull. Days stay the text that they are.
select distinct
    custom_field_id,
    title
from (
    select
        custom_field_id,
        title
    from file_fields
    union all
    select
        unnest(field_ids) as custom_field_id,
        unnest(field_titles) as title
    from taken_stays
) as fields
where title <> ''
