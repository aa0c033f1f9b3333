"""What a funder would send a session's documents back for, found before anything is made (D5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from warehouse.errors import UserError
from warehouse.sql import quoted_literal, rows_of

TYPES = {
    "funder": "varchar",
    "document": "varchar",
    "field": "varchar",
    "is_required": "boolean",
    "source": "varchar",
    "read_on": "date",
    "valid_from": "date",
    "valid_until": "date",
}
"""The columns of a file of requirements, in their order."""

# Each field that a requirement may name: who lacks it, and in what. `learners` are those who did anything.
GAPS = {
    "learner_name": "select user_id, '' as detail from learners where last_name is null or first_name is null",
    "employer": "select user_id, '' as detail from learners where employer is null",
    "session_dates": """
        select user_id, '' as detail from learners, this_session where starts_at is null or ends_at is null
    """,
    "dates_within_session": """
        select user_id, strftime(min(connected_on), '%d/%m/%Y') || ' – ' || strftime(max(connected_on), '%d/%m/%Y')
        from connections where list_contains(flags, 'outside_session_dates') group by user_id
    """,
    "credited_hours": "select user_id, '' from learners where coalesce(credited_seconds, 0) = 0",
    "activity_durations": """
        select user_id, string_agg(resource_name, ', ' order by step_number)
        from activities where is_completed and planned_duration_seconds is null group by user_id
    """,
    "required_steps": """
        select user_id, string_agg(resource_name, ', ' order by step_number)
        from activities where not is_optional and not is_completed group by user_id
    """,
    "evaluation": """
        select user_id, '' from learners where user_id not in (
            select user_id from activities where step_type = 'assessment' and (is_completed or is_started)
        )
    """,
    "exam": """
        select user_id, '' from learners where user_id not in (
            select user_id from activities where evaluation_kind = 'certification_exam' and is_completed
        )
    """,
    "assistance": "select user_id, '' from learners where interaction_count = 0",
    "modality_split": "select user_id, '' from learners where not has_delivered_modality",
    "connections": "select user_id, '' from learners where connection_count = 0",
    "closed_connections": """
        select user_id, string_agg(strftime(connected_on, '%d/%m/%Y'), ', ' order by connected_at)
        from connections where disconnected_at is null group by user_id
    """,
    "signed_log": """
        select user_id, string_agg(month, ', ' order by month)
        from (select distinct user_id, strftime(connected_on, '%Y-%m') as month from connections)
        anti join signed using (user_id, month)
        group by user_id
    """,
    "signatory": "select user_id, '' from learners where not $has_signatory",
    "stamp": "select user_id, '' from learners where not $has_stamp",
}

QUERY = """
with this_session as (
    select * from dim_program_sessions where session_id = $session_id
),

learners as (
    select fct_learner_sessions.*, dim_learners.last_name, dim_learners.first_name, dim_learners.employer
    from fct_learner_sessions
    inner join dim_learners on dim_learners.user_id = fct_learner_sessions.user_id
    where fct_learner_sessions.session_id = $session_id
        and (fct_learner_sessions.is_enrolled or not fct_learner_sessions.is_instructor)
        and (fct_learner_sessions.has_played or fct_learner_sessions.completed_step_count > 0)
),

connections as (
    select fct_opco_connections.*
    from fct_opco_connections
    where session_id = $session_id and user_id in (select user_id from learners)
),

activities as (
    select fct_credited_activities.*
    from fct_credited_activities
    where session_id = $session_id and user_id in (select user_id from learners)
),

gaps as (
    {gaps}
)

select
    gaps.user_id,
    learners.last_name,
    learners.first_name,
    requirements.document,
    requirements.field,
    requirements.is_required,
    gaps.detail,
    requirements.source,
    requirements.read_on,
from requirements
inner join gaps on gaps.field = requirements.field
inner join learners on learners.user_id = gaps.user_id
where requirements.funder = $funder
    and requirements.valid_from <= $today
    and (requirements.valid_until is null or requirements.valid_until >= $today)
order by
    lower(strip_accents(learners.last_name)) nulls last,
    lower(strip_accents(learners.first_name)) nulls last,
    gaps.user_id,
    not requirements.is_required,
    requirements.document,
    requirements.field
