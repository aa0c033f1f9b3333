{{ config(materialized='incremental', incremental_strategy='affected_learners') }}

with connections as (
    select
        user_id,
        session_id,
        counted_from,
        counted_until,
        -- a local day begins within a day of that of UTC
        cast(counted_from as date) - 1 as first_day_on,
        {{ whole_units_between('day', 'cast(counted_from as date)', 'cast(counted_until as date)') }} + 3 as day_count
    from {{ ref('int_connections__measured') }}
    where retained_seconds > 0 and {{ in_affected_learners() }}
),

-- the days that a connection may fall on are looked up one by one: comparing instants would take each with every day.
-- One that it does not reach keeps no second of it, and falls out below.
places as (
    select
        spans.day_count,
        cast(numbers.number as integer) as place
    from (select distinct day_count from connections) as spans
    inner join range({{ 300 * 366 }}) as numbers (number) on spans.day_count > numbers.number
),

days as (
    select
        day_on,
        is_weekend,
        is_holiday,
        begins_at,
        night_ends_at,
        night_begins_at,
        ends_at
    from {{ ref('dim_dates') }}
),

bounded as (
    select
        connections.user_id,
        connections.session_id,
        connections.counted_from,
        days.day_on,
        days.is_weekend,
        days.is_holiday,
        greatest(connections.counted_from, days.begins_at) as begins_at,
        least(connections.counted_until, days.night_ends_at) as early_until,
        greatest(connections.counted_from, days.night_begins_at) as late_from,
        least(connections.counted_until, days.ends_at) as ends_at
    from connections
    inner join places on connections.day_count = places.day_count
    inner join days on connections.first_day_on + places.place = days.day_on
),

-- whole seconds since the connection's first retained instant, at each bound: the parts of a connection then add up to
-- what it retains, whatever fraction of a second it begins with
measured as (
    select
        *,
        {{ whole_units_between('second', 'counted_from', 'begins_at') }} as seconds_until_beginning,
        {{ whole_units_between('second', 'counted_from', 'early_until') }} as seconds_until_early,
        {{ whole_units_between('second', 'counted_from', 'late_from') }} as seconds_until_late,
        {{ whole_units_between('second', 'counted_from', 'ends_at') }} as seconds_until_end
    from bounded
),

cut as (
    select
        user_id,
        session_id,
        day_on,
        is_weekend,
        is_holiday,
        seconds_until_end - seconds_until_beginning as retained_seconds,
        seconds_until_early - seconds_until_beginning as early_seconds,
        seconds_until_end - seconds_until_late as late_seconds
    from measured
),

final as (
    select
        user_id,
        session_id,
        day_on,
        count(*) as connection_count,
        cast(sum(retained_seconds) as bigint) as retained_seconds,
        cast(sum(greatest(early_seconds, 0) + greatest(late_seconds, 0)) as bigint) as night_seconds,
        cast(sum(case when is_weekend then retained_seconds else 0 end) as bigint) as weekend_seconds,
        cast(sum(case when is_holiday then retained_seconds else 0 end) as bigint) as holiday_seconds
    from cut
    where retained_seconds > 0
    group by user_id, session_id, day_on
)

select * from final
