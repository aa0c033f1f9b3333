-- One row per activity and what it is here (a course, an assessment), with the name that was told last.
with
together as (
    select
        'course' as kind,
        course_id as activity_id,
        name_in(course_names, getvariable('language')) as name,
        occurred_at as told_at
    from (
        select
            course_id,
            arg_max(course_names, occurred_at) as course_names,
            max(occurred_at) as occurred_at
        from shown_statements
        group by course_id
    ) as courses_of_statements
    union all
    select
        'assessment' as kind,
        object_id as activity_id,
        name_in(arg_max(object_names, occurred_at), getvariable('language')) as name,
        max(occurred_at) as told_at
    from shown_statements
    where statement_id in (select all_results.result_id from all_results)
    group by object_id
    union all by name
    select *
    from remembered_activities
)

select
    kind,
    activity_id,
    arg_max(name, told_at) as name,
    max(told_at) as told_at
from together
group by kind, activity_id
