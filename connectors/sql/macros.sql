-- What the SQL of several sources calls: times, durations and names as people download them.

-- Dates and times as people download them: `13/10/26, 14:05:11`, `10/13/2026 02:05:11 PM`, `2026-10-13 14:05:11`.
-- They carry no zone, and only a day beyond 12 shows whether the day or the month comes first.

create or replace macro plain_time(cell) as
    trim(regexp_replace(replace(replace(lower(cell), chr(8239), ' '), chr(160), ' '), '\s+', ' ', 'g'));

create or replace macro numeric_time(cell) as regexp_extract(
    plain_time(cell),
    '^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2}),? (?:à |at )?(\d{1,2}):(\d{2})(?::(\d{2}))? ?(?:([ap])\.?m\.?)?$',
    ['first_number', 'second_number', 'year', 'hour', 'minute', 'second', 'half']
);

create or replace macro iso_time(cell) as regexp_extract(
    plain_time(cell),
    '^(\d{4})[/-](\d{1,2})[/-](\d{1,2})(?:t|,? )(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)? ?(?:([ap])\.?m\.?)?$',
    ['year', 'month', 'day', 'hour', 'minute', 'second', 'half']
);

create or replace macro clock_time(cell) as regexp_extract(
    plain_time(cell),
    '^(\d{1,2}):(\d{2})(?::(\d{2}))? ?(?:([ap])\.?m\.?)?$',
    ['hour', 'minute', 'second', 'half']
);

-- The order that a cell proves: day or month; null where it proves none.
create or replace macro proven_order(cell) as case
    when try_cast(numeric_time(cell).first_number as integer) > 12 then 'day'
    when try_cast(numeric_time(cell).second_number as integer) > 12 then 'month'
end;

-- Whether a cell is another day when day and month change places.
create or replace macro needs_order(cell) as
    numeric_time(cell).first_number <> ''
    and proven_order(cell) is null
    and try_cast(numeric_time(cell).first_number as integer) <> try_cast(numeric_time(cell).second_number as integer);

create or replace macro clock_of(hour, minute, second, half) as
    case
        when half = '' then lpad(hour, 2, '0')
        when try_cast(hour as integer) between 1 and 12
            then lpad(cast(try_cast(hour as integer) % 12 + if(half = 'p', 12, 0) as varchar), 2, '0')
    end || ':' || minute || ':' || if(second = '', '00', second);

create or replace macro day_of(year, month, day) as
    if(length(year) = 2, '20' || year, year) || '-' || lpad(month, 2, '0') || '-' || lpad(day, 2, '0');

-- The local time that a cell shows; null where it cannot be read. day_first: null where it is not known.
create or replace macro local_timestamp(cell, day_first) as try_cast(
    case
        when iso_time(cell).year <> '' then
            day_of(iso_time(cell).year, iso_time(cell).month, iso_time(cell).day) || ' '
            || clock_of(iso_time(cell).hour, iso_time(cell).minute, iso_time(cell).second, iso_time(cell).half)
        when numeric_time(cell).year <> '' then
            if(
                coalesce(proven_order(cell) = 'day', day_first, true),
                day_of(numeric_time(cell).year, numeric_time(cell).second_number, numeric_time(cell).first_number),
                day_of(numeric_time(cell).year, numeric_time(cell).first_number, numeric_time(cell).second_number)
            ) || ' ' || clock_of(
                numeric_time(cell).hour, numeric_time(cell).minute, numeric_time(cell).second, numeric_time(cell).half
            )
    end as timestamp
);

-- An instant in UTC, as the raw contract takes it.
create or replace macro as_instant(utc) as strftime(utc, '%Y-%m-%dT%H:%M:%SZ');

-- What the clocks of a zone show as an instant in UTC; a local time that exists twice is the later instant.
create or replace macro in_utc(local_at, zone) as timezone('UTC', timezone(zone, local_at));

-- Whether the clocks of a zone show a local time twice, an hour apart.
create or replace macro exists_twice(local_at, zone) as
    timezone(zone, timezone('UTC', in_utc(local_at, zone) - interval 1 hour)) = local_at;

-- A name as names are compared: any case, any blanks.
create or replace macro name_key(name) as trim(regexp_replace(lower(nfc_normalize(name)), '\s+', ' ', 'g'));

-- The instant in UTC of a cell that says its offset; null where it says none.
create or replace macro instant_with_offset(cell) as if(
    regexp_matches(plain_time(cell), '^\d{4}-\d{2}-\d{2}[t ]\d{2}:\d{2}.*(?:z|[+-]\d{2}:?\d{2})$'),
    timezone('UTC', try_cast(cell as timestamptz)),
    null
);

-- Seconds of a duration: `1h 5m 3s`, `1 h 5 min`, `58 min`, `01:05:03`; a bare number is minutes. Null where unreadable.
create or replace macro duration_seconds(cell) as case
    when regexp_full_match(plain_time(cell), '\d+([.,]\d+)?')
        then cast(60 * try_cast(replace(plain_time(cell), ',', '.') as double) as bigint)
    when regexp_full_match(plain_time(cell), '\d+:\d{2}:\d{2}')
        then
            3600 * try_cast(split_part(plain_time(cell), ':', 1) as bigint)
            + 60 * try_cast(split_part(plain_time(cell), ':', 2) as bigint)
            + try_cast(split_part(plain_time(cell), ':', 3) as bigint)
    when regexp_matches(plain_time(cell), '\d ?[hms]')
        then
            3600 * coalesce(try_cast(regexp_extract(plain_time(cell), '(\d+) ?h', 1) as bigint), 0)
            + 60 * coalesce(try_cast(regexp_extract(plain_time(cell), '(\d+) ?m', 1) as bigint), 0)
            + coalesce(try_cast(regexp_extract(plain_time(cell), '(\d+) ?s', 1) as bigint), 0)
end;

-- The local time that a clock without a day shows on a day.
create or replace macro clock_on(cell, day) as if(
    clock_time(cell).hour <> '',
    try_cast(
        cast(day as varchar) || ' ' || clock_of(
            clock_time(cell).hour, clock_time(cell).minute, clock_time(cell).second, clock_time(cell).half
        ) as timestamp
    ),
    null
);

-- The id of a user who has none but the e-mail address: no id shows an address, on no page and after no forgetting.
create or replace macro id_of_email(email) as 'mail-' || left(sha256(lower(email)), 16);

-- A text cell without the apostrophe that keeps spreadsheets from running it, as the export of this product writes it.
create or replace macro without_apostrophe(cell) as
    if(regexp_matches(cell, '^''[\p{Z}\p{Cf}\p{Cc}]*[=+\-@＝＋－＠﹦﹢﹣﹫]'), substr(cell, 2), cell);
