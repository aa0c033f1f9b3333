"""The follow-up of any campus at any clock (D4), worked out once more from the raw cells.

Connections and what completes a step are taken from the marts, which the other property tests compare with the rules.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.built import Built, Project, RawFolder, build, build_one_by_one, compile_project
from tests.properties.campuses import CLOCKS, followed_campuses, of
from tests.properties.conftest import examples
from tests.properties.test_proof import Key, of_learner, read

pytestmark = pytest.mark.xdist_group("properties-of-figures")

clocks = st.sampled_from(CLOCKS).map(datetime.fromisoformat)
IMPATIENT = 3


@pytest.fixture(scope="session")
def impatient_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return compile_project(tmp_path_factory.mktemp("impatient"), {"follow_up.silence_days": str(IMPATIENT)})


@examples(8)
@given(folder=followed_campuses(), clock=clocks)
def test_the_follow_up_is_that_of_the_rules(project: Project, folder: RawFolder, clock: datetime) -> None:
    holds_what_the_rules_say(build(project, folder, clocks=[clock]), folder, clock, timedelta(days=21))


@examples(2)
@given(folder=followed_campuses(), clock=clocks)
def test_with_another_silence_too(impatient_project: Project, folder: RawFolder, clock: datetime) -> None:
    holds_what_the_rules_say(build(impatient_project, folder, clocks=[clock]), folder, clock, timedelta(IMPATIENT))


@examples(2)
@given(folder=followed_campuses(), after=followed_campuses(), instants=st.tuples(clocks, clocks).map(sorted))
def test_builds_that_go_on_follow_up_as_a_full_build(
    project: Project, folder: RawFolder, after: RawFolder, instants: list[datetime]
) -> None:
    # Once only the clock moves, so that no learner is computed again; once what grows does too.
    grown = {**folder, "assessment_results.csv": after["assessment_results.csv"]}
    for last in (folder, grown):
        further = build_one_by_one(project, folder, last, clocks=instants).marts()
        assert further == build(project, folder, last, clocks=instants[1:]).marts()


def holds_what_the_rules_say(built: Built, folder: RawFolder, clock: datetime, silence: timedelta) -> None:
    assert built.failed_checks == ()
    found = {(row["user_id"], row["session_id"]): row for row in built.tables["fct_learner_follow_up"]}
    learners = {
        (row["user_id"], row["session_id"])
        for row in built.tables["fct_learner_sessions"]
        if of_learner(of(folder, "enrollments"), (row["user_id"], row["session_id"]))
        or not of_learner(of(folder, "session_instructors"), (row["user_id"], row["session_id"]))
    }
    assert found.keys() == learners
    wanted = {key: followed(key, built, folder, clock.replace(tzinfo=None), silence) for key in learners}
    for key, row in wanted.items():
        assert {name: found[key][name] for name in row} == row, key
    indicators = {(row["session_id"], row["measure"]): row for row in built.tables["fct_program_session_indicators"]}
    day = clock.astimezone(ZoneInfo("Europe/Paris")).date().isoformat()
    for session in of(folder, "program_sessions"):
        rows = [row for (_, session_id), row in wanted.items() if session_id == session["session_id"]]
        for measure, (number, numerator, denominator) in figures(rows).items():
            row = indicators.pop((session["session_id"], measure))
            assert (row["numerator"], row["denominator"]) == (numerator, denominator), (session, measure)
            rate = Decimal(numerator * 10**8 // denominator) / 10**6 if denominator else None
            assert row["rate_pct"] == rate
            assert row["indicator_number"] == number
            assert row["reference_version"] == ("V9" if day <= "2026-10-31" else "V10")
    assert indicators == {}


def followed(key: Key, built: Built, folder: RawFolder, clock: datetime, silence: timedelta) -> dict[str, Any]:
    """What the follow-up of one learner has come to, and why."""
    session = next(cells for cells in of(folder, "program_sessions") if cells["session_id"] == key[1])
    starts_at, ends_at = read(session["starts_at"]), read(session["ends_at"])
    enrollments = of_learner(of(folder, "enrollments"), key)
    left = [read(cells["unenrolled_at"]) for cells in enrollments]
    unenrolled_at = max((at for at in left if at), default=None) if None not in left else None
    results = of_learner(of(folder, "assessment_results"), key)
    attempts = of_learner(of(folder, "course_attempts"), key)
    connections = of_learner(built.tables["fct_opco_connections"], key)
    questions = [
        cells for cells in of_learner(of(folder, "tutor_interactions"), key) if cells["asked_at"]
    ]  # whoever answered, a person or a machine
    instants = [row["disconnected_at"] or row["connected_at"] for row in connections]
    instants += [read(cells["submitted_at"]) for cells in results]
    instants += [read(cells[name]) for cells in attempts for name in ("last_activity_at", "completed_at")]
    instants += [read(cells["asked_at"]) for cells in questions]
    last_activity_at = max((at for at in instants if at), default=None)
    enrolled = [read(cells["enrolled_at"]) for cells in enrollments]
    silent_since = max((at for at in (last_activity_at, starts_at, *enrolled) if at), default=None)

    steps = of_learner(built.tables["fct_credited_activities"], key)
    required = [step for step in steps if not step["is_optional"]]
    lessons = [step for step in required if step["step_type"] == "course"]
    assessments = {step["resource_id"] for step in steps if step["step_type"] == "assessment"}
    handed_in = {cells["assessment_id"] for cells in results} & assessments
    placement = {
        cells["assessment_id"] for cells in of(folder, "assessments") if cells["evaluation_kind"] == "placement"
    }
    judged = {cells["assessment_id"] for cells in results if cells["is_passed"]} & assessments - placement
    passed = {cells["assessment_id"] for cells in results if cells["is_passed"] == "yes"} & judged

    has_activity = bool(connections or results or attempts or questions)
    has_completed = bool(required) and all(step["is_completed"] for step in required)
    is_effective = has_completed and bool(handed_in)
    lessons_alone = bool(lessons) and all(step["is_completed"] for step in lessons) and not handed_in
    is_before = starts_at is not None and clock < starts_at
    is_over = ends_at is not None and clock > ends_at
    is_out = unenrolled_at is not None and clock > unenrolled_at
    is_open = not (is_before or is_over or is_out)
    is_silent = is_open and not is_effective and silent_since is not None and clock - silent_since >= silence
    went = is_out and unenrolled_at is not None and (ends_at is None or unenrolled_at < ends_at)
    faded = is_over and None not in (ends_at, last_activity_at) and ends_at - last_activity_at >= silence  # type: ignore[operator]
    if is_effective:
        status = "effective"
    elif is_over or is_out:
        status = "incomplete"
    elif is_silent:
        status = "to_chase"
    elif lessons_alone:
        status = "incomplete"
    else:
        status = "in_progress" if has_activity else "not_started"
    reasons = {
        "no_activity": not has_activity,
        "session_not_begun": is_before,
        "session_ended": is_over,
        "enrollment_ended": is_out,
        "silent": is_silent,
        "no_required_step": not required,
        "required_steps_missing": bool(required) and not has_completed,
        "required_steps_completed": has_completed,
        "lessons_without_assessment": lessons_alone,
        "assessment_passed": bool(passed),
        "assessment_handed_in": bool(handed_in),
    }
    return {
        "established_at": clock,
        "follow_up_status": status,
        "follow_up_reasons": [reason for reason, holds in reasons.items() if holds],
        "is_open": is_open,
        "has_activity": has_activity,
        "has_completed_steps": has_completed,
        "has_abandoned": has_activity and bool(required) and not has_completed and (went or faded),
        "last_activity_at": last_activity_at,
        "silent_since_at": silent_since,
        "last_unenrolled_at": unenrolled_at,
        "required_step_count": len(required),
        "handed_in_assessment_count": len(handed_in),
        "judged_assessment_count": len(judged),
        "passed_assessment_count": len(passed),
    }


def figures(rows: list[dict[str, Any]]) -> dict[str, tuple[int, int, int]]:
    """Indicator, numerator and denominator of each figure of a session."""
    required = [row for row in rows if row["required_step_count"]]
    begun = [row for row in required if row["has_activity"]]
    return {
        "completion_rate": (2, sum(row["has_completed_steps"] for row in rows), len(required)),
        "learners_to_chase": (
            10,
            sum(row["follow_up_status"] == "to_chase" for row in rows),
            sum(row["is_open"] for row in rows),
        ),
        "pass_rate": (
            11,
            sum(row["passed_assessment_count"] for row in rows),
            sum(row["judged_assessment_count"] for row in rows),
        ),
        "abandonment_rate": (12, sum(row["has_abandoned"] for row in rows), len(begun)),
    }
