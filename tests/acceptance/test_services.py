"""The services as they are deployed: the units' commands, by a fresh user, in a fresh folder, on PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.postgres import Database, as_ordinary_user, is_open, own_folder, postgres
from tests.commands import OPCO
from tests.deploy.units import DEPLOY, PROGRAM, SERVICES, compose, unit_command
from tests.mail import PASSWORD, USER, MailBox, free_port, mail_server
from warehouse.project import PROJECT_DIR

BUILD = ["build", "--raw", str(PROJECT_DIR / "demo" / "raw"), "--as-of", "2026-11-10T18:00:00Z"]
PATIENCE_SECONDS = 180


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with postgres() as found:
        yield found


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailBox]:
    with mail_server(tmp_path_factory.mktemp("mail")) as box:
        yield box


@pytest.fixture(scope="module")
def home(database: Database) -> Iterator[Path]:
    with own_folder() as home:
        (home / "opco.toml").write_text(f'[dagster]\npostgres_url = "{database.url}"\n', encoding="utf-8")
        yield home


@pytest.fixture(scope="module")
def environment(
    tmp_path_factory: pytest.TempPathFactory, home: Path, database: Database, mailbox: MailBox
) -> dict[str, str]:
    """What the units give their services."""
    secrets = tmp_path_factory.mktemp("secrets")
    for name, secret in {
        "opco_email__password": PASSWORD,
        "opco_portal__secret": "0123456789abcdef" * 2,
        "opco_dagster__postgres_password": database.password,
    }.items():
        (secrets / name).write_text(secret + "\n", encoding="utf-8")
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPCO_HOME": str(home),
        "OPCO_SECRETS": str(secrets),
        "OPCO_LOGS__FORMAT": "json",
        "OPCO_EMAIL__HOST": "127.0.0.1",
        "OPCO_EMAIL__PORT": str(mailbox.port),
        "OPCO_EMAIL__USER": USER,
        "OPCO_EMAIL__SENDER": "opco@atelier.fr",
        "OPCO_ALERTS__RECIPIENTS": "exploitation@exemple.fr",
        "OPCO_PORTAL__BASE_URL": "https://portal.exemple.fr/opco",
        "SSL_CERT_FILE": str(mailbox.authority),
    }


def command(*arguments: str) -> list[str]:
    """Return an `opco` command as a fresh user runs it; as this one, where the project lies in a closed folder."""
    said = [str(OPCO), *arguments]
    return as_ordinary_user(*said) if is_open(PROJECT_DIR / "dbt_project.yml") else said


def opco(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), env=environment, cwd="/", capture_output=True, text=True, check=False)


def is_well(environment: dict[str, str], *check: str) -> bool:
    return opco(environment, *check).returncode == 0


def wait_for(what: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.5)


def records(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    for one in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", one["time"])
        assert one["level"] in ("debug", "info", "warning", "error", "critical")
        assert one["message"].strip()
    return found


def test_services_start_are_well_tell_alerts_and_end(
    home: Path, environment: dict[str, str], database: Database, mailbox: MailBox, tmp_path: Path
) -> None:
    built = opco(environment, *BUILD)
    assert built.returncode == 0, built.stderr
    # The run's lines say which run it is.
    assert database.ask("select run_id, status from runs") == f"{records(built.stderr)[-1]['run_id']}|SUCCESS"

    ports = {"webserver": free_port(), "serve": free_port()}
    checks = {name: compose()["services"][name]["healthcheck"]["test"] for name in SERVICES}
    logs = {name: tmp_path / f"{name}.log" for name in SERVICES}
    running: dict[str, subprocess.Popen[bytes]] = {}
    with ExitStack() as stack:
        for name in SERVICES:
            arguments = unit_command(name)
            if name in ports:
                arguments[arguments.index("--port") + 1] = str(ports[name])
            log = stack.enter_context(logs[name].open("wb"))
            running[name] = subprocess.Popen(command(*arguments), env=environment, cwd="/", stdout=log, stderr=log)
        try:
            for name in SERVICES:
                kind, program, *check = checks[name]
                assert (kind, program) == ("CMD", PROGRAM)
                path = "/opco" if name == "serve" else ""
                url = ["--url", f"http://127.0.0.1:{ports[name]}{path}"] if name in ports else []
                wait_for(partial(is_well, environment, *check, *url), logs[name])
            wait_for(lambda: bool(mailbox.envelopes), logs["daemon"])
        finally:
            for process in running.values():
                process.send_signal(signal.SIGTERM)
            codes = {name: process.wait(90) for name, process in running.items()}
    # The portal ends as the signal says, which systemd takes for a clean end.
    assert codes == {"webserver": 0, "daemon": 0, "serve": -signal.SIGTERM}
    for name in SERVICES:
        assert records(logs[name].read_text()), name

    (message,) = mailbox.messages
    assert message["To"] == "exploitation@exemple.fr"
    assert "6 of 593 rows rejected in course_connections" in message["Subject"]
    assert database.ask("select count(*) > 0 from job_ticks where type = 'SENSOR'") == "t"
    assert not list((home / "var" / "dagster").rglob("*.db")), "runs were kept in SQLite as well"
    well = opco(environment, "health", "serve", "--url", f"http://127.0.0.1:{ports['serve']}/opco")
    assert well.returncode == 1
    assert "Not well" in records(well.stderr)[-1]["message"]


def test_a_database_that_is_gone_is_one_message_and_nothing_is_done(home: Path, environment: dict[str, str]) -> None:
    before = sorted(str(path) for path in home.rglob("*"))
    elsewhere = {**environment, "OPCO_DAGSTER__POSTGRES_URL": "postgresql://opco@/dagster?host=/nowhere"}

    done = opco(elsewhere, *BUILD)

    assert done.returncode == 1
    output = records(done.stderr)[-1]
    assert output["level"] == "error"
    assert "/nowhere" in output["message"]
    assert "dagster.postgres_url" in output["message"]
    assert sorted(str(path) for path in home.rglob("*")) == before


def test_word_of_a_failed_service_needs_no_home(environment: dict[str, str], mailbox: MailBox, tmp_path: Path) -> None:
    gone = {**environment, "OPCO_HOME": str(tmp_path / "gone")}
    before = len(mailbox.envelopes)

    done = opco(gone, "alerts", "--service", "opco-daemon.service")

    assert done.returncode == 0, done.stderr
    assert "opco-daemon.service failed" in mailbox.messages[before]["Subject"]


def test_units_are_what_systemd_takes(tmp_path: Path) -> None:
    for path in (DEPLOY / "systemd").iterdir():
        # The one thing that this machine lacks is the installation.
        text = path.read_text(encoding="utf-8").replace("/opt/opco", str(PROJECT_DIR))
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    for path in tmp_path.iterdir():
        name = path.name.replace("@.", "@daemon.")
        if name != path.name:
            (tmp_path / name).symlink_to(path.name)
    names = [str(path) for path in tmp_path.iterdir() if "@." not in path.name]
    judged = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in judged.stderr.splitlines() if "opco" in line]
    assert (judged.returncode, ours) == (0, [])
    for service in SERVICES:
        exposed = subprocess.run(
            [
                "systemd-analyze",
                "security",
                "--offline=yes",
                "--threshold=25",
                str(tmp_path / f"opco-{service}.service"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert exposed.returncode == 0, exposed.stdout[-2000:]
