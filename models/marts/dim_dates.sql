{#- what the labour code adds for a place: month and day, and its name (L3134-13, L3422-2) -#}
{%- set of_territories = {
    'alsace_moselle': [(12, 26, 'Saint Stephen’s Day', 'Saint-Étienne')],
    'guadeloupe': [(5, 27, 'Abolition of slavery', 'Abolition de l’esclavage')],
    'martinique': [(5, 22, 'Abolition of slavery', 'Abolition de l’esclavage')],
    'guyane': [(6, 10, 'Abolition of slavery', 'Abolition de l’esclavage')],
    'la_reunion': [(12, 20, 'Abolition of slavery', 'Abolition de l’esclavage')],
    'mayotte': [(4, 27, 'Abolition of slavery', 'Abolition de l’esclavage')],
    'saint_barthelemy': [(10, 9, 'Abolition of slavery', 'Abolition de l’esclavage')],
    'saint_martin': [(5, 28, 'Abolition of slavery', 'Abolition de l’esclavage')],
} -%}
{%- set territory = var('calendar').territory -%}
{%- set zone = var('display_timezone') -%}

{{ config(meta={
    'changes_where': '(select year(clock_at) + 5 from raw.this_build) > (select max(year(day_on)) from marts.dim_dates)'
}) }}
-- from the day that a connection of 2000 in UTC can fall on to the end of the fifth year after the build's clock
with days as (
    select date '1999-12-31' + cast(numbers.number as integer) as day_on
    from range({{ 300 * 366 }}) as numbers (number)
    cross join {{ ref('stg_this_build') }} as this_build
    where
        date '1999-12-31' + cast(numbers.number as integer)
        < date_trunc('year', this_build.clock_at) + interval 6 year
),

-- the Gregorian Easter (Meeus, Jones, Butcher): century and year within it, the paschal moon, the Sunday after it
moons as (
    select distinct
        year(day_on) as year,
        {{ whole_quotient('year', 100) }} as century,
        year % 100 as year_of_century,
        {{ whole_quotient('century', 4) }} as leap_centuries,
        {{ whole_quotient('century - ' ~ whole_quotient('century + 8', 25) ~ ' + 1', 3) }} as moon_correction,
        (19 * (year % 19) + century - leap_centuries - moon_correction + 15) % 30 as moon,
        (32 + 2 * (century % 4) + 2 * {{ whole_quotient('year_of_century', 4) }} - moon - year_of_century % 4) % 7
            as sunday,
        {{ whole_quotient('year % 19 + 11 * moon + 22 * sunday', 451) }} as correction,
        moon + sunday - 7 * correction + 114 as days_of_month
    from days
),

easters as (
    select
        year,
        make_date(
            cast(year as integer),
            cast({{ whole_quotient('days_of_month', 31) }} as integer),
            cast(days_of_month % 31 + 1 as integer)
        ) as easter_on
    from moons
),

fixed_holidays (month, day, en, fr, turn) as (
    values
    (1, 1, 'New Year’s Day', 'Jour de l’An', 1),
    (5, 1, 'Labour Day', 'Fête du Travail', 1),
    (5, 8, 'Victory 1945', 'Victoire 1945', 1),
    (7, 14, 'National Day', 'Fête nationale', 1),
    (8, 15, 'Assumption', 'Assomption', 1),
    (11, 1, 'All Saints’ Day', 'Toussaint', 1),
    {%- for month, day, label_en, label_fr in of_territories.get(territory, []) %}
    ({{ month }}, {{ day }}, '{{ label_en }}', '{{ label_fr }}', 2),
    {%- endfor %}
    (11, 11, 'Armistice 1918', 'Armistice 1918', 1),
    (12, 25, 'Christmas Day', 'Noël', 1)
),

movable_holidays (days_after_easter, en, fr, turn) as (
    values
    {%- if territory == 'alsace_moselle' %}
    (-2, 'Good Friday', 'Vendredi saint', 2),
    {%- endif %}
    (1, 'Easter Monday', 'Lundi de Pâques', 2),
    (39, 'Ascension Day', 'Ascension', 2),
    (50, 'Whit Monday', 'Lundi de Pentecôte', 2)
),

listed as (
    select
        make_date(cast(easters.year as integer), fixed_holidays.month, fixed_holidays.day) as day_on,
        fixed_holidays.en,
        fixed_holidays.fr,
        fixed_holidays.turn
    from easters
    cross join fixed_holidays
    union all
    select
        easters.easter_on + movable_holidays.days_after_easter as day_on,
        movable_holidays.en,
        movable_holidays.fr,
        movable_holidays.turn
    from easters
    cross join movable_holidays
),

-- of two on one day, as Ascension on 1 or 8 May, the one of a fixed date
holidays as (
    select * from listed
    qualify row_number() over (partition by day_on order by turn) = 1
),

-- of a local time that exists twice the later reading
bounds as (
    select
        day_on,
        {{ instant_of_local_time('cast(day_on as timestamp)', zone) }} as midnight,
        {{ instant_of_local_time('cast(day_on as timestamp) + interval 6 hour', zone) }} as morning,
        {{ instant_of_local_time('cast(day_on as timestamp) + interval 21 hour', zone) }} as evening
    from days
),

instants as (
    select
        day_on,
        coalesce({{ earlier_of_two('midnight', zone) }}, midnight) as begins_at,
        coalesce({{ earlier_of_two('morning', zone) }}, morning) as night_ends_at,
        coalesce({{ earlier_of_two('evening', zone) }}, evening) as night_begins_at
    from bounds
),

final as (
    select
        day_on,
        year(day_on) as year,
        left({{ date_text('day_on') }}, 7) as month,
        cast(date_trunc('month', day_on) as date) as month_begins_on,
        cast(date_trunc('week', day_on) as date) as week_begins_on,
        -- a week is of the year that its Thursday is in
        year(week_begins_on + 3) || '-W' || lpad(cast(extract(week from day_on) as string), 2, '0') as week,
        {{ whole_units_between('day', 'week_begins_on', 'day_on') }} + 1 as weekday_number,
        weekday_number > 5 as is_weekend,
        holidays.day_on is not null as is_holiday,
        holidays.en as holiday_en,
        holidays.fr as holiday_fr,
        instants.begins_at,
        instants.night_ends_at,
        instants.night_begins_at,
        coalesce(
            lead(instants.begins_at) over (order by day_on), instants.begins_at + interval 1 day
        ) as ends_at
    from instants
    left join holidays using (day_on)
)

select * from final
