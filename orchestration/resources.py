"""What the assets are given: the home they work in, the one build at a time, and where progress is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.dead_runs import process_tags
from orchestration.home import Home
from orchestration.locking import build_lock
from orchestration.progress import NoProgress, Progress
from orchestration.settings import Settings, load_settings


class HomeResource(dg.ConfigurableResource[Any]):
    """The home folder of this run; its settings are read when a step asks, so that an edit counts at once."""

    folder: str

    @property
    def home(self) -> Home:
        """The places under the home."""
        return Home(Path(self.folder))

    def settings(self, options: dict[str, str | None] | None = None, *, session_id: str | None = None) -> Settings:
        """Return the settings in force, with the run configuration's values as `options`, for one session if named."""
        return load_settings(self.home, options, session_id=session_id)


class BuildLock(dg.ConfigurableResource[Any]):
    """Held from a run's first step of a build to its last: one build at a time in a home."""

    folder: str

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["BuildLock"]:
        """Hold the lock while the run lasts. Raises OpcoError when another process holds it."""
        with build_lock(Home(Path(self.folder))):
            if context.run is not None and context.instance is not None:
                context.instance.add_run_tags(context.run.run_id, process_tags())
            yield self


def run_resources(home: Home, progress: Progress | None = None) -> dict[str, Any]:
    """Return the resources of every run in `home`."""
    return {
        "home": HomeResource(folder=str(home.folder)),
        "build_lock": BuildLock(folder=str(home.folder)),
        "progress": progress or NoProgress(),
    }
