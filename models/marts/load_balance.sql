{%- set keeping_gone = [] -%}
{%- for table_name in var('raw_contract') if var('raw_contract')[table_name].keeps_gone -%}
{%- do keeping_gone.append(table_name) -%}
{%- endfor -%}

with unattached as (
    select count(*) as unattached from {{ ref('int_learning_events__marked') }} where is_unattached
),

superseded as (
    select count(*) as superseded from {{ ref('int_connections__united') }} where is_superseded and is_native
),

counted as (
    select
        table_name,
        count(*) filter (where fate = 'kept') as kept,
        count(*) filter (where fate = 'duplicate') as duplicate,
        count(*) filter (where fate = 'rejected') as rejected,
        count(*) filter (where fate = 'outside_session') as outside_session,
        count(*) filter (where fate = 'gone') as gone
    from {{ ref('int_raw_rows__sorted_out') }}
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
        case when table_name = 'learning_events' then coalesce(counted.outside_session, 0) end as outside_session,
        case when table_name = 'learning_events' then unattached.unattached end as unattached,
        case when table_name = 'course_connections' then superseded.superseded end as superseded,
        case
            when table_name in ('{{ keeping_gone | join("', '") }}') then coalesce(counted.gone, 0)
        end as gone
    from {{ ref('stg_raw_tables') }}
    cross join unattached
    cross join superseded
    left join delivered using (table_name)
    left join counted using (table_name)
)

select * from final
