"""What is printed, in parts: digests that tell whether a document changed, and what in it did."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reports.attestation.attachment import log_rows
from reports.attestation.manifest import Cause
from reports.attestation.model import AttestationInputs, Build, CheckedImage, LearnerRecord, LogLine, Session

# Counted afresh in every log: a row that only moved is no corrected one.
POSITIONS = ("number", "running_total_seconds")


def printed_inputs(inputs: AttestationInputs, images: Mapping[str, CheckedImage]) -> dict[str, Any]:
    """Return the inputs by name; of an image its name and the SHA-256 of its file."""
    values: dict[str, Any] = asdict(inputs) | {"logo": None, "stamp": None}
    return values | {part: {"file": image.name, "sha256": image.sha256} for part, image in images.items()}


def inputs_of(printed: Mapping[str, Any]) -> AttestationInputs:
    """Return the inputs that `printed_inputs` has told."""
    images = {part: Path(printed[part]["file"]) if printed[part] else None for part in ("logo", "stamp")}
    return AttestationInputs(**{**printed, **images})


def printed_settings(build: Build) -> dict[str, Any]:
    """Return the settings that the method of a document tells, or that its figures rest on."""
    return {
        "inactivity_timeout_minutes": build.inactivity_timeout_minutes,
        "max_connection_minutes": build.max_connection_minutes,
        "long_connection_minutes": build.long_connection_minutes,
        "raw_timezone": build.raw_timezone,
        "display_timezone": build.display_timezone,
    }


def shared_digests(inputs: dict[str, Any], session: Session, build: Build) -> dict[str, str]:
    """Return the digests of what all documents of an issue print."""
    told = ("inactivity_timeout_minutes", "max_connection_minutes", "display_timezone")
    images = {part: inputs[part] and inputs[part]["sha256"] for part in ("logo", "stamp")}
    return {
        "inputs": _digest(inputs | images),
        "session": _digest(asdict(session)),
        "settings": _digest({name: getattr(build, name) for name in told}),
    }


def learner_digests(record: LearnerRecord) -> dict[str, str]:
    """Return the digests of what one learner's document prints beside that."""
    return {
        "learner": _digest([record.last_name, record.first_name, record.employer]),
        "results": _digest([record.totals.progress_pct, record.totals.score_pct]),
        "activities": _digest([asdict(step) for step in record.steps]),
        "log": _digest([record.totals, *record.log]),
    }


def causes_of_change(
    before: Mapping[str, str],
    now: Mapping[str, str],
    rows_before: Sequence[Mapping[str, str]] | None,
    log: Sequence[LogLine],
) -> tuple[Cause, ...]:
    """Return why a document changed; `rows_before` are the rows attached to the earlier one, None if not known."""
    changed = [part for part in now if before.get(part) != now[part]]
    causes = [Cause(part) for part in changed if part != "log"]
    if "log" in changed and rows_before is not None:
        old, new = _by_id(rows_before), _by_id(log_rows(log))
        counts = {
            "late_rows": len(new.keys() - old.keys()),
            "corrected_rows": sum(old[key] != new[key] for key in old.keys() & new.keys()),
            "withdrawn_rows": len(old.keys() - new.keys()),
        }
        causes = [Cause(kind, count) for kind, count in counts.items() if count] + causes
    return tuple(causes)


def _by_id(rows: Sequence[Mapping[str, str]]) -> dict[str, dict[str, str]]:
    return {row["connection_id"]: {name: value for name, value in row.items() if name not in POSITIONS} for row in rows}


def _digest(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)
