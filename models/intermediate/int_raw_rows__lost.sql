with proofs as {{ not_materialized() }} (
    select * from {{ ref('int_raw_rows__classified') }}
    where table_name in ('course_connections', 'learning_events') and rejection is null
),

candidates as (
    select * from proofs
    where is_candidate
),

-- hardly ever any: then no other row is read
concerned as (
    select distinct table_name from candidates
),

delivered as {{ not_materialized() }} (
    select proofs.*
    from proofs
    inner join concerned on proofs.table_name = concerned.table_name
    where
        -- by the join alone all rows would be put into a hash table
        (select count(*) from candidates) > 0
        and proofs.row_status not in ('gone', 'withdrawn_gone', 'superseded_version')
),

-- where an id that an earlier version held says something else now, and no row delivered now says what it said
final as (
    select
        earlier.table_name,
        earlier.file_number,
        earlier.file,
        earlier.line,
        earlier.row_id,
        earlier.user_id,
        earlier.session_id,
        earlier.course_id,
        earlier.happened_at,
        later.file as later_file,
        later.line as later_line
    from candidates as earlier
    inner join delivered as later
        on
            earlier.table_name = later.table_name
            and earlier.row_id = later.row_id
            and later.row_status in ('kept', 'outside_session')
    anti join delivered as same
        on
            earlier.table_name = same.table_name
            and earlier.user_id = same.user_id
            and earlier.session_id is not distinct from same.session_id
            and earlier.course_id = same.course_id
            and earlier.happened_at = same.happened_at
)

select * from final
