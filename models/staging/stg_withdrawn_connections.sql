{{ config(
    materialized='incremental',
    incremental_strategy='changed_rows',
    meta={'changes_where': changes_without_delivery('withdrawn_connections')}
) }}

with typed as (
    {{ new_and_retried_rows('withdrawn_connections') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        connection_id,
        withdrawn_at,
        reason,
        {{ validation_columns('withdrawn_connections', retry='rejected rows') }},
        is_current,
        last_load_number,
        previous_rejection,
        previous_row_status,
        was_candidate
    from typed
),

with_same_key_rows as (
    {{ with_same_key_rows('validated', 'withdrawn_connections', ['connection_id']) }}
),

-- they point to nothing, so that what is rejected stays so
deduplicated as (
    select
        *,
        {{ row_status(['connection_id'], compared=['withdrawn_at', 'reason']) }} as row_status,
        false as is_candidate
    from with_same_key_rows
),

final as (
    {{ changed_rows('deduplicated', 'withdrawn_connections') }}
)

select * from final
