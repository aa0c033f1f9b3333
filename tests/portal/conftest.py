from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.portal.pages_home import ADMINISTRATOR, AWA, Pages, pages_of
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


@pytest.fixture(scope="module")
def pages(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """The pages of the demo, in a home of the module's own."""
    with pages_of(demo_home, tmp_path_factory.mktemp("pages")) as pages:
        yield pages


@pytest.fixture
def awa(pages: Pages) -> TestClient:
    return pages.browser(AWA)


@pytest.fixture
def administrator(pages: Pages) -> TestClient:
    return pages.browser(ADMINISTRATOR)
