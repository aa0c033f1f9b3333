with superseded as (
    select
        case when is_native then 'course_connections' else 'learning_events' end as table_name,
        count(*) as superseded
    from {{ ref('int_connections__united') }}
    where is_superseded
    group by is_native
),

counted as (
    select
        table_name,
        count(*) filter (where row_status = 'kept') as kept,
        count(*) filter (where row_status in ('duplicate', 'conflicting')) as duplicate,
        count(*) filter (where row_status = 'conflicting') as conflicting,
        count(*) filter (where row_status = 'rejected') as rejected,
        count(*) filter (where row_status = 'withdrawn') as withdrawn,
        count(*) filter (where row_status = 'outside_session') as outside_session,
        count(*) filter (where row_status = 'gone') as gone
    from {{ ref('int_raw_rows__classified') }}
    group by table_name
),

-- delivered rows whose id said something else before, which no row says any more
contradicting as (
    select
        table_name,
        count(distinct (later_file, later_line)) as contradicting -- noqa: ST08, LT01, LT06
    from {{ ref('int_raw_rows__lost') }}
    group by table_name
),

-- as the reader counted them, file by file: what staging loses or doubles does not balance
delivered as (
    select
        table_name,
        sum(row_count) as delivered
    from {{ ref('stg_raw_files') }}
    where is_current
    group by table_name
),

-- a table without a row balances too
final as (
    select
        table_name,
        cast(coalesce(delivered.delivered, 0) as bigint) as delivered,
        coalesce(counted.kept, 0) as kept,
        coalesce(counted.duplicate, 0) as duplicate,
        coalesce(counted.rejected, 0) as rejected,
        case
            when table_name in ('course_connections', 'learning_events') then coalesce(counted.withdrawn, 0)
        end as withdrawn,
        case when table_name = 'learning_events' then coalesce(counted.outside_session, 0) end as outside_session,
        case
            when table_name in ('course_connections', 'learning_events') then coalesce(superseded.superseded, 0)
        end as superseded,
        coalesce(counted.gone, 0) as gone,
        coalesce(counted.conflicting, 0) + coalesce(contradicting.contradicting, 0) as conflicting
    from {{ ref('stg_raw_tables') }}
    left join delivered using (table_name)
    left join counted using (table_name)
    left join contradicting using (table_name)
    left join superseded using (table_name)
)

select * from final
