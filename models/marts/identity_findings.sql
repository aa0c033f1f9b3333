with learners as (
    select
        identified.user_id,
        identified.person_id,
        identified.person_source,
        users.file,
        {{ alphabetical("users.first_name || ' ' || users.last_name") }} as name
    from {{ ref('int_learners__identified') }} as identified
    inner join {{ ref('stg_users') }} as users on identified.user_id = users.user_id
    where users.is_kept
    qualify count(*) over (partition by identified.person_id) > 1
),

connections as (
    select
        measured.*,
        learners.person_source
    from {{ ref('int_connections__measured') }} as measured
    inner join learners on measured.user_id = learners.user_id
),

-- of those that another account covers in part: each with what is earlier in the order of T5 and still on
connected_twice as (
    select
        'connected_twice' as finding_kind,
        later.person_id,
        later.person_source,
        later.user_id,
        later.session_id,
        earlier.user_id as other_user_id,
        earlier.session_id as other_session_id,
        min(later.connected_at) as first_connected_at,
        count(*) as connection_count,
        cast(sum(
            {{ whole_units_between(
                'second', 'later.connected_at', 'least(later.counted_until, earlier.counted_until)'
            ) }}
        ) as bigint) as common_seconds
    from connections as later
    inner join {{ ref('int_connections__overlapped') }} as overlapped
        on
            later.user_id = overlapped.user_id
            and later.session_id = overlapped.session_id
            and later.course_id = overlapped.course_id
            and later.connected_at = overlapped.connected_at
            and overlapped.is_overlapped_by_other_account
    inner join connections as earlier
        on
            later.person_id = earlier.person_id
            and later.user_id <> earlier.user_id
            and later.counting_number > earlier.counting_number
            and later.connected_at < earlier.counted_until
    group by
        later.person_id,
        later.person_source,
        later.user_id,
        later.session_id,
        earlier.user_id,
        earlier.session_id
),

-- with the first account of the person that has a name, and with the first of the same file
compared as (
    select
        *,
        first_value(user_id) over named_first as named_user_id,
        first_value(name) over named_first as person_name,
        first_value(user_id) over (partition by person_id, file order by {{ id_order('user_id') }}) as first_of_file
    from learners
    window named_first as (partition by person_id order by name is null, {{ id_order('user_id') }})
),

listed as (
    select * from connected_twice
    union all
    select
        'names_differ' as finding_kind,
        person_id,
        person_source,
        user_id,
        null as session_id,
        named_user_id as other_user_id,
        null as other_session_id,
        null as first_connected_at,
        null as connection_count,
        null as common_seconds
    from compared
    where name <> person_name
    union all
    select
        'same_source' as finding_kind,
        person_id,
        person_source,
        user_id,
        null as session_id,
        first_of_file as other_user_id,
        null as other_session_id,
        null as first_connected_at,
        null as connection_count,
        null as common_seconds
    from compared
    where person_source = 'email' and user_id <> first_of_file
    union all
    select
        'not_delivered' as finding_kind,
        null as person_id,
        null as person_source,
        identities.user_id,
        null as session_id,
        null as other_user_id,
        null as other_session_id,
        null as first_connected_at,
        null as connection_count,
        null as common_seconds
    from {{ ref('stg_identities') }} as identities
    left join {{ ref('int_learners__identified') }} as identified on identities.user_id = identified.user_id
    where identified.user_id is null
),

final as (
    select
        finding_kind,
        person_id,
        person_source,
        user_id,
        session_id,
        other_user_id,
        other_session_id,
        first_connected_at,
        connection_count,
        common_seconds
    from listed
)

select * from final
