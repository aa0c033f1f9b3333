"""Section A for any raw folder: who is a learner of a session, totals, progress, score, and the steps in their order.

Connections are taken from the marts, which `test_properties` holds against the rules of time; all else is worked out
here from the raw cells.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given

from tests.properties.built import Built, Cells, Project, RawFolder, Row, build, build_one_by_one
from tests.properties.campuses import NAMES, TEMPLATE_OF, campuses, of
from tests.properties.conftest import examples
from tests.properties.reference import id_order

pytestmark = pytest.mark.xdist_group("properties")


@examples(10)
@given(folder=campuses())
def test_learners_of_sessions_are_those_of_the_rules(project: Project, folder: RawFolder) -> None:
    holds_what_the_rules_say(build(project, folder), folder)


@examples(4)
@given(before=campuses(), folder=campuses())
def test_learners_of_sessions_follow_what_is_delivered(project: Project, before: RawFolder, folder: RawFolder) -> None:
    holds_what_the_rules_say(build_one_by_one(project, before, folder), {**folder, **what_stays(before, folder)})


def what_stays(before: RawFolder, folder: RawFolder) -> RawFolder:
    """Return the tables of which nothing goes: their rows now, and those of before whose key no row has now."""
    tables = {"enrollments": "enrollment_id", "assessment_results": "result_id", "course_attempts": "attempt_id"}
    return {
        f"{table}.csv": [
            *of(folder, table),
            *(cells for cells in of(before, table) if cells[key] not in {now[key] for now in of(folder, table)}),
        ]
        for table, key in tables.items()
    }


def holds_what_the_rules_say(built: Built, folder: RawFolder) -> None:
    wanted = {key: LearnerSession(key, folder, built) for key in learners(folder, built)}
    totals = {(row["user_id"], row["session_id"]): row for row in built.tables["fct_learner_sessions"]}
    assert totals.keys() == wanted.keys()
    for key, row in totals.items():
        assert {name: row[name] for name in wanted[key].totals} == wanted[key].totals
        assert tenths(row["progress_pct"]) == tenths(wanted[key].progress)
        assert tenths(row["score_pct"]) == tenths(wanted[key].score)
        assert [row["progress_source"], row["score_source"]] == wanted[key].sources
    found: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(built.tables["fct_learner_session_steps"], key=lambda row: row["step_number"]):
        found.setdefault((row["user_id"], row["session_id"]), []).append(row)
    for key, learner in wanted.items():
        assert [{name: row[name] for name in STEP} for row in found.pop(key, [])] == learner.steps
    assert found == {}


def learners(folder: RawFolder, built: Built) -> set[tuple[str, str]]:
    """Return who is enrolled in a session or left a trace in it."""
    traces = [
        *built.tables["fct_opco_connections"],
        *(cells for name in ("enrollments", "assessment_results", "course_attempts") for cells in of(folder, name)),
    ]
    return {(trace["user_id"], trace["session_id"]) for trace in traces if trace["session_id"]}


STEP = (
    "step_type",
    "resource_id",
    "is_in_program",
    "is_started",
    "connection_count",
    "retained_seconds",
    "progress_pct",
    "score_pct",
    "is_passed",
    "completed_at",
)


@dataclass
class LearnerSession:
    """What the rules say of one learner in one session."""

    key: tuple[str, str]
    folder: RawFolder
    built: Built
    totals: dict[str, Any] = field(init=False)
    progress: Fraction | None = field(init=False)
    score: Fraction | None = field(init=False)
    sources: list[str | None] = field(init=False)
    steps: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.connections = self.mine(self.built.tables["fct_opco_connections"])
        self.program = self.positions()
        self.steps = [
            self.course(resource_id) if step_type == "course" else self.assessment(resource_id)
            for step_type, resource_id in [*sorted(self.program, key=self.in_program), *self.beside_the_program()]
        ]
        self.totals = self.added_up()
        self.progress, self.score = self.enrolled()
        self.sources = [None if value is None else "platform" for value in (self.progress, self.score)]
        if self.progress is None and self.mine(of(self.folder, "course_attempts")):
            mandatory = {
                cells["resource_id"]
                for cells in self.template_steps()
                if cells["step_type"].lower() == "course" and cells["is_optional"] not in ("yes", "true")
            }
            progress = {step["resource_id"]: step["progress_pct"] for step in self.steps if self.counts(step, "course")}
            self.progress = mean([progress[course_id] or Decimal(0) for course_id in mandatory])
            self.sources[0] = None if self.progress is None else "courses"
        for step_type in ("assessment", "course"):
            if self.score is None:
                scores = [step["score_pct"] for step in self.steps if self.counts(step, step_type)]
                self.score = mean([score for score in scores if score is not None])
                self.sources[1] = None if self.score is None else f"{step_type}s"

    def counts(self, step: dict[str, Any], step_type: str) -> bool:
        return bool(step["is_in_program"]) and step["step_type"] == step_type

    def mine(self, rows: Iterable[Any]) -> list[Any]:
        return [row for row in rows if (row["user_id"], row["session_id"]) == self.key]

    def template_steps(self) -> list[Cells]:
        return [
            cells
            for cells in of(self.folder, "program_steps")
            if cells["program_template_id"] == TEMPLATE_OF[self.key[1]] and cells["resource_id"]
        ]

    def positions(self) -> dict[tuple[str, str], int]:
        """Return the first position of each course and assessment of the program."""
        first: dict[tuple[str, str], int] = {}
        for cells in self.template_steps():
            step = cells["step_type"].lower(), cells["resource_id"]
            if step[0] != "classroom":
                first[step] = min(first.get(step, 99), int(cells["position"]))
        return first

    def in_program(self, step: tuple[str, str]) -> tuple[Any, ...]:
        return self.program[step], id_order(step[1]), step[0]

    def beside_the_program(self) -> list[tuple[str, str]]:
        done = {("course", row["course_id"]) for row in self.connections}
        done |= {("course", cells["course_id"]) for cells in self.mine(of(self.folder, "course_attempts"))}
        done |= {("assessment", cells["assessment_id"]) for cells in self.mine(of(self.folder, "assessment_results"))}
        return sorted(done - self.program.keys(), key=by_name)

    def course(self, course_id: str) -> dict[str, Any]:
        connections = [row for row in self.connections if row["course_id"] == course_id]
        attempts = [cells for cells in self.mine(of(self.folder, "course_attempts")) if cells["course_id"] == course_id]
        return {
            "step_type": "course",
            "resource_id": course_id,
            "is_in_program": ("course", course_id) in self.program,
            "is_started": bool(connections or attempts),
            "connection_count": len(connections),
            "retained_seconds": sum(row["retained_seconds"] or 0 for row in connections),
            "progress_pct": best(attempts, "progress_pct"),
            "score_pct": best(attempts, "score_pct"),
            "is_passed": None,
            "completed_at": min(instants(attempts, "completed_at"), default=None),
        }

    def assessment(self, assessment_id: str) -> dict[str, Any]:
        results = [
            cells
            for cells in self.mine(of(self.folder, "assessment_results"))
            if cells["assessment_id"] == assessment_id
        ]
        passed = [cells for cells in results if cells["is_passed"] == "yes"]
        says_so = passed or [cells for cells in results if cells["is_passed"] == "no"]
        return {
            "step_type": "assessment",
            "resource_id": assessment_id,
            "is_in_program": ("assessment", assessment_id) in self.program,
            "is_started": bool(results),
            "connection_count": 0,
            "retained_seconds": 0,
            "progress_pct": None,
            "score_pct": best(results, "score_pct"),
            "is_passed": bool(passed) if says_so else None,
            "completed_at": min(instants(passed, "submitted_at"), default=None)
            if passed
            else max(instants(results, "submitted_at"), default=None),
        }

    def added_up(self) -> dict[str, Any]:
        rows = self.connections
        seconds = ("elapsed_seconds", "capped_seconds", "overlap_seconds", "retained_seconds")
        return {
            "is_enrolled": bool(self.mine(of(self.folder, "enrollments"))),
            "is_instructor": bool(self.mine(of(self.folder, "session_instructors"))),
            "has_played": bool(rows),
            "connection_count": len(rows),
            "open_connection_count": sum(row["disconnected_at"] is None for row in rows),
            "first_connected_at": min((row["connected_at"] for row in rows), default=None),
            "last_connection_at": max((row["disconnected_at"] or row["connected_at"] for row in rows), default=None),
            "connection_day_count": len({row["connected_on"] for row in rows}),
            **{name: sum(row[name] or 0 for row in rows) for name in seconds},
        }

    def enrolled(self) -> tuple[Fraction | None, Fraction | None]:
        """Return progress and score of the enrolment with the latest enrolled_at that has either; empty is earliest."""
        mine = self.mine(of(self.folder, "enrollments"))
        having = [cells for cells in mine if cells["progress_pct"] or cells["score_pct"]]
        # Sorting is stable: of those enrolled last, the one with the smallest id comes first.
        having.sort(key=lambda cells: id_order(cells["enrollment_id"]))
        having.sort(key=lambda cells: cells["enrolled_at"], reverse=True)
        if not having:
            return None, None
        progress, score = (having[0][column] for column in ("progress_pct", "score_pct"))
        return Fraction(progress) if progress else None, Fraction(score) if score else None


def by_name(step: tuple[str, str]) -> tuple[Any, ...]:
    name = NAMES[step[1]]
    plain = "".join(letter for letter in unicodedata.normalize("NFD", name) if not unicodedata.combining(letter))
    return plain.lower(), name, id_order(step[1]), step[0]


def best(rows: Iterable[Cells], column: str) -> Decimal | None:
    return max((Decimal(cells[column]) for cells in rows if cells[column]), default=None)


def instants(rows: Iterable[Cells], column: str) -> list[datetime]:
    return [datetime.fromisoformat(cells[column]).replace(tzinfo=None) for cells in rows if cells[column]]


def mean(values: Sequence[Decimal]) -> Fraction | None:
    return sum(map(Fraction, values), Fraction()) / len(values) if values else None


def tenths(value: Decimal | Fraction | None) -> Decimal | None:
    """Round as printed: to one decimal, half up."""
    if value is None:
        return None
    exact = Fraction(value)
    return (Decimal(int(exact * 10**9)) / 10**9).quantize(Decimal("0.1"), ROUND_HALF_UP)
