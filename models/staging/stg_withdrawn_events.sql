{{ config(
    materialized='incremental',
    incremental_strategy='changed_rows',
    meta={'changes_where': changes_without_delivery('withdrawn_events')}
) }}

with typed as (
    {{ new_and_retried_rows('withdrawn_events') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        event_id,
        withdrawn_at,
        reason,
        {{ validation_columns('withdrawn_events', retry='rejected rows') }},
        is_current,
        last_load_number,
        previous_rejection,
        previous_row_status,
        was_candidate
    from typed
),

with_same_key_rows as (
    {{ with_same_key_rows('validated', 'withdrawn_events', ['event_id']) }}
),

-- they point to nothing, so that what is rejected stays so
deduplicated as (
    select
        *,
        {{ row_status(['event_id'], compared=['withdrawn_at', 'reason']) }} as row_status,
        false as is_candidate
    from with_same_key_rows
),

final as (
    {{ changed_rows('deduplicated', 'withdrawn_events') }}
)

select * from final
