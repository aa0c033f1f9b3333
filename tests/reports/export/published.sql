-- A published warehouse in small: the tables that the export reads, with its hard cases.
create table dim_learners (
    user_id varchar not null, email varchar, username varchar, first_name varchar, last_name varchar,
    additional_information varchar, status varchar not null, deleted_at timestamp, is_deleted boolean not null,
    language varchar, employer varchar, labels varchar[] not null, is_gone boolean not null
);
create table dim_custom_fields (
    custom_field_id varchar not null, title varchar not null, value_type varchar not null,
    column_name varchar not null, field_position bigint not null
);
create table bridge_learner_custom_fields (
    user_id varchar not null, custom_field_id varchar not null, title varchar not null, value_type varchar not null,
    value varchar not null, value_date date
);
create table dim_groups (group_id varchar not null, group_name varchar not null, parent_group_id varchar);
create table bridge_group_members (
    group_id varchar not null, user_id varchar not null, is_direct boolean not null, role varchar
);
create table dim_program_sessions (
    session_id varchar not null, session_name varchar not null, starts_at timestamp, ends_at timestamp,
    program_template_id varchar not null, program_template_name varchar not null, objectives varchar,
    planned_duration_seconds bigint, is_gone boolean not null, is_program_template_gone boolean not null
);
create table fct_opco_connections (
    connection_id varchar not null, user_id varchar not null, session_id varchar not null, course_id varchar not null,
    connected_at timestamp not null, disconnected_at timestamp, connected_on date not null,
    end_kind varchar not null, evidence_level varchar not null,
    elapsed_seconds bigint, capped_seconds bigint, overlap_seconds bigint, retained_seconds bigint,
    time_spent_minutes bigint,
    is_overlapped_in_session boolean not null, is_overlapped_outside_session boolean not null,
    flags varchar[] not null,
    session_name varchar not null, program_template_id varchar not null, program_template_name varchar not null,
    course_name varchar not null,
    last_name varchar, first_name varchar, email varchar, employer varchar, additional_information varchar,
    labels varchar[] not null,
    "=1+1" varchar, "Dossier ""n°""; suite" varchar, "Email_CF3" varchar, "Entrée" date,
    "Site" varchar, "Site_CF6" varchar
);
create table load_reconciliation (table_name varchar);
create table warehouse_build (
    build_id varchar not null, data_as_of timestamp not null, last_activity_at timestamp, built_at timestamp not null,
    load_number bigint not null,
    inactivity_timeout_minutes bigint not null, max_connection_minutes bigint, long_connection_minutes bigint not null,
    raw_timezone varchar not null, display_timezone varchar not null,
    opco_version varchar not null, rules_edition bigint not null, dbt_version varchar not null, duckdb_version varchar not null,
    row_counts map(varchar, bigint) not null
);

insert into warehouse_build values (
    '20261110T060000Z-1', '2026-11-10 06:00:00', '2026-11-09 17:30:00', '2026-11-10 06:05:00', 1, 15, null, 480,
    'UTC', 'Europe/Paris', '0.1.0', 2, '1.12.6', '1.5.6', map {'fct_opco_connections': 9}
);

insert into dim_custom_fields values
('CF1', '=1+1', 'string', '=1+1', 1),
('CF2', 'Dossier "n°"; suite', 'string', 'Dossier "n°"; suite', 2),
('CF3', 'Email', 'string', 'Email_CF3', 3),
('CF4', 'Entrée', 'date', 'Entrée', 4),
('CF5', 'Site', 'string', 'Site', 5),
('CF6', 'Site', 'string', 'Site_CF6', 6);

insert into dim_learners
select user_id, email, null, first_name, last_name, null, 'active', null, false, null, null, [], false
from (
    values
    ('U99', 'anais.dupont@exemple.fr', 'Anaïs', 'DUPONT'),
    ('U100', 'a.dupont@exemple.fr', 'anais', 'Dupont'),
    ('U7', 'zoe@exemple.fr', 'Zoé', 'Élan'),
    ('U8', null, '=HYPERLINK("x")', 'Fauré'),
    ('U9', 'Anonyme@Exemple.fr', null, null),
    ('U10', 'jamais@exemple.fr', 'Jamais', 'Venue')
) as learners (user_id, email, first_name, last_name);

insert into dim_program_sessions values
('S9', 'Bureautique, automne', null, null, 'T1', 'Bureautique', null, null, false, false),
('S10', 'Bureautique, automne', null, null, 'T1', 'Bureautique', null, null, false, false),
('+33', '@distance', null, null, '-T2', 'Vente; "conseil"', null, null, false, false);

