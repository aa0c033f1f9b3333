from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.cli import run
from orchestration.home import Home

# Runs a command in a process of its own and says which of these modules it has loaded.
LOADED = """
import sys
from orchestration.cli import run
code = run(sys.argv[1:])
heavy = ("dagster", "dagster_dbt", "dbt", "weasyprint")
sys.stderr.write("\\nLOADED " + ",".join(name for name in heavy if name in sys.modules))
sys.exit(code)
"""


def loaded_by(*arguments: str) -> tuple[set[str], int]:
    done = subprocess.run([sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=False)
    return set(filter(None, done.stderr.rsplit("LOADED ", 1)[1].split(","))), done.returncode


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == "opco 0.1.0\n"


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_names_every_command(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(arguments) == 0
    said = capsys.readouterr().out
    for command in ("build", "export", "attest", "settings", "serve", "dagster"):
        assert f" {command} " in said


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["build", "--help"], ["settings"]])
def test_what_needs_no_run_loads_no_dagster(arguments: list[str]) -> None:
    assert loaded_by(*arguments) == (set(), 0)


def test_settings_as_json(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    home.settings_file.write_text('[organisation]\nplace = "Lille"\n')
    assert run(["settings", "--home", str(home.folder), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["home"] == str(home.folder)
    assert said["settings"]["organisation.place"]["value"] == "Lille"
    assert said["settings"]["organisation.place"]["origin"] == "opco.toml"
    assert said["settings"]["rules.max_connection_minutes"]["value"] is None


def test_settings_for_people(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    home.settings_file.write_text('[organisation]\nplace = "[red]Lille\\u001b[31m"\n')
    assert run(["settings", "--home", str(home.folder)]) == 0
    said = capsys.readouterr().out
    line = next(line for line in said.splitlines() if line.startswith("place "))
    assert "[red]Lille\ufffd[31m" in line
    assert "opco.toml" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["buid"], ["buid"]),
        (["attest"], ["SESSION_ID"]),
        (["export", "--colour"], ["--colour"]),
        (["build", "--as-of", "yesterday"], ["--as-of", "yesterday", "2026-11-10T06:00:00Z"]),
        (["build", "--as-of", "2026-11-10T06:00:00"], ["--as-of", "time zone", "2026-11-10T06:00:00Z"]),
        (["export", "--dialect", "tsv"], ["export.dialect", "tsv", "option", "excel, rfc4180"]),
        (["attest", "S-1", "--language", "de"], ["organisation.language", "de", "fr, en"]),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], home: Home, arguments: list[str], words: list[str]
) -> None:
    assert run([*arguments, *(["--home", str(home.folder)] if len(arguments) > 1 else [])]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Error: ")
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err


def test_an_error_as_json_and_with_its_traceback(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    home.settings_file.write_text("[rules\n")
    assert run(["settings", "--home", str(home.folder), "--json", "--debug"]) == 2
    said = capsys.readouterr()
    closing = json.loads(said.out)
    assert (closing["ok"], closing["exit_code"]) == (False, 2)
    assert "is not TOML" in closing["error"]
    assert "Traceback" in said.err


def test_a_home_that_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["settings", "--home", str(tmp_path / "gone")]) == 2
    assert str(tmp_path / "gone") in capsys.readouterr().err


@pytest.mark.parametrize("command", [["export"], ["attest", "S-2026-MGMT-09"]])
def test_without_a_warehouse_the_message_tells_to_build_one(
    capsys: pytest.CaptureFixture[str], home: Home, command: list[str]
) -> None:
    assert run([*command, "--home", str(home.folder)]) == 2
    said = capsys.readouterr()
    assert str(home.warehouse) in said.err
    assert "opco build --raw FOLDER" in said.err
    assert not home.exports.exists()
    assert not home.attestations.exists()


def test_an_interrupted_command_says_so(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestration.settings.settings_in_force", interrupted)
    assert run(["settings", "--home", str(home.folder), "--json"]) == 130
    said = capsys.readouterr()
    assert json.loads(said.out)["exit_code"] == 130
    assert "Interrupted" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("command", ["dagster", "serve"])
def test_an_address_that_is_taken_is_said(
    capsys: pytest.CaptureFixture[str], home: Home, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("OPCO_PORTAL__SECRET", "s" * 40)
    monkeypatch.setenv("OPCO_PORTAL__BASE_URL", "https://opco.example.org")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert run([command, "--port", str(port), "--home", str(home.folder)]) == 1
    said = capsys.readouterr().err
    assert f"127.0.0.1:{port} cannot be listened on" in said
    assert "Name another --port or --host." in said
