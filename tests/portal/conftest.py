from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal.people import SECRET, SmallPortal, publish, small_portal


@pytest.fixture
def people_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which a build with the people of `people.USERS` is published."""
    monkeypatch.setenv("OPCO_PORTAL__SECRET", SECRET)
    publish(tmp_path)
    return tmp_path


@pytest.fixture
def portal(people_home: Path) -> Iterator[SmallPortal]:
    with small_portal(people_home) as portal:
        yield portal
