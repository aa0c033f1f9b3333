"""What the last whole build was made of, and so whether the next one may go on from its build file.

A build goes on from the last one (rule T8: with the same result) only while nothing but deliveries and the clock has
moved. Whatever else changed makes a full build, which reads the archive from its beginning.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from warehouse.archive import INSTANT, Manifest
from warehouse.files import written_atomically


@dataclass(frozen=True)
class BuildState:
    """What a whole build was made of.

    `project` stands for the models and the packages that ran them, `rules` holds the settings of the rules by name,
    `files_digest` stands for the archive's first `file_count` file versions. `why_full` says why it was made in full;
    None where it went on from the build before.
    """

    build_id: str
    clock_at: str
    project: str
    rules: dict[str, str | int | None]
    file_count: int
    files_digest: str
    why_full: str | None = None


def state_of(
    build_id: str, clock_at: datetime, project: str, rules: dict[str, str | int | None], manifest: Manifest
) -> BuildState:
    """Return the state that a build of all that `manifest` names leaves."""
    count = len(manifest.files)
    return BuildState(build_id, clock_at.strftime(INSTANT), project, rules, count, _digest(manifest, count))


def write_state(path: Path, state: BuildState) -> None:
    """Write the state of a build that ended well."""
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps(asdict(state)), encoding="utf-8")


def read_state(path: Path) -> BuildState | None:
    """Return the state of the last whole build; None where the last one stopped half-way, or none was made."""
    try:
        return BuildState(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def why_in_full(earlier: BuildState | None, now: BuildState, manifest: Manifest, build_file: Path) -> str | None:
    """Return why a build cannot go on from the `earlier` one and is made in full; None when it can."""
    if earlier is None or not build_file.exists():
        return "no whole build is there to go on from"
    if earlier.project != now.project:
        return "the models, or the programs that run them, changed"
    changed = [name for name, value in now.rules.items() if earlier.rules.get(name) != value]
    if changed:
        return f"the settings of the rules changed: {', '.join(changed)}"
    if now.clock_at < earlier.clock_at:
        return f"its clock is before that of the last build ({earlier.clock_at})"
    if earlier.file_count > now.file_count or _digest(manifest, earlier.file_count) != earlier.files_digest:
        return "the archive is another one than that of the last build"
    return None


def _digest(manifest: Manifest, count: int) -> str:
    # The archive's own file too: it is another one where a learner was forgotten.
    known = [
        (version.table_name, version.file, version.sha256, version.archive_file) for version in manifest.files[:count]
    ]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()
