"""When a build may be incremental, and when it is a full refresh (T8)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from warehouse.archive import FileVersion, Manifest
from warehouse.build_state import BuildState, read_state, reason_for_full_refresh, state_of, write_state
from warehouse.project import RULES_EDITION

CLOCK = datetime(2026, 11, 20, 22, tzinfo=UTC)
RULES: dict[str, str | int | None] = {"inactivity_timeout_minutes": 15, "max_connection_minutes": None}


def manifest(*digests: str) -> Manifest:
    return Manifest(
        (), tuple(FileVersion("users", "users.csv", digest, 1, 1, f"users/{digest}", "", 1) for digest in digests)
    )


def state(files: Manifest, clock: datetime = CLOCK) -> BuildState:
    return state_of("id", clock, "models", RULES, files)


@pytest.fixture
def build_file(tmp_path: Path) -> Path:
    path = tmp_path / "opco.duckdb"
    path.touch()
    return path


def test_deliveries_and_the_clock_may_move_on(build_file: Path) -> None:
    more = manifest("a", "b")
    assert (
        reason_for_full_refresh(state(manifest("a")), state(more, CLOCK + timedelta(days=1)), more, build_file) is None
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"project": "other models"}, "the models, or the programs that run them, changed"),
        ({"rules": {**RULES, "max_connection_minutes": 60}}, "the settings of the rules changed: max_connection"),
        ({"clock_at": "2026-11-20T21:59:59.999999Z"}, "its clock is before that of the last build"),
        ({"engine": "spark"}, "the engine changed (spark, after duckdb)"),
    ],
)
def test_what_else_changes_makes_a_full_build(build_file: Path, changed: dict[str, object], message: str) -> None:
    files = manifest("a")
    assert message in str(reason_for_full_refresh(state(files), replace(state(files), **changed), files, build_file))  # type: ignore[arg-type]


def test_builds_on_spark_are_full(build_file: Path) -> None:
    files = manifest("a")
    on_spark = replace(state(files), engine="spark")
    assert reason_for_full_refresh(on_spark, on_spark, files, build_file) == "builds on Spark are full"
    assert reason_for_full_refresh(on_spark, state(files), files, build_file) == (
        "the engine changed (duckdb, after spark)"
    )


def test_another_edition_of_the_rules_makes_a_full_build_and_says_so(tmp_path: Path, build_file: Path) -> None:
    files, path = manifest("a"), tmp_path / "state.json"
    write_state(path, replace(state(files), project="earlier models"))
    # The first edition did not write which one it is.
    answer = json.loads(path.read_text(encoding="utf-8"))
    assert answer.pop("rules_edition") == RULES_EDITION
    path.write_text(json.dumps(answer), encoding="utf-8")
    said = reason_for_full_refresh(read_state(path), state(files), files, build_file)
    assert said is not None
    assert said.startswith("the rules changed (edition 2, after 1)")


def test_the_state_that_an_earlier_release_left_is_read_under_its_names(tmp_path: Path, build_file: Path) -> None:
    files, path = manifest("a"), tmp_path / "state.json"
    write_state(path, replace(state(files), project="earlier models"))
    answer = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**answer, "why_full": answer.pop("full_refresh_reason")}), encoding="utf-8")
    said = reason_for_full_refresh(read_state(path), state(files), files, build_file)
    assert said == "the models, or the programs that run them, changed"


@pytest.mark.parametrize("files", [manifest(), manifest("b"), manifest("b", "a")])
def test_another_archive_makes_a_full_build(build_file: Path, files: Manifest) -> None:
    assert reason_for_full_refresh(state(manifest("a")), state(files), files, build_file) == (
        "the archive is another one than that of the last build"
    )


def test_without_a_whole_build_there_is_nothing_to_go_on_from(tmp_path: Path, build_file: Path) -> None:
    files, path = manifest("a"), tmp_path / "state.json"
    said = "there is no complete build to start from"
    assert read_state(path) is None
    assert reason_for_full_refresh(None, state(files), files, build_file) == said
    assert reason_for_full_refresh(state(files), state(files), files, tmp_path / "lost.duckdb") == said
    write_state(path, state(files))
    assert read_state(path) == state(files)
    path.write_text(path.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    assert read_state(path) is None
