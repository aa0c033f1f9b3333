"""Credited hours, proof levels and assistance of any campus, worked out once more from the raw cells.

Connections and the steps of the program are taken from the marts, which the other property tests compare with
the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Any

import pytest
from hypothesis import given

from tests.properties.built import Built, Cells, Project, RawFolder, build, build_one_by_one, compile_project
from tests.properties.campuses import TEMPLATE_OF, assisted_campuses, of
from tests.properties.conftest import examples

pytestmark = pytest.mark.xdist_group("properties-of-figures")

Key = tuple[str, str]


@dataclass(frozen=True)
class Credit:
    """The settings of section [credit]."""

    without_duration: str = "refuse"
    partial: str = "none"
    cap_at_program: bool = False
    suspicious_below_pct: int = 10


GENEROUS = Credit("zero", "pro_rata", cap_at_program=True, suspicious_below_pct=100)


@pytest.fixture(scope="session")
def generous_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return compile_project(
        tmp_path_factory.mktemp("generous"), {f"credit.{name}": str(value) for name, value in vars(GENEROUS).items()}
    )


@examples(9)
@given(folder=assisted_campuses())
def test_what_is_credited_and_proven_is_that_of_the_rules(project: Project, folder: RawFolder) -> None:
    holds_what_the_rules_say(build(project, folder), folder, Credit())


@examples(9)
@given(folder=assisted_campuses())
def test_with_other_settings_too(generous_project: Project, folder: RawFolder) -> None:
    built = build(generous_project, folder)
    holds_what_the_rules_say(built, folder, GENEROUS)
    planned = {
        cells["program_template_id"]: cells["planned_duration_seconds"] for cells in of(folder, "program_templates")
    }
    for row in built.tables["fct_learner_sessions"]:
        total = planned[TEMPLATE_OF[row["session_id"]]]
        assert not total or row["credited_seconds"] <= int(total)


@examples(3)
@given(before=assisted_campuses(), folder=assisted_campuses())
def test_builds_that_go_on_credit_as_a_full_build(project: Project, before: RawFolder, folder: RawFolder) -> None:
    # Once with all tables changed, once with only those that grow.
    grown = {**before, **{path: rows for path, rows in folder.items() if path in GROWING}}
    assert build_one_by_one(project, before, folder).marts() == build(project, before, folder).marts()
    assert build_one_by_one(project, before, grown).marts() == build(project, before, grown).marts()


GROWING = (
    "course_attempts.csv",
    "assessment_results.csv",
    "course_connections.csv",
    "learning_events.csv",
    "tutor_interactions.csv",
)


def holds_what_the_rules_say(built: Built, folder: RawFolder, credit: Credit) -> None:
    assert built.failed_checks == ()
    for connection in built.tables["fct_opco_connections"]:
        assert connection["proof_level"] == proof_level(connection, built, folder), connection
    activities: dict[Key, list[dict[str, Any]]] = {}
    for row in sorted(built.tables["fct_credited_activities"], key=lambda row: row["step_number"]):
        activities.setdefault((row["user_id"], row["session_id"]), []).append(row)
    for row in built.tables["fct_learner_sessions"]:
        key = row["user_id"], row["session_id"]
        mine = activities.pop(key, [])
        assert len(mine) == sum(
            step["is_in_program"] for step in of_learner(built.tables["fct_learner_session_steps"], key)
        )
        wanted = credited(key, mine, folder, credit)
        assert [{name: found[name] for name in one} for found, one in zip(mine, wanted, strict=True)] == wanted
        totals = totals_of(key, wanted, built, credit) | assistance(key, folder)
        assert {name: row[name] for name in totals} == totals
    assert activities == {}


def of_learner(rows: Iterable[Any], key: Key) -> list[Any]:
    return [row for row in rows if (row["user_id"], row["session_id"]) == key]


def read(cell: str) -> datetime | None:
    return datetime.fromisoformat(cell).replace(tzinfo=None) if cell else None


def proof_level(connection: dict[str, Any], built: Built, folder: RawFolder) -> str:
    """D2: what a connection's time rests on."""
    key = connection["user_id"], connection["session_id"]
    begin, end = connection["connected_at"], connection["disconnected_at"] or connection["connected_at"]
    on_course = connection["course_id"]
    done = [read(cells["submitted_at"]) for cells in of_learner(of(folder, "assessment_results"), key)]
    done += [
        read(cells["completed_at"])
        for cells in of_learner(of(folder, "course_attempts"), key)
        if cells["course_id"] == on_course
    ]
    done += [
        read(cells["occurred_at"])
        for cells in of_learner(of(folder, "learning_events"), key)
        if cells["course_id"] == on_course and cells["verb"] == "completed"
    ]
    done += [
        row["disconnected_at"]
        for row in of_learner(built.tables["stg_course_connections"], key)
        if row["is_kept"] and row["course_id"] == on_course and row["end_reason"] == "completed"
    ]
    if any(at is not None and begin <= at <= end + timedelta(minutes=15) for at in done):
        return "work"
    is_tutored = any(begin <= at <= end for at in contacts(key, folder))
    return "tutored" if is_tutored else "consultation"


