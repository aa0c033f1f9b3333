"""Campuses drawn by hypothesis: learners, what they did in their sessions, programs, and what tutors did with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from tests.properties.built import Cells, RawFolder

USER_IDS = ("9", "10", "a")
TEMPLATES = {"p": ("99", "100"), "q": ("t",)}
TEMPLATE_OF = {session_id: template_id for template_id, ids in TEMPLATES.items() for session_id in ids}
# In three orders: by id, by name, by exact name.
NAMES = {"9": "Zoé", "10": "été", "11": "Été", "b": "ete", "c": "Écrit"}
INSTANTS = ("", "2026-09-01T21:30:00Z", "2026-09-01T22:30:00Z", "2026-09-02T08:00:00Z", "2026-09-03T08:00:00.5Z")
# Exactly 15 minutes after an end, and a microsecond more.
JUST_AFTER = ("2026-09-01T22:45:00Z", "2026-09-01T22:45:00.000001Z")
DURATIONS = ("", "60", "1000", "3600", "3600", "36000")
TOTALS = ("", "0", "3600", "7201")
PERCENTAGES = ("", "", "0", "0.05", "12.25", "33.333333", "66.666667", "100")


def rows_of(most: int, **columns: Sequence[str]) -> st.SearchStrategy[list[Cells]]:
    drawn = {column: st.sampled_from(cells) for column, cells in columns.items()}
    return st.lists(st.fixed_dictionaries(drawn), min_size=most // 2, max_size=most)


def keyed(column: str, rows: Iterable[Cells]) -> list[Cells]:
    """Give rows their ids, in no order and of several lengths."""
    return [{**cells, column: str(number * 37 % 101)} for number, cells in enumerate(rows, start=1)]


@st.composite
def campuses(draw: st.DrawFn) -> RawFolder:
    """Draw a delivery whose courses and assessments share their ids and their names."""
    # Most of it in one place, so that several attempts and results meet there.
    of_learner = {"user_id": ("9", "9", *USER_IDS), "session_id": ("99", "99", *TEMPLATE_OF)}
    done = ("9", "9", *NAMES)
    folder: dict[str, list[Cells]] = {
        "users.csv": [{"user_id": user_id} for user_id in USER_IDS],
        "program_templates.csv": [
            {"program_template_id": template_id, "name": "P", "planned_duration_seconds": draw(st.sampled_from(TOTALS))}
            for template_id in TEMPLATES
        ],
        "program_sessions.csv": [
            {"session_id": session_id, "program_template_id": template_id, "name": "S"}
            for session_id, template_id in TEMPLATE_OF.items()
        ],
        "courses.csv": [
            {"course_id": course_id, "name": name, "planned_duration_seconds": draw(st.sampled_from(DURATIONS))}
            for course_id, name in NAMES.items()
        ],
        "assessments.csv": [
            {"assessment_id": assessment_id, "name": name, "planned_duration_seconds": draw(st.sampled_from(DURATIONS))}
            for assessment_id, name in NAMES.items()
        ],
        "program_steps.csv": draw(
            rows_of(
                10,
                program_template_id=("p", "p", "q"),
                position=("-1", "1", "2", "2", "10"),
                step_type=("course", "Course", "assessment", "classroom"),
                resource_id=("", *NAMES),
                is_optional=("", "yes", "true", "no"),
            )
        ),
        "enrollments.csv": keyed(
            "enrollment_id",
            draw(rows_of(5, **of_learner, enrolled_at=INSTANTS, progress_pct=PERCENTAGES, score_pct=PERCENTAGES)),
        ),
        "session_instructors.csv": draw(rows_of(2, user_id=USER_IDS, session_id=tuple(TEMPLATE_OF))),
        "course_connections.csv": draw(
            rows_of(
                10,
                **of_learner,
                course_id=tuple(NAMES),
                connected_at=INSTANTS[1:3],
                disconnected_at=INSTANTS,
                end_reason=("", "left", "completed"),
                modality=("", "sync"),
            )
        ),
        "assessment_results.csv": keyed(
            "result_id",
            draw(
                rows_of(
                    12,
                    **of_learner,
                    assessment_id=done,
                    submitted_at=(*INSTANTS, *JUST_AFTER),
                    score_pct=PERCENTAGES,
                    is_passed=("", "yes", "no", "no"),
                )
            ),
        ),
    }
    if draw(st.booleans()):
        folder["course_attempts.csv"] = keyed(
            "attempt_id",
            draw(
                rows_of(
                    12,
                    user_id=of_learner["user_id"],
                    session_id=("", *of_learner["session_id"]),
                    course_id=done,
                    completed_at=("", *INSTANTS, *JUST_AFTER),
                    last_activity_at=INSTANTS,
                    progress_pct=PERCENTAGES,
                    score_pct=PERCENTAGES,
                )
            ),
        )
    return folder


def of(folder: RawFolder, table: str) -> Sequence[Cells]:
    return folder.get(f"{table}.csv", ())


@st.composite
def assisted_campuses(draw: st.DrawFn) -> RawFolder:
    """Draw a campus with tutors' interactions, announced delays and completions among the events."""
    folder = dict(draw(campuses()))
    at = (*INSTANTS, *JUST_AFTER)
    folder["program_sessions.csv"] = [
        {**cells, "announced_answer_delay_hours": draw(st.sampled_from(("", "0", "1", "24")))}
        for cells in folder["program_sessions.csv"]
    ]
    folder["tutor_interactions.csv"] = keyed(
        "interaction_id",
        draw(
            rows_of(
                8,
                user_id=("9", "9", *USER_IDS),
                session_id=("99", "99", *TEMPLATE_OF),
                kind=("message", "phone"),
                asked_at=at,
                answered_at=at,
                is_automated=("", "no", "yes"),
            )
        ),
    )
    folder["learning_events.csv"] = keyed(
        "event_id",
        draw(
            rows_of(
                4,
                user_id=("9", *USER_IDS),
                session_id=("99", *TEMPLATE_OF),
                course_id=tuple(NAMES),
                verb=("active", "completed"),
                occurred_at=at[1:],
            )
        ),
    )
    return folder


# 21 days after an instant, to the microsecond and short of it; the two sides of a day where a person reads.
CLOCKS = (
    "2026-09-04T00:00:00Z",
    "2026-09-23T08:00:00Z",
    "2026-09-24T08:00:00.499999Z",
    "2026-09-24T08:00:00.5Z",
    "2026-10-31T22:59:59Z",
    "2026-10-31T23:00:00Z",
    "2026-11-20T08:25:00Z",
)


@st.composite
def followed_campuses(draw: st.DrawFn) -> RawFolder:
    """Draw an assisted campus whose sessions and enrolments begin and end, with placement tests."""
    folder = dict(draw(assisted_campuses()))
    begins, ends = ("", "", *INSTANTS[1:4], "2026-10-31T23:00:00Z"), ("", "", INSTANTS[4], *CLOCKS[1:5])
    folder["program_sessions.csv"] = [
        {**cells, "starts_at": draw(st.sampled_from(begins)), "ends_at": draw(st.sampled_from(ends))}
        for cells in folder["program_sessions.csv"]
    ]
    folder["enrollments.csv"] = [
        {**cells, "unenrolled_at": draw(st.sampled_from(ends))} for cells in folder["enrollments.csv"]
    ]
    folder["assessments.csv"] = [
        {**cells, "evaluation_kind": draw(st.sampled_from(("", "placement", "final")))}
        for cells in folder["assessments.csv"]
    ]
    return folder
