-- A published warehouse of `sessions` sessions, `learners` learners and `connections` connections (variables), shaped as
-- the demo's, which is attached as `demo`. Everything comes from hashes of numbers. In a real build the days, steps
-- and sessions of a learner stand together, and connections among those of some thirty others: so do these.
create table dim_learners as from demo.dim_learners limit 0;
insert into dim_learners by name
select
    'u-' || n as user_id,
    'learner' || n || '@exemple.fr' as email,
    ['Anne', 'Lucas', 'Inès', 'Hugo', 'Zoé', 'Paul', 'Lina', 'Éric'][1 + (hash(n) % 8)::int] as first_name,
    ['Martin', 'Bernard', 'Dubois', 'Thomas', 'Robert', 'Petit', 'Leroy', 'Moreau'][1 + (hash(n + 7) % 8)::int] || ' ' || n
        as last_name,
    'active' as status, false as is_deleted, [] as labels, false as is_gone, user_id as person_id
from range(getvariable('learners')) as r (n);

create table dim_program_sessions as from demo.dim_program_sessions limit 0;
insert into dim_program_sessions by name
select
    'S-' || n as session_id,
    ['Manager à distance', 'Tableur', 'Cybersécurité', 'Anglais', 'Écrire pour être lu'][1 + n % 5] || ', groupe ' || n
        as session_name,
    -- the last ones begin in some weeks
    date_trunc('day', now()::timestamp) + interval 8 hours - to_days((hash(n) % 700)::integer - 20) as starts_at,
    starts_at + to_days(60 + (hash(n * 3) % 60)::integer) as ends_at,
    'T-' || n % 5 as program_template_id,
    ['Manager à distance', 'Tableur', 'Cybersécurité', 'Anglais', 'Écrire pour être lu'][1 + n % 5]
        as program_template_name,
    27000 as planned_duration_seconds, false as is_gone, false as is_program_template_gone
from range(getvariable('sessions')) as r (n);

create table dim_courses as from demo.dim_courses limit 0;
insert into dim_courses by name
select 'C-' || n as course_id, 'Module ' || n as course_name, 5400 as planned_duration_seconds, false as is_gone
from range(200) as r (n);

