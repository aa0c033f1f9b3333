"""`opco docs`: a page is made of what was published, or not at all. That it works is an acceptance test."""

from __future__ import annotations

import pytest

from opco.docs import write_docs
from orchestration.home.paths import Home
from warehouse.errors import UserError
from warehouse.published import BUILDS, LINK


def test_there_is_no_page_of_what_is_not_published(home: Home) -> None:
    with pytest.raises(UserError, match="There is no published warehouse at"):
        write_docs(home)


def test_there_is_no_page_of_another_build_than_the_published_one(home: Home) -> None:
    builds = home.published / BUILDS
    builds.mkdir(parents=True)
    (home.published / LINK).symlink_to(f"{BUILDS}/b1.duckdb")
    with pytest.raises(UserError, match=r"The documentation of b1 .*\nBuild again \(opco build\), then: opco docs"):
        write_docs(home)
    # Of one that was asked for before, it stays.
    (builds / "b1.html").touch()
    assert write_docs(home) == builds / "b1.html"
