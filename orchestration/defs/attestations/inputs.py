"""The inputs of a session's attestations: as given, else of the issue in force, else of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestration.home.paths import Home
from orchestration.home.sections.documents import OrganisationSettings
from orchestration.home.settings import Settings, home_sources, ignored_keys, load_settings
from reports.attestation.inputs import LOG_LIMITS, AttestationInputs
from reports.attestation.parts import inputs_of
from reports.attestation.wording import NOUNS
from reports.issuing.manifest import issue_folders, read_manifest
from reports.issuing.naming import session_folder


@dataclass(frozen=True)
class SessionInputs:
    """The inputs of a session's next issue; `usual` is what the settings say.

    `unlike_settings` names the inputs that nobody gave and that are not those of the settings.
    """

    inputs: AttestationInputs
    usual: AttestationInputs
    unlike_settings: tuple[str, ...]


def session_inputs(
    home: Home,
    session_id: str,
    settings: Settings,
    given: Mapping[str, str | None] | None = None,
    *,
    from_settings: bool = False,
    folder: Path | None = None,
) -> SessionInputs:
    """Return the inputs of a session's next issue (A); `settings` are those of the session.

    `folder` holds its issues, by default those of its attestations.

    `given` holds the inputs given, by name: an empty text leaves an input out, and the issues after this one leave it
    out too. What was not given is that of the issue in force, unless `from_settings`, else that of the settings.
    Raises UserError for a value that is not allowed, OpcoError for an unreadable manifest.
    """
    texts = {name: value for name, value in (given or {}).items() if value is not None}
    usual: dict[str, Any] = dict(settings.organisation)
    values: dict[str, Any] = dict(_with_given(home, settings.organisation, texts))
    left_out = {name for name, value in texts.items() if not value.strip() and usual[name]}
    issues = [] if from_settings else issue_folders(folder or session_folder(home.attestations, session_id))
    if issues:
        in_force = inputs_of(read_manifest(issues[-1][1]).inputs)
        for name in values.keys() - texts.keys():
            if name in in_force.left_out:
                values[name] = () if name == "custom_fields" else None
                left_out.add(name)
            else:
                values[name] = getattr(in_force, name) or values[name]
    of_all: dict[str, Any] = {
        "folds_zero_seconds": settings.attestations.fold_zero_seconds,
        "log_limits": tuple(sorted(one for one in LOG_LIMITS if one in _kinds_of_sources(home))),
        "nouns": tuple((name, noun) for name in NOUNS if (noun := getattr(settings.platform, name))),
    }
    return SessionInputs(
        AttestationInputs(**values, **of_all, left_out=tuple(sorted(left_out))),
        AttestationInputs(**usual, **of_all),
        tuple(name for name in usual if name not in texts and usual[name] and values[name] != usual[name]),
    )


def input_warnings(home: Home, session_id: str, inputs: SessionInputs) -> tuple[str, ...]:
    """Return what somebody who changed the settings would not expect of a session's inputs."""
    warnings = [
        f"{key} has no effect for all sessions at once: the program's planned duration is printed. Write another one "
        f'under [sessions."{session_id}"] in opco.toml, or give it as an option'
        for key in ignored_keys(home)
    ]
    if inputs.unlike_settings:
        warnings.append(
            f"as in the issue in force, though the settings say otherwise: {', '.join(inputs.unlike_settings)}; "
            "--from-settings takes those of the settings"
        )
    return tuple(warnings)


def _kinds_of_sources(home: Home) -> set[str]:
    return {source.kind.replace("-", "_") for source in home_sources(home).values()}


def _with_given(home: Home, settings: OrganisationSettings, given: Mapping[str, str]) -> OrganisationSettings:
    try:
        return OrganisationSettings(**dict(settings) | dict(given))
    except ValidationError:
        # Says which value is not allowed, and what is.
        load_settings(home, {f"organisation.{name}": value for name, value in given.items()})
        raise
