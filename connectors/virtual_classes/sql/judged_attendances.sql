-- One row per line of a report: why it is left out; null where it is a connection.
-- A line is one stay where the report's own duration fills it, to a minute and a half for reports that round to minutes.
select
    typed_attendances.*,
    matches.user_id,
    matches.candidates,
    case
        when joined = '' and "left" = '' then 'did_not_attend'
        when is_waiting then 'waiting_room'
        when is_clock_alone and class_on is null then 'no_day'
        when connected_at is null or ("left" <> '' and disconnected_at is null) then 'unreadable_time'
        when class_on <> cast(joined_local as date) then 'another_day'
        when disconnected_at < connected_at then 'leaves_before_it_joins'
        when
            disconnected_at is not null
            and epoch(disconnected_at - connected_at) - coalesce(reported_seconds, if(is_span, 0, null)) > 90
            then 'several_stays'
        when matches.has_several then 'several_users'
        when matches.user_id is null then 'unknown_participant'
    end as reason
from typed_attendances
left join matches using (email, name)
