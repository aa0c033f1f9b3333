-- What several of the statements need. Times of Moodle are seconds since 1970 in UTC, 0 where there is none.
create macro instant(epoch) as case when epoch > 0 then to_timestamp(epoch) end;

create macro iso_instant(epoch) as case when epoch > 0 then strftime(make_timestamp(epoch * 1000000), '%Y-%m-%dT%H:%M:%SZ') end;

create macro number(digits) as try_cast(digits as decimal(18, 5));

create macro pct(part, whole) as case
    when whole > 0 and part >= 0 and part <= whole then cast(100 * part / whole as decimal(9, 6))
end;

create macro blank_as_null(words) as nullif(trim(words, ' ' || chr(9) || chr(10) || chr(13)), '');

-- Texts in several languages: {mlang fr}…{mlang} and <span lang="fr" class="multilang">…</span>. The part in the
-- display language stays, else the one for all others, else the first.
create macro mlang_part(words, wanted) as regexp_replace(
    regexp_replace(words, '(?is)\{mlang\s+(?:[a-z_-]+\s*,\s*)*' || wanted || '\s*(?:,[^}]*)?\}(.*?)\{mlang\}', '\1', 'g'),
    '(?is)\{mlang\s[^}]*\}.*?\{mlang\}', '', 'g'
);

create macro span_part(words, wanted) as regexp_replace(
    regexp_replace(
        words,
        '(?is)<span\s(?:lang="' || wanted || '"\sclass="multilang"|class="multilang"\slang="' || wanted || '")\s*>(.*?)</span>',
        '\1', 'g'
    ),
    '(?is)<span\s(?:lang="[^"]*"\sclass="multilang"|class="multilang"\slang="[^"]*")\s*>.*?</span>', '', 'g'
);

create macro mlang_language(words) as case
    when regexp_matches(words, '(?i)\{mlang\s+([a-z_-]+\s*,\s*)*' || getvariable('language') || '\s*[,}]') then getvariable('language')
    when regexp_matches(words, '(?i)\{mlang\s+other\s*\}') then 'other'
    else regexp_extract(words, '(?i)\{mlang\s+([a-z_-]+)', 1)
end;

create macro span_language(words) as case
    when regexp_matches(words, '(?i)<span\s[^>]*lang="' || getvariable('language') || '"') then getvariable('language')
    else regexp_extract(words, '(?i)<span\s[^>]*lang="([^"]*)"', 1)
end;

create macro in_display_language(words) as case
    when words like '%{mlang%' then mlang_part(words, mlang_language(words))
    when words like '%multilang%' then span_part(words, span_language(words))
    else words
end;

create macro text_of_html(html) as blank_as_null(
    replace(replace(replace(replace(replace(replace(
        regexp_replace(
            regexp_replace(
                regexp_replace(html, '(?is)<(script|style)[^>]*>.*?</(script|style)>', '', 'g'),
                '(?i)\s*(<br\s*/?>|</p>|</div>|</li>)\s*', chr(10), 'g'
            ),
            '<[^>]*>', '', 'g'
        ),
    '&nbsp;', ' '), '&lt;', '<'), '&gt;', '>'), '&quot;', '"'), '&#39;', ''''), '&amp;', '&')
);

-- The session of an event (id, user_id, course_id, at): of those that have its course and of which its user ever was a
-- member, first that whose interval and dates hold it, then dates alone, interval alone, none; then the earlier start.
create macro session_of(events, candidate_sessions) as table
with choices as materialized (
    select user_id, course_id, min(session_id) as session_id, min(session_id) = max(session_id) as is_single
    from query_table(candidate_sessions)
    group by user_id, course_id
),

several as (
    select user_id, course_id
    from choices
    where not is_single
),

singles as (
    select user_id, course_id, session_id
    from choices
    where is_single
),

ranked as (
    select
        e.id,
        c.session_id,
        min(
            case
                when c.is_within_dates and c.is_within_interval then 1
                when c.is_within_dates then 2
                when c.is_within_interval then 3
                else 4
            end
        ) as candidate_rank,
        any_value(coalesce(c.starts_at, 9223372036854775807)) as starts_at
    from query_table(events) as e
    inner join several using (user_id, course_id)
    inner join lateral (
        select
            s.session_id,
            s.starts_at,
            e.at >= coalesce(s.starts_at, e.at) and e.at <= coalesce(s.ends_at, e.at) as is_within_dates,
            e.at >= coalesce(s.begins_at, e.at) and e.at <= coalesce(s.left_at, e.at) as is_within_interval
        from query_table(candidate_sessions) as s
        where s.user_id = e.user_id and s.course_id = e.course_id
    ) as c on true
    group by e.id, c.session_id
),

chosen as (
    select
        id,
        arg_min(session_id, (candidate_rank, starts_at, session_id)) as session_id,
        count(*) filter (where candidate_rank = 1) > 1 as is_tie
    from ranked
    group by id
)

select
    e.id,
    coalesce(s.session_id, c.session_id) as session_id,
    coalesce(c.is_tie, false) as is_tie
from query_table(events) as e
left join singles as s using (user_id, course_id)
left join chosen as c on e.id = c.id;
