"""The notebook of training hours, run without a browser on the demo campus."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from orchestration.home.paths import HOME_VARIABLE
from warehouse.project import PROJECT_DIR

pytestmark = pytest.mark.xdist_group("demo")


def test_every_plot_shows_the_retained_time(demo_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(demo_home))
    outputs, found = runpy.run_path(str(PROJECT_DIR / "notebooks" / "training.py"))["app"].run()
    found["db"].close()
    assert found["retained_seconds"] == 949753
    for table in ("weeks", "sessions"):
        assert sum(found[table]["hours"].to_pylist()) * 3600 == pytest.approx(949753), table
    nights, weekends = (sum(found["off_hours"][column].to_pylist()) for column in ("night", "weekend"))
    assert (round(nights * 3600), round(weekends * 3600)) == (113747, 82405)
    assert sum(found["begun"]["connections"].to_pylist()) == 863
    assert sum(output is not None for output in outputs) == 5
