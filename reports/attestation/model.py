"""What an attestation is made from and what its making yields: plain values, no behaviour.

Instants named `*_at` are UTC, without a zone, to the microsecond; `*_local` are the same instants as a
clock in the display time zone shows them; `*_on` are local days. Seconds are whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

Language = Literal["fr", "en"]


@dataclass(frozen=True)
class AttestationInputs:
    """What the organisation adds to its documents; a part whose input is None is left out.

    `training_duration` is the "Duration of training sessions" as typed; `logo` and `stamp` are names
    relative to the assets folder (PNG, JPEG or SVG).
    """

    organisation_name: str | None = None
    legal_representative: str | None = None
    capacity: str | None = None
    training_duration: str | None = None
    place: str | None = None
    footer: str | None = None
    language: Language = "fr"
    logo: Path | None = None
    stamp: Path | None = None


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


@dataclass(frozen=True)
class Session:
    """A program session and its template."""

    session_id: str
    session_name: str
    starts_on: date | None
    ends_on: date | None
    program_template_id: str
    program_template_name: str


@dataclass(frozen=True)
class SessionLearner:
    """Someone who was enrolled in the session or left a trace in it."""

    user_id: str
    last_name: str | None
    first_name: str | None
    is_deleted: bool
    has_played: bool


@dataclass(frozen=True)
class CodeText:
    """The wording of a code (an end kind, an evidence level) in the document's language."""

    code: str
    label: str
    description: str


@dataclass(frozen=True)
class ClockTime:
    """An instant as the log prints it; the offset only on a day when clocks change (A5)."""

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
    """One connection (A5); the four T5 figures are None while it is open."""

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


@dataclass(frozen=True)
class Day:
    """A local day on which at least one connection began, with the retained seconds of those."""

    on: date
    retained_seconds: int


@dataclass(frozen=True)
class LearnerRecord:
    """All that is printed about one learner in one session."""

    user_id: str
    last_name: str | None
    first_name: str | None
    employer: str | None
    totals: Totals
    days: tuple[Day, ...]
    steps: tuple[Step, ...]
    log: tuple[LogLine, ...]


@dataclass(frozen=True)
class Replaced:
    """The document that a new one cancels and replaces."""

    number: str
    issued_on: date


@dataclass(frozen=True)
class CheckedImage:
    """An image from the assets folder whose content was found to be what it claims.

    `sha256` is that of the file; `content` of an SVG is what cleaning left, `left_out` names what it took away.
    """

    name: str
    mime_type: str
    content: bytes
    sha256: str
    left_out: tuple[str, ...] = ()
