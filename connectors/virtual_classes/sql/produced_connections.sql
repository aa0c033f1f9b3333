-- One row per stay in a class: its key, and what is delivered of it. The same stay in two files is one.
with
numbered as (
    select
        *,
        row_number() over (partition by report, user_id, session_id, course_id, connected_at order by line) as occurrence
    from judged_attendances
    where reason is null
)

select
    left(sha256(concat_ws(chr(31), user_id, session_id, course_id, cast(connected_at as varchar), occurrence)), 32)
        as connection_key,
    report,
    coalesce(nullif(email, ''), name_key(name)) as participant,
    user_id,
    session_id,
    course_id,
    as_instant(connected_at) as connected_at,
    as_instant(disconnected_at) as disconnected_at,
    if(disconnected_at is null, 'unknown', 'left') as end_reason,
    if(is_span, 'attempt_span', 'native_log') as evidence_level,
    'sync' as modality
from numbered
qualify row_number() over (
    partition by connection_key order by is_span, disconnected_at desc nulls last, report, line
) = 1
