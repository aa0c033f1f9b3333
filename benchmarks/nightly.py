"""Measures a nightly run in which nothing is new, against dbt alone on the same build file: `make bench-nightly`.

The home is the demo campus after a first night, so what is measured is what every night costs: start-up, loading,
models and tests, publishing, the whole export, a look at the sessions that ended.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.run import Cost, cost_of
from orchestration.defs.warehouse.dbt_project import dbt_environment, dbt_executable, dbt_variables
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from orchestration.runs.jobs import open_instance
from warehouse.project import PROJECT_DIR

NIGHTS = 3


def main() -> None:
    """Build the demo, run nights, print."""
    opco = Path(sys.executable).with_name("opco")
    with tempfile.TemporaryDirectory() as name:
        home = Home(Path(name))
        shutil.copy(PROJECT_DIR / "demo" / "opco.toml", home.settings_file)
        shutil.copytree(PROJECT_DIR / "demo" / "assets", home.assets)
        raw = PROJECT_DIR / "demo" / "raw"

        def night(day: int) -> Cost:
            clock = f"2026-11-{day}T04:00:00Z"
            return cost_of([opco, "nightly", "--raw", raw, "--as-of", clock, "--home", home.folder, "--json"])

        first = night(11)
        settings = load_settings(home)
        dbt: list[str | Path] = [dbt_executable(), "build", "--exclude-resource-type", "unit_test"]
        dbt += ["--project-dir", PROJECT_DIR, *dbt_variables(settings, "again")]
        nights, floors = [], []
        for number in range(NIGHTS):
            nights.append(night(12 + number))
            # Once more over what that night has built: nothing is new for it either.
            floors.append(cost_of(dbt, dbt_environment(home, settings)))
        with open_instance(home) as instance:
            (run,) = instance.get_runs(limit=1)
            steps = [
                f"  {step.step_key:22} {step.end_time - step.start_time:8.1f} s wall\n"
                for step in sorted(instance.get_run_step_stats(run.run_id), key=lambda step: step.start_time or 0)
                if step.start_time and step.end_time
            ]
    floor, warm = (min(costs, key=lambda cost: cost.wall) for costs in (floors, nights))
    ratio = f"{warm.wall / floor.wall:8.2f} wall {warm.processor / floor.processor:8.2f} processor"
    sys.stdout.write(
        f"the demo campus; the best of {NIGHTS}\n"
        f"first night             {first}\n"
        f"night, nothing new      {warm}\n"
        f"{''.join(steps)}"
        f"dbt alone (floor)       {floor}\n"
        f"night / floor           {ratio}\n"
    )


if __name__ == "__main__":
    main()
