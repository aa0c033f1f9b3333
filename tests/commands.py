"""`opco` as tests start it: in a process of its own, as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from warehouse.project import PROJECT_DIR

CAMPUS = PROJECT_DIR / "tests" / "data" / "campus"
OPCO = Path(sys.executable).with_name("opco")

Opco = Callable[..., subprocess.CompletedProcess[str]]


def run_opco(*arguments: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run `opco ARGUMENTS --home HOME` in a process of its own, without the caller's OPCO_ variables."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPCO_")}
    return subprocess.run(
        [str(OPCO), *map(str, arguments), "--home", str(home)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=600,
    )


def result_of(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return what `--json` printed, after checking that the command succeeded."""
    assert finished.returncode == 0, finished.stderr
    result: dict[str, Any] = json.loads(finished.stdout)
    return result