create table fct_opco_connections as from demo.fct_opco_connections limit 0;
insert into fct_opco_connections by name
with placed as (
    select
        n,
        n % getvariable('learners') as learner,
        (hash(learner * 31) % getvariable('sessions'))::bigint as session,
        (hash(n) // 1024)::bigint as chance
    from range(getvariable('connections')) as r (n)
),

timed as (
    select
        placed.*,
        sessions.starts_at + to_seconds((chance % 5184000)::bigint) as connected_at,
        60 + chance // 64 % 5400 as seconds,
        case when chance % 97 = 0 then 600 else 0 end as overlap_seconds,
        sessions.session_name, sessions.program_template_id, sessions.program_template_name
    from placed
    inner join dim_program_sessions as sessions on sessions.session_id = 'S-' || placed.session
)

select
    md5(n::varchar) as connection_id,
    'u-' || learner as user_id,
    'S-' || session as session_id,
    'C-' || (session % 40 * 5 + chance % 5) as course_id,
    'Module ' || (session % 40 * 5 + chance % 5) as course_name,
    connected_at,
    connected_at + to_seconds(seconds::bigint) as disconnected_at,
    connected_at::date as connected_on,
    ['left', 'completed', 'inactivity'][1 + chance % 3] as end_kind,
    'event_pair' as evidence_level,
    ['work', 'tutored', 'consultation', 'consultation'][1 + chance // 7 % 4] as proof_level,
    'async' as modality, false as has_delivered_modality,
    seconds as elapsed_seconds, 0 as capped_seconds, least(overlap_seconds, seconds) as overlap_seconds,
    seconds - least(overlap_seconds, seconds) as retained_seconds,
    seconds // 60 as time_spent_minutes,
    overlap_seconds > 0 as is_overlapped_in_session, false as is_overlapped_outside_session,
    false as is_overlapped_by_other_account,
    list_concat(
        if(chance % 1009 = 0, ['outside_session_dates'], []), if(overlap_seconds > 0, ['overlap'], [])
    ) as flags,
    session_name, program_template_id, program_template_name,
    dim_learners.last_name, dim_learners.first_name, dim_learners.email, [] as labels
from timed
inner join dim_learners on dim_learners.user_id = 'u-' || timed.learner
order by hash(learner) // 5_000_000_000_000_000, connected_at;

create table fct_learner_sessions as from demo.fct_learner_sessions limit 0;
insert into fct_learner_sessions by name
select
    user_id, session_id, true as is_enrolled, false as is_instructor, true as has_played,
    count(*) as connection_count,
    count(*) filter (where disconnected_at is null) as open_connection_count, sum(elapsed_seconds) as elapsed_seconds,
    sum(capped_seconds) as capped_seconds, sum(overlap_seconds) as overlap_seconds,
    sum(retained_seconds) as retained_seconds,
    coalesce(sum(retained_seconds) filter (where proof_level = 'work'), 0) as work_seconds,
    coalesce(sum(retained_seconds) filter (where proof_level = 'tutored'), 0) as tutored_seconds,
    coalesce(sum(retained_seconds) filter (where proof_level = 'consultation'), 0) as consultation_seconds,
    min(connected_at) as first_connected_at,
    max(disconnected_at) as last_connection_at, count(distinct connected_on) as connection_day_count,
    min(connected_at) as first_activity_at, max(disconnected_at) as last_activity_at,
    5 as step_count, 5 as required_step_count, hash(user_id) % 6 as completed_required_step_count,
    27000 as creditable_seconds, 5400 * completed_required_step_count as credited_seconds,
    (hash(user_id) % 1000)::int / 10 as progress_pct, (hash(user_id || 's') % 1000)::int / 10 as score_pct,
    'platform' as progress_source, 'platform' as score_source
from fct_opco_connections
group by user_id, session_id;

create table fct_program_sessions as from demo.fct_program_sessions limit 0;
insert into fct_program_sessions by name
select
    session_id, any_value(session_name) as session_name, any_value(program_template_id) as program_template_id,
    any_value(program_template_name) as program_template_name, any_value(starts_at) as starts_at,
    any_value(ends_at) as ends_at,
    count(user_id) as learner_count, learner_count as enrolled_count, learner_count as played_count,
    coalesce(sum(connection_count), 0) as connection_count,
    coalesce(sum(open_connection_count), 0) as open_connection_count, 0 as flagged_connection_count,
    coalesce(sum(elapsed_seconds), 0) as elapsed_seconds, coalesce(sum(capped_seconds), 0) as capped_seconds,
    coalesce(sum(overlap_seconds), 0) as overlap_seconds, coalesce(sum(retained_seconds), 0) as retained_seconds,
    min(first_connected_at) as first_connected_at, max(last_connection_at) as last_connection_at,
    0 as connection_day_count, avg(progress_pct) as mean_progress_pct, avg(score_pct) as mean_score_pct
from dim_program_sessions
left join fct_learner_sessions using (session_id)
group by session_id;

create table fct_learner_session_steps as from demo.fct_learner_session_steps limit 0;
insert into fct_learner_session_steps by name
select
    user_id, session_id, 'course' as step_type, course_id as resource_id,
    row_number() over (partition by user_id, session_id order by course_id) as step_number,
    course_name as resource_name, true as is_in_program, false as is_optional,
    step_number as program_position, 5400 as planned_duration_seconds, true as is_started,
    count(*) as connection_count, sum(retained_seconds) as retained_seconds
from fct_opco_connections
group by user_id, session_id, course_id, course_name;

create table fct_credited_activities as from demo.fct_credited_activities limit 0;
insert into fct_credited_activities by name
select
    user_id, session_id, step_type, resource_id, step_number, resource_name, is_optional, planned_duration_seconds,
    is_started, step_number <= hash(user_id) % 6 as is_completed, retained_seconds, false as is_without_duration,
    if(is_completed, 5400, 0) as creditable_seconds, creditable_seconds as credited_seconds, false as is_suspicious
from fct_learner_session_steps;

create table fct_learner_days as from demo.fct_learner_days limit 0;
insert into fct_learner_days by name
select
    user_id, session_id, connected_on as day_on, count(*) as connection_count, sum(retained_seconds) as retained_seconds,
    0 as night_seconds, 0 as weekend_seconds, 0 as holiday_seconds
from fct_opco_connections
group by user_id, session_id, connected_on
order by hash(user_id);

create table fct_learner_follow_up as from demo.fct_learner_follow_up limit 0;
insert into fct_learner_follow_up by name
select
    user_id, session_id, now()::timestamp as established_at, starts_at <= established_at and ends_at > established_at as is_open,
    completed_required_step_count = required_step_count as has_completed_steps, true as has_activity,
    greatest(last_activity_at, starts_at) as silent_since_at,
    case
        when has_completed_steps then 'effective'
        when ends_at < established_at then 'incomplete'
        when is_open and established_at - silent_since_at > interval 21 days then 'to_chase'
        else 'in_progress'
    end as follow_up_status,
    if(has_completed_steps, ['required_steps_completed'], ['required_steps_missing']) as follow_up_reasons,
    false as has_abandoned, first_activity_at, last_activity_at, required_step_count, completed_required_step_count
from fct_learner_sessions
inner join dim_program_sessions using (session_id);

create table fct_program_session_indicators as from demo.fct_program_session_indicators limit 0;
insert into fct_program_session_indicators by name
select
    session_id, unnest(['completion_rate', 'learners_to_chase']) as measure, 'V10' as reference_version,
    unnest([
        count(*) filter (where has_completed_steps), count(*) filter (where follow_up_status = 'to_chase')
    ]) as numerator,
    unnest([count(*), count(*) filter (where is_open)]) as denominator
from fct_learner_follow_up
group by session_id;

create table bridge_session_instructors as from demo.bridge_session_instructors limit 0;
insert into bridge_session_instructors by name
select 'S-' || n as session_id, 'u-' || n % 500 as user_id, true as is_main
from range(getvariable('sessions')) as r (n);

create table dim_groups as from demo.dim_groups limit 0;
insert into dim_groups by name
select 'G-' || n as group_id, 'Groupe ' || n as group_name from range(500) as r (n);

create table bridge_group_members as from demo.bridge_group_members limit 0;
insert into bridge_group_members by name
select 'G-' || n % 500 as group_id, 'u-' || n as user_id, true as is_direct
from range(getvariable('learners')) as r (n);

-- What the pages read besides is as the demo has it.
create table dim_assessments as from demo.dim_assessments;
create table dim_custom_fields as from demo.dim_custom_fields;
create table fct_assessment_results as from demo.fct_assessment_results;
create table bridge_learner_custom_fields as from demo.bridge_learner_custom_fields;
create table rejected_rows as from demo.rejected_rows;
create table load_reconciliation as from demo.load_reconciliation;
create table warehouse_build as from demo.warehouse_build;
create table connection_flags as from demo.connection_flags;
create table end_kinds as from demo.end_kinds;
create table evidence_levels as from demo.evidence_levels;
create table reject_reasons as from demo.reject_reasons;
create table follow_up_statuses as from demo.follow_up_statuses;
create table follow_up_reasons as from demo.follow_up_reasons;
