from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from opco.cli import run
from orchestration.home.paths import Home
from tests.commands import OPCO

# Runs a command in a process of its own and says which of these modules it has loaded.
LOADED = """
import sys
from opco.cli import run
code = run(sys.argv[1:])
heavy = ("dagster", "dagster_dbt", "dbt", "mcp", "weasyprint")
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
    output = capsys.readouterr().out
    for command in ("build", "export", "attest", "settings", "serve", "dagster"):
        assert f" {command} " in output
    # What is needed first stands first.
    groups = ("From a raw folder", "What is there", "Pages and services", "Going back")
    assert sorted(groups, key=output.index) == list(groups)


def test_a_renamed_command_is_refused_with_its_new_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["alarms", "--test", "--json"]) == 2
    output = capsys.readouterr()
    assert "The command opco alarms has another name now: opco alerts" in output.err
    assert json.loads(output.out)["exit_code"] == 2


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["build", "--help"], ["settings"]])
def test_what_needs_no_run_loads_no_dagster(arguments: list[str]) -> None:
    assert loaded_by(*arguments) == (set(), 0)


def test_check_needs_no_home_and_no_run(raw_folder: Path) -> None:
    assert loaded_by("check", str(raw_folder)) == (set(), 0)
    (raw_folder / "courses.csv").unlink()
    assert loaded_by("check", str(raw_folder)) == (set(), 1)


def test_check_says_what_a_load_would_do(capsys: pytest.CaptureFixture[str], raw_folder: Path, home: Home) -> None:
    (raw_folder / "users.csv").write_bytes("user_id,last_name\nu,Léa\nv\n".encode("cp1252"))
    assert run(["check", str(raw_folder)]) == 1
    output = capsys.readouterr().out
    assert "This stops the load:\n  users.csv: table users is not UTF-8. It looks like windows-1252." in output
    home.settings_file.write_text('[raw]\nencoding = "windows-1252"\n')
    assert run(["check", str(raw_folder), "--home", str(home.folder)]) == 0
    output = capsys.readouterr().out
    assert "users: 1 row rejected, malformed_line; the first users.csv:3 = v\n" in output
    assert output.endswith("The folder can be loaded: 6 rows, 1 of them rejected; 0 cells nulled.\n")
    assert not home.archive.exists()
    assert run(["check", str(raw_folder), "--home", str(home.folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bad_rows"][0]["reason"] == "malformed_line"


def test_settings_as_json(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    home.settings_file.write_text('[organisation]\nplace = "Lille"\n')
    assert run(["settings", "--home", str(home.folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["home"] == str(home.folder)
    assert answer["settings"]["organisation.place"]["value"] == "Lille"
    assert answer["settings"]["organisation.place"]["origin"] == "opco.toml"
    assert answer["settings"]["rules.max_connection_minutes"]["value"] is None


def test_settings_for_people(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    home.settings_file.write_text('[organisation]\nplace = "[red]Lille\\u001b[31m"\n')
    assert run(["settings", "--home", str(home.folder)]) == 0
    output = capsys.readouterr().out
    assert "place = [red]Lille\ufffd[31m  (opco.toml)\n    Place of signing. Allowed: text.\n" in output
    # Nothing runs beyond what a terminal, or a page of an editor, shows.
    assert max(map(len, output.splitlines()[2:])) <= 100


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
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("Error: ")
    assert "Traceback" not in output.err
    for word in words:
        assert word in output.err


def test_an_error_as_json_and_with_its_traceback(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    home.settings_file.write_text("[rules\n")
    assert run(["settings", "--home", str(home.folder), "--json", "--debug"]) == 2
    output = capsys.readouterr()
    result = json.loads(output.out)
    assert (result["ok"], result["exit_code"]) == (False, 2)
    assert "is not TOML" in result["error"]
    assert "Traceback" in output.err


def test_a_home_that_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["settings", "--home", str(tmp_path / "gone")]) == 2
    assert str(tmp_path / "gone") in capsys.readouterr().err


@pytest.mark.parametrize("command", [["export"], ["attest", "S-2026-MGMT-09"]])
def test_without_a_warehouse_the_message_tells_to_build_one(
    capsys: pytest.CaptureFixture[str], home: Home, command: list[str]
) -> None:
    assert run([*command, "--home", str(home.folder)]) == 2
    output = capsys.readouterr()
    assert str(home.warehouse) in output.err
    assert "opco build --raw FOLDER" in output.err
    assert not home.exports.exists()
    assert not home.attestations.exists()


def test_an_interrupted_command_says_so(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("opco.settings.settings_in_force", interrupted)
    assert run(["settings", "--home", str(home.folder), "--json"]) == 130
    output = capsys.readouterr()
    assert json.loads(output.out)["exit_code"] == 130
    assert "Interrupted" in output.err
    assert "Traceback" not in output.err


@pytest.mark.parametrize("command", ["dagster", "serve"])
def test_an_address_that_is_taken_is_said(
    capsys: pytest.CaptureFixture[str], home: Home, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("OPCO_PORTAL__SECRET", "s" * 40)
    monkeypatch.setenv("OPCO_PORTAL__BASE_URL", "https://opco.example.org")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert run([command, "--port", str(port), "--home", str(home.folder)]) == 1
    output = capsys.readouterr().err
    assert f"127.0.0.1:{port} cannot be listened on" in output
    assert "Name another --port or --host." in output


# As `opco` is started; a locale of ASCII alone stands for all that are not UTF-8.
LOCALE_OF_ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def started(command: str, home: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run `opco COMMAND` by a shell, for its redirections."""
    environment = {**{name: value for name, value in os.environ.items() if name != "PYTHONUTF8"}, **variables}
    script = f"set -o pipefail; {shlex.quote(str(OPCO))} {command}"
    return subprocess.run(
        ["bash", "-c", script], env={**environment, "OPCO_HOME": str(home)}, capture_output=True, check=False
    )


