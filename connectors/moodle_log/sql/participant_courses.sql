-- One row per list of participants: its course. Moodle names the download after the number of the course, which stands
-- in the log wherever somebody opened it; else the setting says the course, or there is but one.
with
course_numbers as (
    select
        course_id,
        mode(number) as course_number
    from (
        select
            course_id,
            nullif(regexp_extract(description, 'viewed the course with id ''(\d+)''', 1), '') as number
        from typed_lines
    ) as numbers
    where number is not null
    group by course_id
),

only_course as (
    select min(course_id) as course_id
    from files
    having count(distinct course_id) = 1
)

select
    participant_files.file,
    coalesce(
        participant_files.set_course,
        if(count(distinct course_numbers.course_id) = 1, min(course_numbers.course_id), null),
        (select only_course.course_id from only_course)
    ) as course_id
from participant_files
left join course_numbers using (course_number)
group by participant_files.file, participant_files.set_course
