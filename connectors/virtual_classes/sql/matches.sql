-- One row per participant of the reports, by address and name as written: the one user with the address, in any case;
-- else the one whom the aliases name. Nobody is matched by a name alone.
with
participants as (
    select distinct
        email,
        name
    from typed_attendances
),

by_email as (
    select
        lower(email) as email,
        min(user_id) as user_id,
        count(distinct user_id) as user_count
    from users
    where email <> ''
    group by lower(email)
),

of_aliases as (
    select
        name_key(aliases.participant) as participant,
        min(coalesce(by_id.user_id, by_email.user_id)) as user_id
    from aliases
    left join by_email on lower(aliases.user) = by_email.email and by_email.user_count = 1
    left join users as by_id on aliases.user = by_id.user_id
    group by name_key(aliases.participant)
    having count(distinct coalesce(by_id.user_id, by_email.user_id)) = 1
),

alike as (
    select
        participants.email,
        participants.name,
        users.first_name || ' ' || users.last_name || ' <' || users.email || '>' as candidate,
        greatest(
            jaro_winkler_similarity(
                strip_accents(name_key(participants.name)),
                strip_accents(name_key(users.first_name || ' ' || users.last_name))
            ),
            jaro_winkler_similarity(
                strip_accents(name_key(participants.name)),
                strip_accents(name_key(users.last_name || ' ' || users.first_name))
            )
        ) as similarity
    from participants
    cross join users
    where participants.name <> '' and participants.email not in (select by_email.email from by_email)
    qualify
        row_number() over (
            partition by participants.email, participants.name order by similarity desc, candidate
        ) <= 3
        and similarity >= 0.85
),

candidates as (
    select
        email,
        name,
        string_agg(candidate, ', ' order by similarity desc, candidate) as candidates
    from alike
    group by email, name
)

select
    participants.email,
    participants.name,
    case
        when by_email.user_count = 1 then by_email.user_id
        else coalesce(aliases_of_email.user_id, aliases_of_name.user_id)
    end as user_id,
    coalesce(by_email.user_count, 0) > 1 as has_several,
    candidates.candidates
from participants
left join by_email on participants.email = by_email.email
left join of_aliases as aliases_of_email on participants.email <> '' and participants.email = aliases_of_email.participant
left join of_aliases as aliases_of_name on name_key(participants.name) = aliases_of_name.participant
left join candidates on participants.email = candidates.email and participants.name = candidates.name