-- G1 holds G2, which holds G3.
insert into dim_groups values ('G1', 'Région Nord', null), ('G2', 'Lille', 'G1'), ('G3', 'Lille-Centre', 'G2');
insert into bridge_group_members values
('G1', 'U99', true, 'learner'), ('G1', 'U7', false, null), ('G1', 'U9', false, null),
('G2', 'U7', true, 'learner'), ('G2', 'U9', false, null),
('G3', 'U9', true, 'learner');

insert into fct_opco_connections
select
    connection_id, user_id, session_id, course_id, connected_at, disconnected_at, connected_on,
    case when disconnected_at is null then 'open' else 'left' end, 'native_log',
    null, null, null, null, time_spent_minutes, false, false, [],
    sessions.session_name, sessions.program_template_id, sessions.program_template_name, course_name,
    learners.last_name, learners.first_name, learners.email, null, details.additional_information,
    coalesce(details.labels, []),
    formula, dossier, other_email, entered_on, site, site_again
from (
    values
    -- Inserted in no order. The night of 25 October 2026 has the hour from 2 to 3 twice.
    ('c9', 'U9', 'S9', 'C1', timestamp '2026-10-24 21:59:59', timestamp '2026-10-24 22:00:00', date '2026-10-24', 1, 'Excel'),
    ('c8', 'U8', '+33', 'C2', timestamp '2026-03-29 00:59:59.999999', timestamp '2026-03-29 01:01:00', date '2026-03-29', 2, '-Oral'),
    ('c7', 'U7', 'S9', 'C1', timestamp '2026-07-01 00:00:00', timestamp '2026-10-09 01:01:59', date '2026-07-01', 144061, 'Excel'),
    ('c6', 'U100', 'S10', 'C1', timestamp '2026-10-24 22:00:00', timestamp '2026-10-24 22:00:59', date '2026-10-25', 0, 'Excel'),
    ('c10', 'U99', 'S9', 'C10', timestamp '2026-11-02 08:00:00', timestamp '2026-11-02 09:00:00', date '2026-11-02', 60, 'Word'),
    ('c5', 'U99', 'S9', 'C9', timestamp '2026-11-02 08:00:00', timestamp '2026-11-02 08:30:00', date '2026-11-02', 30, 'Excel'),
    ('c4', 'U99', 'S10', 'C1', timestamp '2026-11-02 08:00:00', timestamp '2026-11-02 08:01:00', date '2026-11-02', 1, 'Excel'),
    ('c2', 'U99', 'S9', 'C1', timestamp '2026-10-25 22:59:59', null, date '2026-10-25', null, 'Excel'),
    ('c20', 'U99', 'S9', 'C1', timestamp '2026-10-25 00:30:10', timestamp '2026-10-25 01:30:05', date '2026-10-25', 60, 'Excel')
) as connections (
    connection_id, user_id, session_id, course_id, connected_at, disconnected_at, connected_on, time_spent_minutes,
    course_name
)
inner join dim_learners as learners using (user_id)
inner join dim_program_sessions as sessions using (session_id)
left join (
    values
    ('U99', null, ['apprenti', 'Équipe 2'], null, 'D-1', null, date '2025-09-01', 'Lille', null),
    ('U100', '', null, null, null, null, null, null, 'Arras'),
    ('U7', e'ligne 1\r\nligne 2', ['-5 %', 'b'], null, null, null, null, null, null),
    ('U8', e'seul\rretour', ['a;b'], '=2', '"', e'\tperso', date '0987-01-02', '@', '+1'),
    ('U9', '-', null, null, null, null, null, null, null)
) as details (
    user_id, additional_information, labels, formula, dossier, other_email, entered_on, site, site_again
) using (user_id);

-- What is a learner's, custom fields included, is in the learners too.
create or replace table dim_learners as
select
    learners.* exclude (additional_information, labels), fact.additional_information, coalesce(fact.labels, []) as labels,
    fact."=1+1", fact."Dossier ""n°""; suite", fact."Email_CF3", fact."Entrée", fact."Site", fact."Site_CF6"
from dim_learners as learners
left join (
    from fct_opco_connections qualify row_number() over (partition by user_id order by connected_at) = 1
) as fact using (user_id);

insert into bridge_learner_custom_fields
select values.user_id, fields.custom_field_id, fields.title, fields.value_type, values.value, values.value_date
from (
    select user_id, 'CF1' as custom_field_id, "=1+1" as value, null as value_date from dim_learners
    union all select user_id, 'CF2', "Dossier ""n°""; suite", null from dim_learners
    union all select user_id, 'CF3', "Email_CF3", null from dim_learners
    union all select user_id, 'CF4', strftime("Entrée", '%Y-%m-%d'), "Entrée" from dim_learners
    union all select user_id, 'CF5', "Site", null from dim_learners
    union all select user_id, 'CF6', "Site_CF6", null from dim_learners
) as values
inner join dim_custom_fields as fields using (custom_field_id)
where values.value is not null;
