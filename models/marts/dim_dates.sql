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

{{ config(meta={
    'changes_where': '(select year(clock_at) + 5 from raw.this_build) > (select max(year(day_on)) from marts.dim_dates)'
}) }}
-- from the day that a connection of 2000 in UTC can fall on to the end of the fifth year after the build's clock
with days as (
    select cast(unnest(range(timestamp '1999-12-31', ends_at, interval 1 day)) as date) as day_on
    from (select date_trunc('year', clock_at) + interval 6 year as ends_at from {{ ref('stg_this_build') }})
),

-- the Gregorian Easter (Meeus, Jones, Butcher): century and year within it, the paschal moon, the Sunday after it
moons as (
    select distinct
        year(day_on) as year,
        year // 100 as century,
        year % 100 as year_of_century,
        (19 * (year % 19) + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30 as moon,
        (32 + 2 * (century % 4) + 2 * (year_of_century // 4) - moon - year_of_century % 4) % 7 as sunday,
        (year % 19 + 11 * moon + 22 * sunday) // 451 as correction
    from days
),

easters as (
    select
        year,
        make_date(
            year,
            (moon + sunday - 7 * correction + 114) // 31,
            (moon + sunday - 7 * correction + 114) % 31 + 1
        ) as easter_on
    from moons
),

listed as (
    select
        unnest([
            { 'day_on': make_date(year, 1, 1), 'en': 'New Year’s Day', 'fr': 'Jour de l’An', 'turn': 1 },
            { 'day_on': make_date(year, 5, 1), 'en': 'Labour Day', 'fr': 'Fête du Travail', 'turn': 1 },
            { 'day_on': make_date(year, 5, 8), 'en': 'Victory 1945', 'fr': 'Victoire 1945', 'turn': 1 },
            { 'day_on': make_date(year, 7, 14), 'en': 'National Day', 'fr': 'Fête nationale', 'turn': 1 },
            { 'day_on': make_date(year, 8, 15), 'en': 'Assumption', 'fr': 'Assomption', 'turn': 1 },
            { 'day_on': make_date(year, 11, 1), 'en': 'All Saints’ Day', 'fr': 'Toussaint', 'turn': 1 },
            { 'day_on': make_date(year, 11, 11), 'en': 'Armistice 1918', 'fr': 'Armistice 1918', 'turn': 1 },
            { 'day_on': make_date(year, 12, 25), 'en': 'Christmas Day', 'fr': 'Noël', 'turn': 1 },
            {%- for month, day, label_en, label_fr in of_territories.get(territory, []) %}
            {
                'day_on': make_date(year, {{ month }}, {{ day }}),
                'en': '{{ label_en }}',
                'fr': '{{ label_fr }}',
                'turn': 2
            },
            {%- endfor %}
            {%- if territory == 'alsace_moselle' %}
            { 'day_on': easter_on - 2, 'en': 'Good Friday', 'fr': 'Vendredi saint', 'turn': 2 },
            {%- endif %}
            { 'day_on': easter_on + 1, 'en': 'Easter Monday', 'fr': 'Lundi de Pâques', 'turn': 2 },
            { 'day_on': easter_on + 39, 'en': 'Ascension Day', 'fr': 'Ascension', 'turn': 2 },
            { 'day_on': easter_on + 50, 'en': 'Whit Monday', 'fr': 'Lundi de Pentecôte', 'turn': 2 }
        ], recursive := true)
    from easters
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
        timezone('UTC', timezone('{{ var("display_timezone") }}', cast(day_on as timestamp))) as midnight,
        timezone('UTC', timezone('{{ var("display_timezone") }}', day_on + interval 6 hour)) as morning,
        timezone('UTC', timezone('{{ var("display_timezone") }}', day_on + interval 21 hour)) as evening
    from days
),

instants as (
    select
        day_on,
        coalesce({{ earlier_of_two('midnight', var('display_timezone')) }}, midnight) as begins_at,
        coalesce({{ earlier_of_two('morning', var('display_timezone')) }}, morning) as night_ends_at,
        coalesce({{ earlier_of_two('evening', var('display_timezone')) }}, evening) as night_begins_at
    from bounds
),

final as (
    select
        day_on,
        year(day_on) as year,
        strftime(day_on, '%Y-%m') as month,
        strftime(day_on, '%G-W%V') as week,
        cast(date_trunc('month', day_on) as date) as month_begins_on,
        cast(date_trunc('week', day_on) as date) as week_begins_on,
        isodow(day_on) as weekday_number,
        isodow(day_on) > 5 as is_weekend,
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
