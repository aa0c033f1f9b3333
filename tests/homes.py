"""An empty home, and an environment without settings from outside: for the conftest of a folder of tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.home.paths import Home


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
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
