"""The warehouse made and published again from the archive, without a load."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from orchestration.home import Home
from orchestration.progress import Progress

JOB = "forgetting"


def build_again(home: Home, instance: dg.DagsterInstance, progress: Progress, *, debug: bool) -> str:
    """Build from what the archive holds, publish, and return the build's id. Raises OpcoError where that stops."""
    from orchestration.defs.warehouse.assets import defs
    from orchestration.runs import run_job

    whole = dg.AssetSelection.assets("published_warehouse").upstream() - dg.AssetSelection.key_prefixes("raw")
    job = dg.define_asset_job(JOB, selection=whole, description="The warehouse again, after a learner was forgotten.")
    definitions = dg.Definitions.merge(defs(), dg.Definitions(jobs=[job]))
    made = run_job(home, definitions, JOB, instance=instance, progress=progress, ops={}, debug=debug)
    return Path(made["published_warehouse"]["path"]).stem
