"""What the last whole build was made of, and so whether the next one may be incremental.

A build is incremental (rule T8: with the same result as a full refresh) only while nothing but deliveries and the clock
has moved. Whatever else changed takes a full refresh, which reads the archive from its beginning.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path

from warehouse.archive import INSTANT, Manifest
from warehouse.files import written_atomically
from warehouse.project import RULES_EDITION


@dataclass(frozen=True)
class BuildState:
    """What a whole build was made of.

    `project` stands for the models and the packages that ran them, `rules` holds the settings of the rules by name,
    `files_digest` stands for the archive's first `file_count` file versions. `full_refresh_reason` is None where the
    build was incremental; `archive_head` is the archive's head that it was made of, `engine` what computed it; of
    `nodes_left` models and tests nothing had changed that they rest on, and they were not run. States of the first
    edition of the rules do not name their edition.
    """

    build_id: str
    clock_at: str
    project: str
    rules: dict[str, str | int | None]
    file_count: int
    files_digest: str
    full_refresh_reason: str | None = None
    rules_edition: int = 1
    archive_head: str | None = None
    engine: str = "duckdb"
    nodes_left: int = 0


def state_of(
    build_id: str,
    clock_at: datetime,
    project: str,
    rules: dict[str, str | int | None],
    manifest: Manifest,
    engine: str = "duckdb",
) -> BuildState:
    """Return the state that a build of all that `manifest` names leaves."""
    count = len(manifest.files)
    return BuildState(
        build_id,
        clock_at.strftime(INSTANT),
        project,
        rules,
        count,
        _digest(manifest, count),
        rules_edition=RULES_EDITION,
        archive_head=manifest.head,
        engine=engine,
    )


def write_state(path: Path, state: BuildState) -> None:
    """Write the state of a build that ended well."""
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps(asdict(state)), encoding="utf-8")


def read_state(path: Path) -> BuildState | None:
    """Return the state of the last whole build; None where the last one stopped half-way, or none was made."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        # An earlier release wrote what has no name here, or another.
        return BuildState(**{one.name: state[one.name] for one in fields(BuildState) if one.name in state})
    except (OSError, ValueError, TypeError):
        return None


def reason_for_full_refresh(
    earlier: BuildState | None, now: BuildState, manifest: Manifest, build_file: Path
) -> str | None:
    """Return why a build on top of the `earlier` one has to be a full refresh; None when it can be incremental."""
    if earlier is None or not build_file.exists():
        return "there is no complete build to start from"
    if earlier.engine != now.engine:
        return f"the engine changed ({now.engine}, after {earlier.engine})"
    if now.engine == "spark":
        return "builds on Spark are full"
    if earlier.rules_edition != now.rules_edition:
        return (
            f"the rules changed (edition {now.rules_edition}, after {earlier.rules_edition}): "
            "figures may differ, the changelog says which"
        )
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