def of_people(key: Key, folder: RawFolder) -> list[Cells]:
    """The learner's interactions that no machine wrote; without any instant a row is rejected."""
    return [cells for cells in interactions(key, folder) if cells["is_automated"] != "yes"]


def interactions(key: Key, folder: RawFolder) -> list[Cells]:
    return [
        cells
        for cells in of_learner(of(folder, "tutor_interactions"), key)
        if cells["asked_at"] or cells["answered_at"]
    ]


def contacts(key: Key, folder: RawFolder) -> list[datetime]:
    found = [read(cells[column]) for cells in of_people(key, folder) for column in ("asked_at", "answered_at")]
    return sorted(at for at in found if at is not None)


def credited(key: Key, steps: Sequence[dict[str, Any]], folder: RawFolder, credit: Credit) -> list[dict[str, Any]]:
    """D1: what each step of the program is worth, in the order of the program."""
    found = [activity(key, step, folder, credit) for step in steps]
    left = next(
        cells["planned_duration_seconds"]
        for cells in of(folder, "program_templates")
        if cells["program_template_id"] == TEMPLATE_OF[key[1]]
    )
    room = int(left) if left and credit.cap_at_program else None
    # Sorting is stable: of those completed at one instant the earlier step comes first.
    for one in sorted(found, key=lambda one: one["completed_at"] or datetime.max):  # noqa: DTZ901 - no zone in marts
        one["credited_seconds"] = one["creditable_seconds"] if room is None else min(room, one["creditable_seconds"])
        room = None if room is None else room - one["credited_seconds"]
    return found


def activity(key: Key, step: dict[str, Any], folder: RawFolder, credit: Credit) -> dict[str, Any]:
    resource_id, is_course = step["resource_id"], step["step_type"] == "course"
    table, column = ("courses", "course_id") if is_course else ("assessments", "assessment_id")
    cell = next(cells["planned_duration_seconds"] for cells in of(folder, table) if cells[column] == resource_id)
    planned = int(cell) if cell else None
    progress = Decimal(0)
    if is_course:
        attempts = [
            cells for cells in of_learner(of(folder, "course_attempts"), key) if cells["course_id"] == resource_id
        ]
        progress = max((Decimal(cells["progress_pct"] or 0) for cells in attempts), default=Decimal(0))
        completing = [cells for cells in attempts if cells["completed_at"] or cells["progress_pct"] == "100"]
        dates = [read(cells["completed_at"] or cells["last_activity_at"]) for cells in completing]
    else:
        results = [
            cells
            for cells in of_learner(of(folder, "assessment_results"), key)
            if cells["assessment_id"] == resource_id
        ]
        passed = [cells for cells in results if cells["is_passed"] == "yes"]
        completing = passed or ([] if any(cells["is_passed"] for cells in results) else results)
        dates = [read(cells["submitted_at"]) for cells in completing]
    counts = bool(completing) or (credit.partial == "pro_rata" and progress > 0)
    share = Fraction(1) if completing else Fraction(progress) / 100 if credit.partial == "pro_rata" else Fraction(0)
    return {
        "resource_id": resource_id,
        "planned_duration_seconds": planned,
        "is_completed": bool(completing),
        "completed_at": min((at for at in dates if at is not None), default=None),
        "is_without_duration": counts and planned is None,
        "creditable_seconds": int((planned or 0) * share),
        "is_suspicious": is_course
        and bool(completing)
        and planned is not None
        and Fraction(step["retained_seconds"]) < Fraction(planned) * credit.suspicious_below_pct / 100,
    }


