"""The home: the one folder under which everything that a run reads or writes is kept."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from warehouse.build_file import BUILD_FILE, SPARK_FOLDER
from warehouse.errors import OpcoError, UserError
from warehouse.project import PROJECT_DIR
from warehouse.published import LINK

HOME_VARIABLE = "OPCO_HOME"
# Set by a service for the processes that it starts: which folder its home was.
IDENTITY_VARIABLE = "OPCO_HOME_IDENTITY"
# Dagster takes the path of its own folder for a pattern, and for an address; dbt that of the build file.
NOT_IN_PATHS = frozenset("#?%*[]\n\r")


@dataclass(frozen=True)
class Home:
    """The places under one home folder (an absolute path)."""

    folder: Path

    @classmethod
    def find(cls, option: Path | None = None, *, must_exist: bool = True) -> Home:
        """Return the home given as option, else by OPCO_HOME, else the project's folder; looked at if it `must_exist`.

        Raises UserError when the folder does not exist, or its path cannot be a home's, and OpcoError when it cannot be
        read or, in a process that a service started, is another folder than the service's home was: its disk has gone.
        """
        variable = os.environ.get(HOME_VARIABLE)
        chosen, origin = PROJECT_DIR, "the project's folder"
        if option is not None:
            chosen, origin = option, "--home"
        elif variable:
            chosen, origin = Path(variable), HOME_VARIABLE
        folder = chosen.expanduser().resolve()
        if found := sorted(set(str(folder)) & NOT_IN_PATHS):
            raise UserError(
                f"The path of the home, {folder} ({origin}), holds {' '.join(found)}. Dagster and dbt take that for a "
                "part of an address or of a pattern, and would read and write elsewhere.\nNothing was written. Give "
                "the folder, or the one above that is called so, another name."
            )
        if not must_exist:
            return cls(folder)
        try:
            home = cls(folder) if folder.is_dir() else None
            expected = os.environ.get(IDENTITY_VARIABLE, "")
            if expected.endswith(f" {folder}") and (home is None or expected != home.identity()):
                raise OpcoError(
                    f"The home {folder} is not the folder that it was when this service started: its disk has gone, or "
                    "another one is in its place.\n"
                    "Nothing was written. Mount it again; if it is another disk, restart the service."
                )
        except OSError as error:
            raise OpcoError(
                f"The home folder {folder} ({origin}) cannot be read: {error.strerror or error}.\n"
                "Nothing was written. If it lies on another machine's disk, see that it is mounted and reachable."
            ) from error
        if home is None and folder.exists():
            raise UserError(f"The home {folder} ({origin}) is a file, and must be a folder. Name another one.")
        if home is None:
            raise UserError(
                f"The home folder {folder} ({origin}) does not exist.\nMake it (mkdir -p {folder}) or name another one."
            )
        return home

    def identity(self) -> str:
        """Return what tells this folder from another one under the same name, such as an empty mount point."""
        found = self.folder.stat()
        return f"{found.st_dev}:{found.st_ino} {self.folder}"

    @property
    def settings_file(self) -> Path:
        """The settings as TOML; may be absent."""
        return self.folder / "opco.toml"

    @property
    def identities(self) -> Path:
        """Which accounts are one person, as CSV; may be absent."""
        return self.folder / "identities.csv"

    @property
    def assets(self) -> Path:
        """The organisation's images."""
        return self.folder / "assets"

    @property
    def archive(self) -> Path:
        """Every accepted delivery, as Parquet."""
        return self.folder / "var" / "raw"

    @property
    def build(self) -> Path:
        """What a build needs and may be lost: the build file, dbt's artifacts, the lock."""
        return self.folder / "var" / "build"

    @property
    def build_file(self) -> Path:
        """The DuckDB file that dbt builds in."""
        return self.build / BUILD_FILE

    @property
    def spark(self) -> Path:
        """What the last build on Spark made, in a folder named by the build; the build file views it."""
        return self.build / SPARK_FOLDER

    @property
    def published(self) -> Path:
        """The published builds and the link to the latest."""
        return self.folder / "var" / "published"

    @property
    def warehouse(self) -> Path:
        """The published DuckDB file: a link to the latest build."""
        return self.published / LINK

    @property
    def exports(self) -> Path:
        """The export files made without a name of their own."""
        return self.folder / "var" / "exports"

    @property
    def deliveries(self) -> Path:
        """The copies that links in messages lead to, one folder a delivery."""
        return self.folder / "var" / "deliveries"

    @property
    def attestations(self) -> Path:
        """One folder a session, one folder an issue below it."""
        return self.folder / "var" / "attestations"

    @property
    def documents(self) -> Path:
        """The documents that are no attestations: a folder a kind, a session, a month, and an issue."""
        return self.folder / "var" / "documents"

    def issued(self) -> list[Path]:
        """Return the folders that hold issues, of attestations and of other documents."""
        found = [*self.attestations.glob("*"), *self.documents.glob("*/*/*")]
        return sorted(path for path in found if path.is_dir())

    @property
    def dagster(self) -> Path:
        """Dagster's own storage: runs, events, partitions."""
        return self.folder / "var" / "dagster"

    @property
    def living_runs(self) -> Path:
        """One file a run, which its process holds locked as long as it lives."""
        return self.dagster / "living"

    @property
    def alerts(self) -> Path:
        """What was reported by the alerts, and what waits to be."""
        return self.folder / "var" / "alerts"

    @property
    def stamp(self) -> Path:
        """Which form the home's files have, and which program wrote last."""
        return self.folder / "var" / "home.json"

    @property
    def portal(self) -> Path:
        """What the portal keeps: who is signed in, the audit log, the runs that were asked for on its pages."""
        return self.folder / "var" / "portal"

    @property
    def background_runs(self) -> Path:
        """One folder a run that somebody asked for on a page: what was asked, how far it is, what came of it."""
        return self.portal / "runs"

    def refuse_home_files(self, target: Path, option: str) -> None:
        """Raise UserError when `target` is where the home keeps what must not be written over.

        That is everything under `var/` but `var/exports`, the settings and the images.
        """
        exports = self.exports.resolve()
        # Where it leads to, and where it is itself if it is a link.
        for path in (target.resolve(), target.parent.resolve() / target.name):
            own = (self.settings_file, self.identities, self.assets, self.folder / "var")
            if path.is_relative_to(exports) and path != exports:
                continue
            if not any(path.is_relative_to(one.resolve()) for one in own):
                continue
            raise UserError(f"{option} {target} lies among the home's own files. Name one outside of them.")


