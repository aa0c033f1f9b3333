with final as (
    select
        document_kind,
        session_id,
        month,
        issue_number,
        issued_at,
        build_id,
        rules_edition,
        user_id,
        document_id,
        replaced_document_id,
        event,
        cancelled_reason,
        issued_on,
        data_as_of,
        attested_seconds,
        page_count,
        pdf_sha256
    from {{ source('raw', 'issued_documents') }}
)

select * from final
