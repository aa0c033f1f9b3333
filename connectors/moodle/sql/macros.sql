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