"""


@dataclass(frozen=True)
class Funder:
    """A funder's profile; `is_transcribed` where its source is a third party's transcription, to be checked."""

    funder: str
    label: str
    is_transcribed: bool
    note: str


@dataclass(frozen=True)
class Gap:
    """What one learner lacks of a requirement; `detail` says in what, `source` and `read_on` who asks for it."""

    user_id: str
    last_name: str | None
    first_name: str | None
    document: str
    field: str
    is_required: bool
    detail: str
    source: str
    read_on: date


def read_funders(db: duckdb.DuckDBPyConnection, own: Path, today: date) -> list[Funder]:
    """Return the profiles in force on a day: those of the warehouse, then those of the home's file `own`."""
    query = """
    select funder, label, is_transcribed, note
    from funder_profiles
    where valid_from <= $today and (valid_until is null or valid_until >= $today)
    order by funder
    """
    found = [Funder(**row) for row in rows_of(db, query, {"today": today})]
    known = {one.funder for one in found}
    names = sorted({row["funder"] for row in _own_requirements(own).to_pylist()} - known)
    return [*found, *(Funder(name, name, is_transcribed=False, note=own.name) for name in names)]


def find_gaps(
    db: duckdb.DuckDBPyConnection,
    session_id: str,
    funder: str,
    *,
    own: Path,
    today: date,
    signed: Sequence[tuple[str, str]],
    has_signatory: bool,
    has_stamp: bool,
) -> list[Gap]:
    """Return what each learner of a session lacks of a funder's requirements in force on a day.

    `own` is the home's own file of requirements, which need not be there; where it names the funder, its rows take the
    place of the warehouse's. `signed` names learners and months (YYYY-MM) of logs that were signed.

    Raises UserError for an unknown funder, and a file whose columns or fields cannot be used.
    """
    funders = [one.funder for one in read_funders(db, own, today)]
    if funder not in funders:
        raise UserError(
            f"There is no profile of the funder {funder!r}. Known: {', '.join(funders)}.\n"
            f"A profile of your own goes into {own}: docs/documents.md says how."
        )
    own_rows = _own_requirements(own)
    is_own = funder in own_rows.column("funder").to_pylist()
    shipped = db.execute(f"select {', '.join(TYPES)} from funder_requirements").to_arrow_table()
    signed_logs = pa.table(
        {"user_id": [one for one, _ in signed], "month": [month for _, month in signed]},
        pa.schema([("user_id", pa.string()), ("month", pa.string())]),
    )
    gaps = "\n    union all\n    ".join(
        f"select user_id, '{field}' as field, detail from ({query}) as found (user_id, detail)"
        for field, query in GAPS.items()
    )
    parameters = {
        "session_id": session_id,
        "funder": funder,
        "today": today,
        "has_signatory": has_signatory,
        "has_stamp": has_stamp,
    }
    db.register("requirements", own_rows if is_own else shipped)
    db.register("signed", signed_logs)
    try:
        return [Gap(**row) for row in rows_of(db, QUERY.format(gaps=gaps), parameters)]
    finally:
        db.unregister("requirements")
        db.unregister("signed")


def _own_requirements(path: Path) -> pa.Table:
    """Return the requirements of the home's own file; none where it is not there. Raises UserError for a wrong one."""
    columns = ", ".join(f"{name}: {quoted_literal(kind)}" for name, kind in TYPES.items())
    with duckdb.connect() as db:
        if not path.is_file():
            return db.execute(
                f"select {', '.join(f'null::{kind} as {name}' for name, kind in TYPES.items())} limit 0"
            ).to_arrow_table()
        try:
            head = path.read_text(encoding="utf-8-sig").split("\n", 1)[0].strip()
            rows = db.execute(
                f"from read_csv({quoted_literal(path)}, header = true, delim = ',', columns = {{{columns}}})"
            ).to_arrow_table()
        except (duckdb.Error, UnicodeDecodeError) as error:
            raise UserError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    if head.split(",") != list(TYPES):
        raise UserError(f"{path} has other columns than these, in this order: {','.join(TYPES)}")
    if unknown := sorted({str(field) for field in rows.column("field").to_pylist()} - GAPS.keys()):
        raise UserError(f"{path} names the unknown field {unknown[0]!r}. Known: {', '.join(sorted(GAPS))}.")
    return rows
