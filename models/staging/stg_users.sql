{{ config(materialized='incremental', incremental_strategy='all_rows') }}

with cells as (
    select
        {{ delivered_cells('users') }}
    from {{ source('raw', 'users') }}
),

typed as (
    select
        *,
        {{ as_text('user_id') }} as user_id,
        {{ as_text('email') }} as email,
        {{ as_text('username') }} as username,
        {{ as_text('first_name') }} as first_name,
        {{ as_text('last_name') }} as last_name,
        {{ as_text('additional_information') }} as additional_information,
        {{ as_word('users', 'status') }} as status,
        {{ as_instant('deleted_at') }} as deleted_at,
        {{ as_text('language') }} as language,
        {{ as_text('employer') }} as employer
    from cells
),

judged as (
    select
        typed.*,
        {{ first_fault('users') }} as fault,
        {{ emptied_cells('users') }} as emptied_cells
    from typed
),

listed as (
    select
        file,
        line,
        loaded_at,
        user_id,
        email,
        username,
        first_name,
        last_name,
        additional_information,
        coalesce(status, 'active') as status,
        deleted_at,
        language,
        employer,
        fault,
        emptied_cells,
        is_current,
        last_load_number
    from judged
    {{ as_the_last_build_kept_it() }}
),

sorted_out as (
    select
        * exclude (is_current, last_load_number),
        {{ fate(['user_id']) }} as fate
    from listed
),

final as (
    select
        *,
        fate in ('kept', 'gone') as is_kept
    from sorted_out
    where fate <> 'past'
)

select * from final
