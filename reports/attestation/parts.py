"""What a document prints, in parts: digests that show whether it would print the same now, and the inputs as kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from reports.attestation.inputs import IMAGES, AttestationInputs
from reports.attestation.model import Build, LearnerRecord, LogLine, Session
from reports.printing.images import CheckedImage

# Inputs that older issues did not know: where they say nothing, they print nothing.
LATER_INPUTS: dict[str, Any] = {
    "custom_fields": [],
    "folds_zero_seconds": True,
    "left_out": [],
    "log_limits": [],
    "nouns": {},
}
# The inputs that have another name in manifests.
KEPT_NAMES = {"name": "organisation_name"}
OWN_NAMES = {kept: name for name, kept in KEPT_NAMES.items()}


def printed_inputs(inputs: AttestationInputs, images: Mapping[str, CheckedImage]) -> dict[str, Any]:
    """Return the inputs as manifests keep them: by name; of an image its name and the SHA-256 of its file."""
    values: dict[str, Any] = inputs.model_dump(mode="json") | {"nouns": dict(inputs.nouns)}
    values |= dict.fromkeys(IMAGES)
    values |= {part: {"file": image.name, "sha256": image.sha256} for part, image in images.items()}
    values["left_out"] = [KEPT_NAMES.get(name, name) for name in inputs.left_out]
    return {KEPT_NAMES.get(name, name): value for name, value in values.items()}


def inputs_of(printed: Mapping[str, Any]) -> AttestationInputs:
    """Return the inputs that a manifest keeps."""
    values = {OWN_NAMES.get(name, name): value for name, value in printed.items()}
    values |= {part: printed[part] and printed[part]["file"] for part in IMAGES}
    values["left_out"] = [OWN_NAMES.get(name, name) for name in printed.get("left_out", ())]
    return AttestationInputs(**values | {"nouns": tuple(printed.get("nouns", {}).items())})


def changed_inputs(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the inputs, as manifests keep them, that print something else than before."""
    return tuple(
        name for name, value in now.items() if before.get(name, LATER_INPUTS.get(name)) != value and name != "left_out"
    )


def printed_settings(build: Build) -> dict[str, Any]:
    """Return the settings that the method of a document states, or that its figures rest on."""
    return {
        "inactivity_timeout_minutes": build.inactivity_timeout_minutes,
        "max_connection_minutes": build.max_connection_minutes,
        "long_connection_minutes": build.long_connection_minutes,
        "raw_timezone": build.raw_timezone,
        "display_timezone": build.display_timezone,
    }


def shared_digests(inputs: dict[str, Any], session: Session, build: Build) -> dict[str, str]:
    """Return the digests of what all documents of an issue print."""
    printed = ("inactivity_timeout_minutes", "max_connection_minutes", "display_timezone")
    images = {part: inputs[part] and inputs[part]["sha256"] for part in IMAGES}
    return {
        "inputs": _digest(
            {
                name: value
                for name, value in (inputs | images).items()
                if LATER_INPUTS.get(name, ...) != value and name != "left_out"
            }
        ),
        "session": _digest(_without(asdict(session), "planned_duration_seconds")),
        "planned": _digest(session.planned_duration_seconds),
        "settings": _digest({name: getattr(build, name) for name in printed}),
    }


def learner_digests(record: LearnerRecord) -> dict[str, str]:
    """Return the digests of what one learner's document prints beside that."""
    return {
        "learner": _digest([record.last_name, record.first_name, record.employer]),
        "custom_fields": _digest(record.custom_fields),
        "results": _digest([record.totals.progress_pct, record.totals.score_pct]),
        "sources": _digest([record.totals.progress_source, record.totals.score_source]),
        "flags": _digest([[line.connection_id, line.flags] for line in record.log if line.flags]),
        "activities": _digest([asdict(step) for step in record.steps]),
        "log": _digest(
            [
                _without(asdict(record.totals), "progress_source", "score_source"),
                *(_without(asdict(line), *_later_fields(line)) for line in record.log),
            ]
        ),
    }


def _later_fields(line: LogLine) -> tuple[str, ...]:
    """Return the fields that documents of an earlier edition had not, or that say nothing of this line."""
    by_account = () if line.is_overlapped_by_other_account else ("is_overlapped_by_other_account",)
    return ("flags", "day_seconds", "shows_offsets", *by_account)


def _without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return what a document of an earlier edition has: a longer record alone changes none."""
    return {name: value for name, value in values.items() if name not in names}


def _digest(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)
