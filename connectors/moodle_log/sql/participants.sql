-- One row per course and e-mail address of its participants, as last downloaded; whoever was a participant once stays.
with
together as (
    select
        participant_courses.course_id,
        lower(participant_lines.email) as email,
        participant_lines.first_name,
        participant_lines.last_name,
        participant_lines.file
    from participant_lines
    inner join participant_courses using (file)
    where participant_lines.email <> ''
    union all
    select
        course_id,
        email,
        first_name,
        last_name,
        '' as file
    from remembered_participants
)

select *
from together
qualify row_number() over (partition by course_id, email order by file desc) = 1
