{%- set tables = var('raw_contract').items() | selectattr('1.delivery', 'equalto', 'growing') -%}
{%- set growing = tables | map(attribute=0) | list -%}
-- of growing tables what no file holds any more, and what an id said that says something else now
with final as (
    select
        raw_rows.table_name,
        raw_rows.file,
        raw_rows.line,
        raw_rows.row_id,
        raw_rows.user_id,
        raw_rows.session_id,
        cast({{ local_time('raw_rows.happened_at') }} as date) as happened_on,
        files.last_load_number + 1 as load_number,
        raw_rows.is_kept
    from {{ ref('int_raw_rows__classified') }} as raw_rows
    inner join {{ ref('stg_raw_files') }} as files on raw_rows.file_number = files.file_number
    left join {{ ref('int_raw_rows__lost') }} as lost
        on
            raw_rows.table_name = lost.table_name
            and raw_rows.file_number = lost.file_number
            and raw_rows.line = lost.line
    where
        raw_rows.table_name in ('{{ growing | join("', '") }}')
        and (
            raw_rows.row_status = 'gone'
            or (raw_rows.row_status = 'superseded_version' and lost.line is not null)
        )
)

select * from final
