"""What deploy/ says agrees with itself, with the commands, the settings and the set-up."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from opco.cli import app, load_commands
from orchestration.home.settings import is_secret, setting_fields, variable_of
from tests.deploy.units import DEPLOY, PROGRAM, SERVICES, compose, read_unit, unit_command
from warehouse.project import PROJECT_DIR

load_commands()

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
# An image or a file is named, and the registry that holds it is the reader's choice.
HOST = re.compile(r"[\w-]+\.[\w.-]+(:\d+)?/")
SECRETS = {variable_of(key).lower() for key in setting_fields() if is_secret(key)}


def parsed(arguments: list[str]) -> dict[str, Any]:
    """Return what a command takes `arguments` for, as the command line itself reads them."""
    group = typer.main.get_group(app)
    command = group.commands[arguments[0]]
    return dict(command.make_context(arguments[0], list(arguments[1:])).params)


def without_address(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name != "host"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_unit_and_a_container_run_the_same_command(service: str) -> None:
    unit, container = parsed(unit_command(service)), parsed(compose()["services"][service]["command"])

    assert without_address(unit) == without_address(container)
    assert (unit["host"], container["host"]) == ("127.0.0.1", "127.0.0.1" if service == "daemon" else "0.0.0.0")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_every_command_of_a_unit_is_one(path: Path) -> None:
    unit = read_unit(path)
    (said,) = unit["Service.ExecStart"]
    program, *arguments = shlex.split(said)
    assert program == PROGRAM
    if path.name == "opco-health@.service":
        for service in SERVICES:
            parsed([part.replace("%i", service) for part in arguments])
    else:
        parsed(arguments)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_take_few_rights_and_the_same_surroundings(path: Path) -> None:
    unit = read_unit(path)
    for key, value in {
        "User": "opco",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "EnvironmentFile": "-/etc/opco/opco.env",
        "LoadCredential": "opco:/etc/opco/secrets",
        "Environment": "OPCO_HOME=/srv/opco OPCO_LOGS__FORMAT=json OPCO_SECRETS=%d PYTHONDONTWRITEBYTECODE=1",
    }.items():
        assert unit[f"Service.{key}"] == [value], key
    for said in unit["Unit.Documentation"]:
        assert (PROJECT_DIR / said.removeprefix("file:/opt/opco/")).is_file()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_take_a_part_of_the_machine(path: Path) -> None:
    unit = read_unit(path)
    for key, form in {"MemoryMax": r"\d+(%|G)", "TasksMax": r"\d+", "CPUQuota": r"\d+%"}.items():
        (value,) = unit[f"Service.{key}"]
        assert re.fullmatch(form, value), key
    # One process that takes too much does not end the portal, nor the daemon and its other runs.
    assert unit.get("Service.OOMPolicy", []) == ([] if "@" in path.name else ["continue"])


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_takes_as_much_as_its_unit_and_the_documentation_says_it(service: str) -> None:
    container, unit = compose()["services"][service], read_unit(DEPLOY / "systemd" / f"opco-{service}.service")
    (tasks,), (quota,), (memory,) = (unit[f"Service.{key}"] for key in ("TasksMax", "CPUQuota", "MemoryMax"))
    assert container["pids_limit"] == int(tasks)
    assert container["cpu_quota"] == 1000 * int(quota.removesuffix("%"))
    text = (PROJECT_DIR / "docs" / "deploying.md").read_text(encoding="utf-8")
    (row,) = (line for line in text.splitlines() if f"`opco-{service}.service`" in line and line.startswith("|"))
    said = [cell.strip() for cell in row.split("|")][2:5]
    gigabytes = container["mem_limit"].removesuffix("g")
    assert said[0].startswith(memory.replace("%", " %"))
    assert f"{gigabytes} GB" in said[0]
    assert said[1:] == [f"{int(tasks):,}", str(int(quota.removesuffix("%")) // 100)]


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_asked_for_its_health_and_a_failure_is_told(service: str) -> None:
    test = compose()["services"][service]["healthcheck"]["test"]
    assert test[:2] == ["CMD", PROGRAM]
    assert parsed(test[2:])["service"] == service
    unit = read_unit(DEPLOY / "systemd" / f"opco-{service}.service")
    assert unit["Unit.OnFailure"] == ["opco-alert@%n.service"]
    assert unit["Unit.RequiresMountsFor"] == ["/srv/opco"]
    assert unit["Service.ReadWritePaths"] == ["/srv/opco"]


def test_secrets_are_those_of_the_settings_and_stand_in_no_file() -> None:
    said = compose()
    assert set(said["secrets"]) <= SECRETS
    assert {name: one["file"] for name, one in said["secrets"].items()} == {
        name: f"secrets/{name.removeprefix('opco_')}" for name in said["secrets"]
    }
    for service in SERVICES:
        assert set(said["services"][service]["secrets"]) == set(said["secrets"])
        assert said["services"][service]["environment"] == {"OPCO_SECRETS": "/run/secrets"}
    given = re.findall(r"^#?(OPCO_\w+)=", (DEPLOY / "opco.env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"OPCO_EMAIL__HOST", "OPCO_ALERTS__RECIPIENTS", "OPCO_DAGSTER__POSTGRES_URL"} <= set(given)
    assert set(given) <= {variable_of(key) for key in setting_fields()} - {name.upper() for name in SECRETS}


@pytest.mark.parametrize("service", SERVICES)
def test_containers_take_few_rights(service: str) -> None:
    said = compose()["services"][service]
    assert said["read_only"] is True
    assert said["cap_drop"] == ["ALL"]
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in said.get("ports", []))


def test_the_image_is_set_up_as_the_project_is() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    steps = re.findall(r"^([A-Z]+) ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    said: dict[str, list[str]] = {}
    for name, value in steps:
        said.setdefault(name, []).append(value)

    assert said["FROM"] == ["python:3.13-slim"]
    assert said["RUN"][0].startswith("scripts/setup.sh --production")
    assert said["USER"] == ["10001"]
    assert said["VOLUME"] == ["/srv/opco"]
    assert said["ENTRYPOINT"] == [f'["{PROGRAM}"]']
    assert [name for name, _ in steps].index("USER") > max(
        number for number, (name, _) in enumerate(steps) if name in ("RUN", "COPY")
    )
    ignored = (PROJECT_DIR / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [line[1:] for line in ignored if line.startswith("!")]
    for name in kept:
        assert (PROJECT_DIR / name).exists(), name
    # What the set-up reads, and what dbt, the packages and their build read, is there.
    for copied in said["COPY"]:
        for source in copied.split()[:-1]:
            assert source == "." or any(source == name or source.startswith(f"{name}/") for name in kept), source
    assert {"models", "macros", "seeds", "tests/dbt", "dbt_project.yml", "profiles.yml"} <= set(kept)


def test_images_name_no_registry() -> None:
    images = [service["image"] for service in compose()["services"].values()]
    images += re.findall(r"^FROM (\S+)", (DEPLOY / "Containerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(images) == 5
    assert not any(HOST.match(image) for image in images)


def test_the_proxys_sample_keeps_keys_out_of_its_log() -> None:
    sample = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    portal = sample.partition("# The portal")[2].partition("\nserver {\n    listen 80")[0]
    silent = [
        pattern
        for pattern, said in re.findall(r"location (?:~|=) (\S+) \{\n(.*?)\n    \}", portal, re.DOTALL)
        if "access_log off;" in said and "error_log /dev/null;" in said
    ]
    for address in ("/sign-in/link/KEY", "/download/KEY", "/sign-in/provider/back"):
        assert any(re.match(pattern, address) for pattern in silent), address
    for line in ("proxy_request_buffering on;", "client_header_timeout 15s;", "X-Forwarded-Proto $scheme;",
                 "X-Forwarded-For $remote_addr;", "Host $host;", "client_max_body_size 6m;"):  # fmt: skip
        assert line in portal


def test_the_trusted_proxies_of_a_container_are_told_where_they_are_needed() -> None:
    for name in ("opco.env.example", "compose.yaml"):
        assert "OPCO_PORTAL__TRUSTED_PROXIES" in (DEPLOY / name).read_text(encoding="utf-8")
