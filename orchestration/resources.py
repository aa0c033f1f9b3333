"""What the assets are given: the home they work in, the one build at a time, and where progress is told."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.home import Home
from orchestration.home_stamp import stamp_home
from orchestration.progress import NoProgress, Progress
from orchestration.settings import Settings, load_settings
from warehouse.errors import OpcoError


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


@contextmanager
def only_build(home: Home) -> Iterator[None]:
    """Hold the home's builds while the block lasts. Raises OpcoError when another process holds them."""
    path = home.build / "build.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    # The kernel drops the lock with its process: one that died blocks nobody.
    with path.open("a+", encoding="ascii") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            raise OpcoError(
                f"Another build is running in {home.folder} (process {stream.read().strip() or 'unknown'}).\n"
                "Wait for its end, then try again."
            ) from error
        with suppress(OSError):  # the number is for a message: a full disk keeps nobody from cleaning
            stream.truncate(0)
            stream.write(str(os.getpid()))
            stream.flush()
        stamp_home(home)
        yield


class BuildLock(dg.ConfigurableResource[Any]):
    """Held from a run's first step of a build to its last: one build at a time in a home."""

    folder: str

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["BuildLock"]:
        """Hold the lock while the run lasts. Raises OpcoError when another process holds it."""
        del context
        with only_build(Home(Path(self.folder))):
            yield self


def run_resources(home: Home, progress: Progress | None = None) -> dict[str, Any]:
    """Return the resources of every run in `home`."""
    return {
        "home": HomeResource(folder=str(home.folder)),
        "build_lock": BuildLock(folder=str(home.folder)),
        "progress": progress or NoProgress(),
    }
