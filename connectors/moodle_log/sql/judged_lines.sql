-- One row per line of a log: why it is left out, where it does not show the learner; null where it does.
select
    typed_lines.*,
    people.email,
    case
        when typed_lines.local_at is null then 'unreadable_time'
        when coalesce(try_cast(typed_lines.moodle_id as bigint), 0) <= 0 then 'no_user'
        when typed_lines.origin not in ('web', 'ws') then 'not_a_person'
        when typed_lines.is_set_by_hand then 'not_the_learner'
        when people.email is null or people.email not in (select participants.email from participants)
            then 'not_a_participant'
        when people.name is null or people.name <> name_key(typed_lines.actor) then 'under_another_name'
    end as reason
from typed_lines
left join people using (moodle_id)