OTHERS, OTHERS_AND_GROUPS_WRITING = 0o007, 0o027


def keep_from_others(home: Home) -> None:
    """See that what this process and those it starts write is closed to other accounts, and that `var/` is.

    The group may read, so that an account can be let in by it; whoever is stricter stays so.
    """
    os.umask(os.umask(OTHERS_AND_GROUPS_WRITING) | OTHERS_AND_GROUPS_WRITING)
    var = home.folder / "var"
    # Another account's home is its own to close.
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(var.stat().st_mode)
        if mode & OTHERS_AND_GROUPS_WRITING:
            var.chmod(mode & ~OTHERS_AND_GROUPS_WRITING)


def open_to_others(home: Home) -> str | None:
    """Return what to say of a home that every account of the machine can enter or read; None where none can."""
    try:
        mode = stat.S_IMODE(home.folder.stat().st_mode)
        is_reached = all(folder.stat().st_mode & stat.S_IXOTH for folder in home.folder.parents)
    except OSError:
        return None
    if not is_reached or not mode & OTHERS:
        return None
    return (
        f"The home {home.folder} is open to every account of this machine (mode {mode:04o}): its settings and images "
        f"can be read. Close it: chmod o= {home.folder}"
    )


def option_of_home(folder: Path) -> str:
    """Return what follows a command so that it works in the home `folder`, quoted for a shell."""
    return f" --home {shlex.quote(str(folder))}"
