-- One row per column of a custom field in a file. Two columns of one heading are two fields, by their order.
with
titled as (
    select
        file,
        position,
        without_apostrophe(heading) as title
    from field_headings
),

numbered as (
    select
        *,
        row_number() over (partition by file, title order by position) as occurrence
    from titled
)

select
    file,
    position,
    title,
    'field-' || left(sha256(title), 16) || if(occurrence > 1, '-' || occurrence, '') as custom_field_id
from numbered
