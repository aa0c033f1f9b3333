"""What an attestation is made from and what its making yields: plain values, no behaviour.

Instants named `*_at` are UTC, without a zone, to the microsecond; `*_local` are the same instants as a
clock in the display time zone shows them; `*_on` are local days. Seconds are whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

Lack = Literal["nothing_completed", "without_duration"]


@dataclass(frozen=True)
class Build:
    """The published build a document is made from, with the settings of section T really used."""

    build_id: str
    data_as_of: datetime
    data_as_of_local: datetime
    inactivity_timeout_minutes: int
    max_connection_minutes: int | None
    long_connection_minutes: int
    raw_timezone: str
    display_timezone: str
    opco_version: str
    rules_edition: int


@dataclass(frozen=True)
class Session:
    """A program session and its template."""

    session_id: str
    session_name: str
    starts_on: date | None
    ends_on: date | None
    program_template_id: str
    program_template_name: str
    planned_duration_seconds: int | None


@dataclass(frozen=True)
class SessionLearner:
    """Someone who was enrolled in the session or left a trace in it.

    `only_instructs` is who instructs the session and has no enrolment in it. `has_played` is whether there is
    something for a document to say; where there is not, `lacks` says what, and `detail` names it.
    """

    user_id: str
    last_name: str | None
    first_name: str | None
    is_deleted: bool
    has_played: bool
    only_instructs: bool
    lacks: Lack | None = None
    detail: str = ""


@dataclass(frozen=True)
class CodeText:
    """The wording of a code (an end kind, an evidence level) in the document's language."""

    code: str
    label: str
    description: str


@dataclass(frozen=True)
class CodeTexts:
    """The codes that documents explain: ends that get a sign in the log, flags (T7), evidence from the strongest on."""

    inexplicit_ends: tuple[CodeText, ...]
    flags: tuple[CodeText, ...]
    evidence_levels: tuple[CodeText, ...]


@dataclass(frozen=True)
class ClockTime:
    """An instant as it is printed; beside a date alone its offset only on a day when clocks change."""

    at: datetime
    local: datetime
    offset_minutes: int
    is_clock_change_day: bool


@dataclass(frozen=True)
class Totals:
    """A learner's figures in the session (A3); T5 seconds of closed connections."""

    connection_count: int
    open_connection_count: int
    connection_day_count: int
    elapsed_seconds: int
    capped_seconds: int
    overlap_seconds: int
    retained_seconds: int
    first_connected: ClockTime
    last_connection: ClockTime
    progress_pct: Decimal | None
    score_pct: Decimal | None
    progress_source: str | None
    score_source: str | None


@dataclass(frozen=True)
class Finding:
    """What an inspector would find (A3): a flag of T7, how many connections have it, and their retained seconds.

    `learner_count` is how many learners' connections these are.
    """

    flag: str
    label_fr: str
    label_en: str
    learner_count: int
    connection_count: int
    retained_seconds: int


@dataclass(frozen=True)
class Step:
    """One course or assessment of the session (A4); completed_on is a local day."""

    step_type: str
    resource_id: str
    resource_name: str
    is_in_program: bool
    is_optional: bool
    is_started: bool
    planned_duration_seconds: int | None
    connection_count: int
    retained_seconds: int
    progress_pct: Decimal | None
    score_pct: Decimal | None
    is_passed: bool | None
    completed_on: date | None


@dataclass(frozen=True)
class LogLine:
    """One connection (A5); the four T5 figures are None while it is open.

    `flags` are those of T7 that the summary names; `day_seconds` is the total of the connection's local day;
    `shows_offsets` where a clock change lies between its ends or on the day of one of them.
    """

    number: int
    connection_id: str
    course_id: str
    course_name: str
    connected: ClockTime
    disconnected: ClockTime | None
    end_kind: str
    evidence_level: str
    elapsed_seconds: int | None
    capped_seconds: int | None
    overlap_seconds: int | None
    retained_seconds: int | None
    running_total_seconds: int
    is_overlapped_in_session: bool
    is_overlapped_outside_session: bool
    is_overlapped_by_other_account: bool
    flags: tuple[str, ...]
    day_seconds: int
    shows_offsets: bool


@dataclass(frozen=True)
class Day:
    """A local day on which at least one connection began, with the retained seconds of those."""

    on: date
    retained_seconds: int


@dataclass(frozen=True)
class LearnerRecord:
    """All that is printed about one learner in one session; `custom_fields` are those asked for, with their values."""

    user_id: str
    last_name: str | None
    first_name: str | None
    employer: str | None
    totals: Totals
    days: tuple[Day, ...]
    steps: tuple[Step, ...]
    log: tuple[LogLine, ...]
    findings: tuple[Finding, ...]
    custom_fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RenderedDocument:
    """A finished PDF and what was noticed while it was made."""

    content: bytes
    pages: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Replaced:
    """The document that a new one cancels and replaces."""

    number: str
    issued_on: date
