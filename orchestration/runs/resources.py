"""What the assets are given: the home they work in, the one build at a time, and where progress goes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.home.lock import build_lock
from orchestration.home.paths import Home
from orchestration.home.settings import Settings, load_settings
from orchestration.runs.asker import Asker, this_account
from orchestration.runs.dead_runs import live
from orchestration.runs.progress import NoProgress, Progress

# Minutes that a run waits for a build that is under way; without it, none.
WAIT_TAG = "opco/wait_minutes"


class HomeResource(dg.ConfigurableResource[Any]):
    """The home folder of this run; its settings are read when a step asks, so that an edit counts at once.

    `output` is the file that a command names for its export, an absolute path: no run's configuration names one.
    `made` is what a page made of this run's configuration already, as JSON: the run puts it on record.
    """

    folder: str
    output: str | None = None
    made: str | None = None

    @property
    def home(self) -> Home:
        """The paths under the home."""
        return Home(Path(self.folder))

    def settings(self, options: dict[str, str | None] | None = None, *, session_id: str | None = None) -> Settings:
        """Return the settings in force, with the run configuration's values as `options`, for one session if named."""
        return load_settings(self.home, options, session_id=session_id)


class BuildLock(dg.ConfigurableResource[Any]):
    """Held from a run's first step of a build to its last: one build at a time in a home."""

    folder: str

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["BuildLock"]:
        """Hold the lock while the run lasts. Raises OpcoError when another process holds it.

        A run with the tag of WAIT_TAG waits that many minutes for it.
        """
        home = Home(Path(self.folder))
        minutes = 0
        if context.run is not None:
            live(home, context.run.run_id)
            minutes = int(context.run.tags.get(WAIT_TAG, 0))
        with build_lock(home, wait_minutes=minutes):
            yield self


def run_resources(
    home: Home,
    progress: Progress | None = None,
    output: Path | None = None,
    asker: Asker | None = None,
    made: str | None = None,
) -> dict[str, Any]:
    """Return the resources of every run in `home`; without `asker` it is one that Dagster began.

    `output` is the file that a command names for its export, `made` what a page made of it already, as JSON.
    """
    lock = BuildLock(folder=str(home.folder))
    return {
        "home": dg.ResourceDefinition(_in(home, output, made), config_schema={}),
        "build_lock": dg.ResourceDefinition(lock.yield_for_execution, config_schema={}),
        "progress": progress or NoProgress(),
        "asker": fixed(asker or this_account("dagster")),
    }


def _in(home: Home, output: Path | None, made: str | None) -> Callable[[dg.InitResourceContext], HomeResource]:
    def of_a_run(context: dg.InitResourceContext) -> HomeResource:
        # Every step of every job asks for the home, so that from here on every run shows that its process lives.
        if context.run is not None:
            live(home, context.run.run_id)
        return HomeResource(folder=str(home.folder), output=str(output) if output else None, made=made)

    return of_a_run


def fixed(resource: object) -> dg.ResourceDefinition:
    """Return a resource that no run's configuration changes: which folder is worked in, which program is started."""
    return dg.ResourceDefinition(lambda _: resource, config_schema={})
