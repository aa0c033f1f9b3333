"""What the documents on credited hours are made from: plain values. Names as in `reports.attestation.model`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from reports.attestation.model import ClockTime


@dataclass(frozen=True)
class Credit:
    """The settings of `[credit]` that the published build was made with (D1)."""

    without_duration: str
    partial: str
    is_capped_at_program: bool
    suspicious_below_pct: int


@dataclass(frozen=True)
class Activity:
    """One step of the program (D1); `completed` is None where it is not, or nothing says when."""

    step_type: str
    resource_id: str
    resource_name: str
    is_optional: bool
    is_completed: bool
    completed: ClockTime | None
    completion_source: str | None
    planned_duration_seconds: int | None
    progress_pct: Decimal | None
    score_pct: Decimal | None
    is_passed: bool | None
    retained_seconds: int
    credited_seconds: int
    is_suspicious: bool


@dataclass(frozen=True)
class Assistance:
    """What passed between the learner and tutors (D3); automated messages apart."""

    interaction_count: int = 0
    automated_count: int = 0
    question_count: int = 0
    answered_count: int = 0
    median_answer_seconds: int | None = None
    longest_answer_seconds: int | None = None
    within_delay_count: int | None = None


@dataclass(frozen=True)
class FollowedRecord:
    """What one learner followed of a session, whole or in a month.

    `first_on` and `last_on` are the first and the last local day on which anything was done. The three times of D1:
    elapsed, retained (its sum by proof level of D2), credited. `synchronous_seconds` is None where the platform does
    not tell. `action_kind` is the nature of the action. `activities` are the steps of the program, of a month those
    completed in it; `missing` names the required steps that are not completed, of whole sessions alone.
    """

    user_id: str
    last_name: str | None
    first_name: str | None
    employer: str | None
    custom_fields: tuple[tuple[str, str], ...]
    first_on: date
    last_on: date
    elapsed_seconds: int
    capped_seconds: int
    overlap_seconds: int
    retained_seconds: int
    work_seconds: int
    tutored_seconds: int
    consultation_seconds: int
    synchronous_seconds: int | None
    credited_seconds: int
    step_count: int
    completed_step_count: int
    action_kind: str
    announced_answer_delay_hours: int | None
    activities: tuple[Activity, ...]
    missing: tuple[str, ...]
    assistance: Assistance
