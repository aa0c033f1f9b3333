-- One row per session, with the names that were told last. What the LMS says of a session,
-- such as `satisfied`, counts here: it alone may name the course. The template is the first that was told, as courses go
-- before other activities.
with
together as (
    select
        session_id,
        arg_max(name_in(session_names, getvariable('language')), occurred_at) as name,
        template_id,
        arg_max(name_in(template_names, getvariable('language')), occurred_at) as template_name,
        min(template_rank) as template_rank,
        min(first_occurred_at) as first_told_at,
        max(occurred_at) as told_at,
        bool_or(is_seen) as is_seen
    from (
        select
            session_id,
            template_id,
            template_rank,
            arg_max(session_names, occurred_at) as session_names,
            arg_max(template_names, occurred_at) as template_names,
            min(occurred_at) as first_occurred_at,
            max(occurred_at) as occurred_at,
            bool_or(reason is null) as is_seen
        from judged_statements
        where
            session_id is not null
            and occurred_at is not null
            and (reason is null or reason = 'not_the_learner')
        group by session_id, template_id, template_rank
    ) as sessions_of_statements
    group by session_id, template_id
    union all by name
    select *
    from remembered_sessions
)

select
    session_id,
    arg_max(name, (name is not null, -template_rank, told_at)) as name,
    arg_min(template_id, (template_id is null, template_rank, first_told_at, template_id)) as template_id,
    arg_min(template_name, (template_id is null, template_rank, first_told_at, template_id)) as template_name,
    min(template_rank) as template_rank,
    min(first_told_at) as first_told_at,
    max(told_at) as told_at,
    bool_or(is_seen) as is_seen
from together
group by session_id