def totals_of(key: Key, activities: Sequence[dict[str, Any]], built: Built, credit: Credit) -> dict[str, Any]:
    """The sums of a learner in a session: credited seconds, and retained seconds by proof level."""
    lacking = sum(one["is_without_duration"] for one in activities)
    connections = of_learner(built.tables["fct_opco_connections"], key)
    by_level = {
        level: sum(row["retained_seconds"] or 0 for row in connections if row["proof_level"] == level)
        for level in ("work", "tutored", "consultation")
    }
    assert sum(by_level.values()) == sum(row["retained_seconds"] or 0 for row in connections)
    is_refused = bool(lacking) and credit.without_duration == "refuse"
    return {
        "step_count": len(activities),
        "completed_step_count": sum(one["is_completed"] for one in activities),
        "without_duration_count": lacking,
        "suspicious_count": sum(one["is_suspicious"] for one in activities),
        "credited_seconds": None if is_refused else sum(one["credited_seconds"] for one in activities),
        "creditable_seconds": None if is_refused else sum(one["creditable_seconds"] for one in activities),
        "synchronous_seconds": sum(row["retained_seconds"] or 0 for row in connections if row["modality"] == "sync"),
        "has_delivered_modality": any(row["has_delivered_modality"] for row in connections),
        **{f"{level}_seconds": seconds for level, seconds in by_level.items()},
    }


def assistance(key: Key, folder: RawFolder) -> dict[str, Any]:
    """D3: a tutor's interactions with a learner in a session."""
    mine, instants = of_people(key, folder), contacts(key, folder)
    questions = [cells for cells in mine if cells["asked_at"]]
    delays = []
    for cells in questions:
        asked_at, answered_at = read(cells["asked_at"]), read(cells["answered_at"])
        if asked_at is not None and answered_at is not None and answered_at >= asked_at:
            delays.append(answered_at - asked_at)
    seconds = [delay // timedelta(seconds=1) for delay in delays]
    hours = next(
        cells["announced_answer_delay_hours"]
        for cells in of(folder, "program_sessions")
        if cells["session_id"] == key[1]
    )
    share = None
    if hours and questions:
        in_time = sum(delay <= timedelta(hours=int(hours)) for delay in delays)
        share = Decimal(in_time * 10**8 // len(questions)) / 10**6
    silences = [(later - earlier) // timedelta(seconds=1) for earlier, later in pairwise(instants)]
    return {
        "interaction_count": len(mine),
        "automated_interaction_count": len(interactions(key, folder)) - len(mine),
        "question_count": len(questions),
        "answered_count": len(delays),
        "first_interaction_at": min(instants, default=None),
        "last_interaction_at": max(instants, default=None),
        "median_answer_seconds": int(median(seconds)) if seconds else None,
        "longest_answer_seconds": max(seconds, default=None),
        "within_announced_delay_pct": share,
        "longest_silence_seconds": max(silences, default=None),
    }
