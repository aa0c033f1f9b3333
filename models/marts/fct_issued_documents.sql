with listed as (
    select
        *,
        -- of a session, kind and month only the latest issue says what is in force
        issue_number = max(issue_number) over (partition by session_id, document_kind, month) as is_in_latest_issue
    from {{ ref('stg_issued_documents') }}
),

-- as the first issue that lists a document has it: that which made it, unless its folder is gone
made as (
    select *
    from listed
    where event <> 'cancelled'
    qualify row_number() over (partition by document_id order by issue_number) = 1
),

in_force as (
    select document_id
    from listed
    where event <> 'cancelled' and is_in_latest_issue
),

-- what took a document out of force: the one in its place, or the issue that cancelled it
ended as (
    select
        replaced_document_id as ended_document_id,
        document_id as replacing_document_id,
        cast(null as string) as cancelled_reason,
        issue_number,
        issued_at as ended_at
    from listed
    where event <> 'cancelled' and replaced_document_id is not null
    union all
    select
        document_id as ended_document_id,
        null as replacing_document_id,
        cancelled_reason,
        issue_number,
        issued_at as ended_at
    from listed
    where event = 'cancelled'
),

final as (
    select
        made.document_id,
        made.document_kind,
        made.user_id,
        made.session_id,
        made.month,
        made.issue_number,
        made.issued_on,
        case when made.event = 'made' then made.issued_at end as issued_at,
        case when made.event = 'made' then made.build_id end as build_id,
        case when made.event = 'made' then made.rules_edition end as rules_edition,
        made.data_as_of,
        made.attested_seconds,
        made.page_count,
        made.pdf_sha256,
        in_force.document_id is not null as is_in_force,
        case when not is_in_force then ended.ended_at end as ended_at,
        case when not is_in_force then ended.replacing_document_id end as replacing_document_id,
        case when not is_in_force then ended.cancelled_reason end as cancelled_reason
    from made
    left join in_force using (document_id)
    left join ended on made.document_id = ended.ended_document_id
    qualify row_number() over (partition by made.document_id order by ended.issue_number) = 1
)

select * from final
