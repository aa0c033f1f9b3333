"""The files of deploy/, as tests read them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import yaml

from warehouse.project import PROJECT_DIR

DEPLOY = PROJECT_DIR / "deploy"
PROGRAM = "/opt/opco/.venv/bin/opco"
SERVICES = ("webserver", "daemon", "serve")


def read_unit(path: Path) -> dict[str, list[str]]:
    """Return the values of a unit's keys, `Section.Key`, in their order."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(f"{section}.{key}", []).append(value)
    return found


def unit_command(service: str) -> list[str]:
    """Return what the unit of `service` runs, after the program."""
    (said,) = read_unit(DEPLOY / "systemd" / f"opco-{service}.service")["Service.ExecStart"]
    program, *arguments = shlex.split(said)
    assert program == PROGRAM
    return arguments


def compose() -> dict[str, Any]:
    """Return the compose file."""
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return content
