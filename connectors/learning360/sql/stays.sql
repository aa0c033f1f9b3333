-- One row per stay that a file tells or told at an earlier pull. The id is made of what the line says, as the clocks
-- showed it, and of which line of these it is within its file: the same stay of overlapping exports is one, two stays
-- that begin within a minute are two, and an end that comes later keeps the id.
-- What is told of learner, session and course is as last told, by the newest stay of a file.
with
numbered as (
    select
        *,
        row_number() over (
            partition by file, address, session_id, course_name, connected_local
            order by disconnected_local nulls last, line
        ) as occurrence
    from judged_lines
    where reason is null
),

present as (
    select
        left(
            sha256(
                cast(
                    json_array(address, session_id, course_name, cast(connected_local as varchar), occurrence) as varchar
                )
            ),
            32
        ) as connection_id,
        occurrence,
        address,
        last_name,
        first_name,
        email,
        field_ids,
        field_titles,
        field_cells,
        additional_information,
        labels,
        session_name,
        session_id,
        program_template_name,
        program_template_id,
        course_name,
        connected_local,
        disconnected_local,
        connected_at,
        disconnected_at,
        is_ambiguous,
        told_at,
        file,
        line,
        [file] as told_in,
        told_at as first_told_at,
        false as is_remembered
    from numbered
),

told as (
    select * from present
    union all by name
    select
        *,
        true as is_remembered
    from remembered_stays
),

merged as (
    select
        connection_id,
        list_sort(list_distinct(flatten(list(told_in)))) as told_in,
        min(first_told_at) as first_told_at,
        bool_or(is_remembered) as is_remembered,
        arg_max(connected_at, (told_at, file, not is_remembered)) filter (where disconnected_at is not null)
            as closed_connected_at,
        arg_max(disconnected_at, (told_at, file, not is_remembered)) as disconnected_at,
        arg_max(disconnected_local, (told_at, file, not is_remembered)) as disconnected_local
    from told
    group by connection_id
)

select
    told.* exclude (told_in, first_told_at, is_remembered, connected_at, disconnected_at, disconnected_local),
    coalesce(merged.closed_connected_at, told.connected_at) as connected_at,
    merged.disconnected_at,
    merged.disconnected_local,
    merged.told_in,
    merged.first_told_at,
    merged.is_remembered,
    coalesce(delivered.user_id, targets.user_id) as user_id,
    coalesce(delivered.session_id, targets.target_session_id) as target_session_id,
    coalesce(if(targets.is_set, targets.course_id, null), delivered.course_id, targets.course_id) as course_id,
    targets.is_settled,
    row_number() over (order by told.told_at, told.file, told.connected_local, told.line) as recency
from told
inner join merged using (connection_id)
inner join targets
    on
        told.address = targets.address
        and told.session_id = targets.session_id
        and told.course_name = targets.course_name
-- Whose stay it was, and where, stays as it was delivered: addresses and names may be somebody else's by now.
left join delivered_connections as delivered
    on told.connection_id = delivered.connection_id and getvariable('has_platform')
qualify row_number() over (
    partition by told.connection_id order by told.told_at desc, told.file desc, told.is_remembered, told.line desc
) = 1