def test_a_terminal_that_lacks_letters_gets_the_others(home: Home) -> None:
    home.settings_file.write_text('[organisation]\nplace = "Łódź é"\n', encoding="utf-8")
    done = started("settings", home.folder, PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "?ód? é" in done.stdout.decode("latin-1")
    done = started("settings --json", home.folder, PYTHONIOENCODING="latin-1")
    assert json.loads(done.stdout)["settings"]["organisation.place"]["value"] == "Łódź é"


@pytest.mark.parametrize(
    ("redirection", "said"),
    [
        ("| head -1", b""),
        (">&-", b""),
        ("2>&- >&- <&-", b""),
        ("> /dev/full", b"Warning: standard output took no more (No space left on device)."),
    ],
)
def test_a_closed_or_full_output_is_no_failure_of_the_command(home: Home, redirection: str, said: bytes) -> None:
    done = started(f"settings {redirection}", home.folder)
    assert done.returncode == 0
    assert done.stderr.startswith(said)
    assert done.stderr.count(b"\n") == len(said.splitlines())


def test_progress_that_nobody_reads_ends_no_work(home: Home) -> None:
    # The second command ends at once, and closes the first one's stderr.
    done = started("build --raw /no/such/folder --json 2> >(true)", home.folder)
    assert json.loads(done.stdout)["error"].startswith("/no/such/folder")
    assert done.returncode == 2


@pytest.mark.parametrize("typed", [b"L\xc3\xa9on", b"Leon"])
def test_a_home_is_found_by_its_name_in_every_locale(tmp_path: Path, typed: bytes) -> None:
    folder = tmp_path / typed.decode()
    folder.mkdir()
    (folder / "opco.toml").write_text('[organisation]\nplace = "Łódź"\n', encoding="utf-8")
    script = b"import sys; from opco.cli import main; sys.argv[0] = 'opco'; main()"
    arguments = [os.fsencode(sys.executable), b"-c", script, b"settings", b"--json", b"--home", bytes(folder)]
    done = subprocess.run(arguments, env={**os.environ, **LOCALE_OF_ASCII}, capture_output=True, check=False)
    answer = json.loads(done.stdout)
    assert answer["home"] == str(folder)
    # What a file of ours is called is the same for DuckDB, which takes names as UTF-8.
    assert answer["settings"]["organisation.place"]["value"] == "Łódź"
