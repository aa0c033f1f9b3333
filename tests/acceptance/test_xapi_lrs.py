"""A real LRS: Ralph, in an environment of its own, as it pins other releases than the lock."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from connectors.delivery import Delivery, deliver
from connectors.xapi.settings import XapiSettings
from tests.connectors.lrs import cmi5, statement, voiding
from warehouse.errors import UserError
from warehouse.project import PROJECT_DIR

RALPH = PROJECT_DIR / ".venv" / "ralph" / "bin"
PASSWORD = "a secret"
START = datetime(2026, 11, 5, 4, tzinfo=UTC)
FIRST = datetime(2026, 10, 1, 8, tzinfo=UTC)
LATE = "2026-10-02T00:00:00.000Z"


def at(minutes: int) -> str:
    return (FIRST + timedelta(minutes=minutes)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stored() -> list[dict[str, object]]:
    """Three hundred traces, more than two pages of Ralph's; a session of cmi5; and a statement that is voided."""
    traces = [statement(at=at(minute)) for minute in range(300)]
    session = [cmi5(verb, at(301 + 10 * number)) for number, verb in enumerate(("initialized", "terminated"))]
    return [*traces, *session, voiding(traces[0], LATE)]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run Ralph on statements in a file; it takes no second POST."""
    assert (RALPH / "ralph").exists(), "Ralph is missing: make acceptance installs it"
    folder = tmp_path_factory.mktemp("ralph")
    lines = "".join(json.dumps(one) + "\n" for one in stored())
    (folder / "fs_lrs.jsonl").write_text(lines, encoding="utf-8")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RALPH"))},
        "RALPH_APP_DIR": str(folder / "app"),
        "RALPH_RUNSERVER_BACKEND": "fs",
        "RALPH_BACKENDS__LRS__FS__DEFAULT_DIRECTORY_PATH": str(folder),
    }
    (folder / "app").mkdir()
    user = ("-u", "opco", "-p", PASSWORD, "-s", "all", "-M", "mailto:opco@exemple.fr", "-N", "opco", "-w")
    subprocess.run([RALPH / "ralph", "auth", *user], env=environment, cwd=folder, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "log"
    command = [str(RALPH / "uvicorn"), "ralph.api:app", "--host", "127.0.0.1", "--port", str(port)]
    with (
        log.open("w") as stream,
        subprocess.Popen(command, env=environment, cwd=folder, stdout=stream, stderr=stream) as process,
    ):
        try:
            for _ in range(600):
                with suppress(httpx2.TransportError):
                    httpx2.get(f"http://127.0.0.1:{port}/__heartbeat__")
                    break
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/xAPI"
        finally:
            process.terminate()
            process.wait(30)


def pulled(home: Path, number: int, endpoint: str, password: str = PASSWORD) -> Delivery:
    settings = XapiSettings(endpoint=endpoint, username="opco", password=SecretStr(password))
    started_at = START + timedelta(hours=number)
    return deliver(home / "raw", {"xapi": settings.source()}, home=home, started_at=started_at)


def test_every_page_is_read_and_the_next_pull_has_nothing_new(tmp_path: Path, endpoint: str) -> None:
    first = pulled(tmp_path, 1, endpoint).reports["xapi"]
    assert first.facts["Read"] == "303 statements"
    # This backend of Ralph gives voided statements as well.
    assert (first.rows["learning_events"], first.rows["withdrawn_events"]) == (301, 1)
    assert first.last_activity == FIRST + timedelta(minutes=311)
    second = pulled(tmp_path, 2, endpoint).reports["xapi"]
    assert second.facts["Read"] == "1 statement stored since 2026-10-01T23:55:00.000000Z"
    assert (second.rows["learning_events"], second.rows["withdrawn_events"], second.rows["users"]) == (0, 0, 1)


def test_a_wrong_password_is_refused_and_said(tmp_path: Path, endpoint: str) -> None:
    with pytest.raises(UserError, match=r"refuses the user opco \(401\)"):
        pulled(tmp_path, 1, endpoint, "another one")
