"""Homes that whole-project tests share: each is built once by the `opco` command, as a user would."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import CAMPUS, Opco, run_opco
from warehouse.project import PROJECT_DIR

LONGEST = (
    *("tests/properties/", "tests/faults/", "tests/end_to_end/", "tests/test_dbt", "tests/portal/"),
    "tests/orchestration/",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each file's tests in one worker, so that what a file builds is built once; a file may name a wider group.

    What takes longest begins first, so that no worker waits for another at the end.
    """
    items.sort(key=lambda item: next((n for n, one in enumerate(LONGEST) if one in item.nodeid), len(LONGEST)))
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.as_posix()))


@pytest.fixture(scope="session")
def opco() -> Opco:
    """Run an `opco` command as a user would."""
    return run_opco


@pytest.fixture(scope="session")
def campus_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with both deliveries of the real campus, built one after the other."""
    home = tmp_path_factory.mktemp("campus")
    for delivery in ("2026-11-05", "2026-11-20"):
        finished = run_opco("build", "--raw", CAMPUS / delivery, "--as-of", f"{delivery}T22:00:00Z", home=home)
        assert finished.returncode == 0, finished.stderr
    return home


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the demo campus, with the demo's settings and assets."""
    home = tmp_path_factory.mktemp("demo")
    demo = PROJECT_DIR / "demo"
    (home / "opco.toml").write_text((demo / "opco.toml").read_text(encoding="utf-8"), encoding="utf-8")
    (home / "assets").symlink_to(demo / "assets")
    finished = run_opco("build", "--raw", demo / "raw", "--as-of", "2026-11-10T18:00:00Z", home=home)
    assert finished.returncode == 0, finished.stderr
    return home


@pytest.fixture
def raw_folder(tmp_path: Path) -> Path:
    """The smallest delivery that a load takes: every required table with one row, and one event."""
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "users.csv").write_text("user_id,last_name\nu,Martin\n", encoding="utf-8")
    (folder / "program_templates.csv").write_text("program_template_id,name\np,Programme\n", encoding="utf-8")
    (folder / "program_sessions.csv").write_text("session_id,program_template_id,name\ns,p,Session\n", encoding="utf-8")
    (folder / "courses.csv").write_text("course_id,name\nc,Cours\n", encoding="utf-8")
    events = folder / "learning_events"
    events.mkdir()
    (events / "2026-09-01.jsonl").write_text(
        '{"event_id": "1", "user_id": "u", "session_id": "s", "course_id": "c", '
        '"verb": "active", "occurred_at": "2026-09-01T08:00:00Z"}\n',
        encoding="utf-8",
    )
    return folder
