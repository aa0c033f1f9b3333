"""Whether a service of a home is well."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from orchestration.home import Home
from orchestration.settings import load_settings
from warehouse.errors import OpcoError

TIMEOUT_SECONDS = 10
# A part of the daemon shows itself every half minute.
HEARTBEAT_SECONDS = 300


def health_of(home: Home, service: str, url: str | None) -> dict[str, Any]:
    """Return what a service that is well says. Raises OpcoError for one that is not, or cannot be reached.

    `service` is webserver, daemon or serve; `url` is where a web server listens, if not at its default.
    """
    if service == "daemon":
        said = _daemon(home)
    elif service == "webserver":
        said = _answer(f"{(url or 'http://127.0.0.1:3000').rstrip('/')}/server_info", "dagster_version")
    else:
        path = urlsplit(load_settings(home).portal.base_url or "").path.rstrip("/")
        said = _answer(f"{(url or f'http://127.0.0.1:8000{path}').rstrip('/')}/health", "status")
    return {"command": "health", "ok": True, "home": str(home.folder), "service": service, "said": said}


def _answer(url: str, key: str) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        raise OpcoError(f"{url} is no address of a web server.")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - http or https, see above
            content = json.loads(answer.read(100_000))
        return f"Well: {url} answers, {key} {content[key]}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OpcoError(f"Not well: {url} does not answer as it should: {error}") from error


def _daemon(home: Home) -> str:
    from dagster._daemon.controller import get_daemon_statuses

    from orchestration.runs import INSTANCE_FILE, open_instance

    # To open it would write it, and an empty mount point is to stay empty.
    if not (home.dagster / INSTANCE_FILE).exists():
        raise OpcoError(f"Not well: Dagster never ran on the home {home.folder}. Is it the right one, and mounted?")
    with open_instance(home) as instance:
        statuses = get_daemon_statuses(
            instance,
            instance.get_required_daemon_types(),
            ignore_errors=True,
            heartbeat_tolerance_seconds=HEARTBEAT_SECONDS,
        )
    silent = []
    for name, status in statuses.items():
        if not status.healthy:
            last = status.last_heartbeat
            silent.append(f"{name} ({f'{time.time() - last.timestamp:.0f} s ago' if last else 'never'})")
    if silent:
        raise OpcoError(
            f"Not well: of the daemon's parts these did not show themselves for {HEARTBEAT_SECONDS} s: "
            f"{', '.join(silent)}.\nIs the daemon running? opco dagster --only daemon"
        )
    return f"Well: the daemon shows itself, {', '.join(statuses)}"
