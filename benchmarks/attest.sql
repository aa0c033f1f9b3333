-- A published warehouse, as far as attestations read it: sessions of 30, 300 and 3,000 connections a learner, no two of
-- whom connected at the same times, and one of as many learners as the variable `documents` says, with 30 connections each. Ten activities a session.
create table load_reconciliation (table_name varchar);

create table warehouse_build as
select
    'bench' as build_id, timestamp '2027-01-15 02:00:00' as data_as_of, 15::bigint as inactivity_timeout_minutes,
    null::bigint as max_connection_minutes, 480::bigint as long_connection_minutes, 'UTC' as raw_timezone,
    'Europe/Paris' as display_timezone, '0.1.0' as opco_version, 2::bigint as rules_edition;

create table sizes as
from (values ('S-30', 16, 30), ('S-300', 8, 300), ('S-3000', 4, 3000), ('S-MANY', getvariable('documents'), 30))
    as sizes (session_id, learners, connections);

create table dim_program_sessions as
select
    session_id, 'Manager une équipe à distance, promotion ' || session_id as session_name,
    timestamp '2026-01-05 08:00:00' as starts_at, timestamp '2026-12-18 17:00:00' as ends_at,
    'T-MGMT' as program_template_id, 'Manager une équipe à distance' as program_template_name,
    126000::bigint as planned_duration_seconds
from sizes;

create table dim_learners as
select
    user_id, user_id || '@example.org' as email, 'Prénom-' || user_id as first_name,
    'Nom de famille ' || user_id as last_name, 'Employeur & Fils' as employer, false as is_deleted
from (select distinct 'U-' || learner as user_id from sizes, range(learners) as one (learner));

create table dim_courses as
select
    'C-' || course as course_id,
    [
        'Animer une équipe à distance', 'Conduire l’entretien professionnel', 'Écrire pour être lu', 'Sécurité incendie'
    ][course % 4 + 1] || ', module ' || course as course_name
from range(8) as one (course);

-- Connections of 10 to 39 minutes spread over the year, by learner; every tenth overlaps another by a minute.
create table fct_opco_connections as
select
    'K-' || learner || '-' || number as connection_id, 'U-' || learner as user_id, session_id,
    'C-' || number % 8 as course_id, course_name,
    timestamp '2026-01-06 07:00:00' + to_minutes(number * (489600 // connections) + learner * 7 % 60) as connected_at,
    connected_at + to_seconds(600 + (number * 37 + learner * 211) % 1800) as disconnected_at,
    ['left', 'completed', 'inactivity', 'left'][number % 4 + 1] as end_kind,
    ['native_log', 'event_run'][number % 2 + 1] as evidence_level,
    (600 + (number * 37 + learner * 211) % 1800)::bigint as elapsed_seconds, 0::bigint as capped_seconds,
    if(number % 10 = 0, 60, 0)::bigint as overlap_seconds,
    (elapsed_seconds - overlap_seconds)::bigint as retained_seconds,
    number % 10 = 0 as is_overlapped_in_session, false as is_overlapped_outside_session,
    false as is_overlapped_by_other_account,
    if(number % 10 = 0, ['overlap'], []) as flags
from sizes, range(learners) as one (learner), range(connections) as another (number)
inner join dim_courses on dim_courses.course_id = 'C-' || number % 8;

create table fct_learner_sessions as
select
    user_id, session_id, true as is_enrolled, false as is_instructor, true as has_played, count(*) as connection_count, 0::bigint as open_connection_count,
    sum(elapsed_seconds)::bigint as elapsed_seconds, 0::bigint as capped_seconds,
    sum(overlap_seconds)::bigint as overlap_seconds, sum(retained_seconds)::bigint as retained_seconds,
    min(connected_at) as first_connected_at, max(disconnected_at) as last_connection_at,
    count(distinct timezone('Europe/Paris', connected_at at time zone 'UTC')::date) as connection_day_count,
    87.5::decimal(9, 6) as progress_pct, 81.25::decimal(9, 6) as score_pct,
    'platform' as progress_source, 'assessments' as score_source
from fct_opco_connections
group by user_id, session_id;

create table fct_learner_session_steps as
select
    user_id, session_id, 'course' as step_type, course_id as resource_id,
    row_number() over (partition by user_id, session_id order by course_id) as step_number,
    course_name as resource_name, true as is_in_program, false as is_optional, 5400::bigint as planned_duration_seconds,
    true as is_started, count(*) as connection_count, sum(retained_seconds)::bigint as retained_seconds,
    100::decimal(9, 6) as progress_pct, null::decimal(9, 6) as score_pct, null::boolean as is_passed,
    max(disconnected_at) as completed_at
from fct_opco_connections
group by user_id, session_id, course_id, course_name
union all by name
select
    user_id, session_id, 'assessment' as step_type, 'A-' || number as resource_id, 8 + number as step_number,
    'Évaluation ' || number as resource_name, true as is_in_program, number = 2 as is_optional,
    null::bigint as planned_duration_seconds,
    true as is_started, 0::bigint as connection_count, 0::bigint as retained_seconds,
    null::decimal(9, 6) as progress_pct, 81.25::decimal(9, 6) as score_pct, true as is_passed,
    last_connection_at as completed_at
from fct_learner_sessions, range(1, 3) as one (number);
