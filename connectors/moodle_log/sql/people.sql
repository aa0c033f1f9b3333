-- One row per Moodle id that acts in the logs or did so before: the name it acts under, and the e-mail address of the
-- one participant of this name. Where two ids or two participants bear it, nobody is chosen.
with
names as (
    select
        email,
        name_key(first_name || ' ' || last_name) as name
    from participants
    union
    select
        email,
        name_key(last_name || ' ' || first_name) as name
    from participants
),

acting as (
    select
        moodle_id,
        name_key(actor) as name,
        count_if(affected in ('', '-')) as lone_count,
        count(*) as line_count
    from typed_lines
    where try_cast(moodle_id as bigint) > 0 and origin in ('web', 'ws') and not is_set_by_hand
    group by moodle_id, name_key(actor)
),

-- An administrator who is logged in as a learner bears both names.
own_names as (
    select
        acting.*,
        acting.name in (select names.name from names) as is_participant
    from acting
    where
        acting.name in (select names.name from names)
        or not exists (
            select 1
            from names
            where ends_with(acting.name, ' ' || names.name) or starts_with(acting.name, names.name || ' ')
        )
),

named as (
    select *
    from own_names
    qualify row_number() over (partition by moodle_id order by is_participant desc, lone_count desc, line_count desc, name) = 1
),

bearers as (
    select
        name,
        count(*) as id_count
    from named
    group by name
),

candidates as (
    select
        name,
        min(email) as email,
        count(distinct email) as email_count,
        string_agg(distinct email, ', ' order by email) as emails
    from names
    group by name
)

select
    moodle_id,
    named.name,
    coalesce(
        known_users.email,
        remembered_people.email,
        case
            when
                candidates.email_count = 1
                and bearers.id_count = 1
                and candidates.email not in (select remembered_people.email from remembered_people)
                and candidates.email not in (select known_users.email from known_users)
                then candidates.email
        end
    ) as email,
    candidates.emails as candidates
from named
full outer join remembered_people using (moodle_id)
full outer join known_users using (moodle_id)
left join bearers using (name)
left join candidates using (name)
