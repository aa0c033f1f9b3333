from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.home import Home


@pytest.fixture(autouse=True)
def _an_environment_of_its_own() -> Iterator[None]:
    """Take away settings from outside; undo what a command sets for the processes that it starts."""
    before = dict(os.environ)
    for variable in before:
        if variable.upper().startswith("OPCO_"):
            del os.environ[variable]
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)
