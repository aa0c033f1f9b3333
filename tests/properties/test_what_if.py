"""What another inactivity timeout would retain, against builds made with that timeout."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given

from tests.properties.built import MEMORY, Built, Project, RawFolder, build, compile_project
from tests.properties.conftest import examples
from tests.properties.folders import raw_folders
from warehouse.build_file import BUILD_FILE
from warehouse.what_if import what_if

pytestmark = pytest.mark.xdist_group("properties-of-figures")

# Steps of the drawn instants, so that pauses are exactly as long. The cap is no timeout: it has to be taken over.
HASTY, PATIENT, CAP = 5, 15, 10


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Project]:
    return {
        minutes: compile_project(
            tmp_path_factory.mktemp(f"timeout-{minutes}"),
            {
                "inactivity_timeout_minutes": str(minutes),
                "max_connection_minutes": str(CAP),
                "identities.by_email": "true",
            },
        )
        for minutes in (HASTY, PATIENT)
    }


@examples(3)
@given(folder=raw_folders())
def test_a_timeout_retains_what_a_build_with_it_retains(projects: dict[int, Project], folder: RawFolder) -> None:
    retained: dict[int, dict[tuple[str, str], int]] = {}
    found: dict[int, dict[tuple[str, str], dict[int, tuple[int, int]]]] = {}
    for in_force, project in projects.items():
        with tempfile.TemporaryDirectory(dir=MEMORY) as place:
            built = build(project, folder, kept_in=Path(place))
            build_file = Path(place) / BUILD_FILE
            before = hashlib.sha256(build_file.read_bytes()).digest()
            retained[in_force] = published(built)
            found[in_force] = compared(build_file, built)
            assert hashlib.sha256(build_file.read_bytes()).digest() == before
    for in_force, held in retained.items():
        for minutes, wanted in retained.items():
            assert {key: at[minutes] for key, at in found[in_force].items()} == {
                key: (wanted[key], wanted[key] - held[key]) for key in held
            }


def published(built: Built) -> dict[tuple[str, str], int]:
    return {
        (row["user_id"], row["session_id"]): row["retained_seconds"] for row in built.tables["fct_learner_sessions"]
    }


def compared(build_file: Path, built: Built) -> dict[tuple[str, str], dict[int, tuple[int, int]]]:
    """Seconds and difference of every learner at each timeout; the totals of a session are those of its learners."""
    answers: dict[tuple[str, str], dict[int, tuple[int, int]]] = {}
    for session in built.tables["dim_program_sessions"]:
        found = what_if(build_file, session["session_id"], [HASTY, PATIENT])
        of_session = [
            {one.inactivity_timeout_minutes: (one.retained_seconds, one.difference_seconds) for one in row.at_timeouts}
            for row in found.learners
        ]
        for total in found.totals:
            mine = [at[total.inactivity_timeout_minutes] for at in of_session]
            assert (total.retained_seconds, total.difference_seconds) == (
                sum(seconds for seconds, _ in mine),
                sum(difference for _, difference in mine),
            )
        answers |= {
            (row.user_id, session["session_id"]): at for row, at in zip(found.learners, of_session, strict=True)
        }
    return answers
