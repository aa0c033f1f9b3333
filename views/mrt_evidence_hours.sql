-- One row per program session per level of evidence and of proof: connections and hours.
select
    totals.session_id,
    totals.session_name,
    totals.evidence_level,
    evidence_levels.label_en,
    evidence_levels.label_fr,
    totals.proof_level,
    totals.connection_count,
    totals.retained_seconds,
    totals.retained_hours
from (
    select
        session_id,
        session_name,
        evidence_level,
        proof_level,
        {{ metric('connection_count') }} as connection_count,
        {{ metric('retained_seconds') }} as retained_seconds,
        {{ metric('retained_hours') }} as retained_hours
    from fct_opco_connections
    group by all
) as totals
inner join evidence_levels on totals.evidence_level = evidence_levels.evidence_level
