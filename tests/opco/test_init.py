"""`opco init` makes a home with a source, and changes nothing that is there."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from opco.cli import run
from orchestration.home.paths import Home
from orchestration.home.settings import home_sources


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    code = run(["init", *arguments, "--json"])
    answer: dict[str, object] = json.loads(capsys.readouterr().out)
    assert code == (0 if answer["ok"] else answer["exit_code"])
    return answer


@pytest.mark.parametrize(
    ("kind", "usual"),
    [("moodle-log", "imports/moodle"), ("360learning", "imports/360learning"), ("xapi", "imports/xapi")],
)
def test_a_home_with_a_folder_of_downloads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, usual: str
) -> None:
    folder = tmp_path / "new" / "home"
    answer = asked(capsys, kind, "--home", str(folder))
    assert (answer["ok"], answer["name"], answer["secrets"]) == (True, kind, [])
    home = Home(folder)
    (settings,) = home_sources(home).values()
    assert settings.kind == kind
    assert (folder / usual).is_dir()
    # Nothing is there to read yet: the answer says so, and the settings stay.
    assert answer["fault"]


def test_a_home_with_an_lrs(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--endpoint", "https://lrs.invalid/xapi", "--username", "opco", "--session", "registration")
    answer = asked(capsys, "xapi", *options, "--home", str(home.folder))
    assert tomllib.loads(home.settings_file.read_text(encoding="utf-8"))["sources"]["xapi"] == {
        "endpoint": "https://lrs.invalid/xapi",
        "username": "opco",
        "session": "registration",
    }
    assert answer["secrets"] == ["OPCO_SOURCES__XAPI__PASSWORD"]
    assert "OPCO_SOURCES__XAPI__PASSWORD" in str(answer["fault"])
    assert not (home.folder / "imports/xapi").exists()


def test_a_home_with_the_api_of_360learning(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    answer = asked(capsys, "360learning", "--client-id", "00918d22", "--region", "us", "--home", str(home.folder))
    assert tomllib.loads(home.settings_file.read_text(encoding="utf-8"))["sources"]["360learning"] == {
        "folder": "imports/360learning",
        "client_id": "00918d22",
        "region": "us",
    }
    assert answer["secrets"] == ["OPCO_SOURCES__360LEARNING__CLIENT_SECRET"]
    assert "OPCO_SOURCES__360LEARNING__CLIENT_SECRET" in str(answer["fault"])
    # The exports go beside it.
    assert (home.folder / "imports/360learning").is_dir()


def test_who_reads_exports_alone_is_not_asked_where_the_platform_is(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(capsys, "360learning", "--home", str(home.folder))["secrets"] == []
    table = tomllib.loads(home.settings_file.read_text(encoding="utf-8"))["sources"]["360learning"]
    assert table == {"folder": "imports/360learning"}


def test_what_is_there_stays(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.settings_file.write_text('# ours\n[organisation]\nname = "Rives"\n', encoding="utf-8")
    asked(capsys, "virtual-classes", "--name", "classes", "--folder", "reports", "--home", str(home.folder))
    text = home.settings_file.read_text(encoding="utf-8")
    assert text.startswith('# ours\n[organisation]\nname = "Rives"\n')
    assert tomllib.loads(text)["sources"] == {"classes": {"kind": "virtual-classes", "folder": "reports"}}
    again = asked(capsys, "virtual-classes", "--name", "classes", "--home", str(home.folder))
    assert (again["ok"], again["exit_code"]) == (False, 2)
    assert "has a source [sources.classes] already" in str(again["error"])
    assert home.settings_file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("blackboard",), "'blackboard' is no kind of source"),
        (("moodle",), "give --database"),
        (("moodle-log", "--database", "mysql://opco@db/moodle"), "has no database"),
        (("moodle", "--database", "mysql://opco:geheim@db/moodle"), "holds a secret"),
        (("moodle", "--database", "oracle://opco@db/moodle"), "postgresql://USER@HOST/DATABASE"),
        (("360learning", "--client-id", "one", "--region", "fr"), "region"),
        (("360learning", "--region", "us"), "--region is of no use without --client-id"),
        ((), "give KIND"),
    ],
)
def test_what_cannot_be_set_up_writes_nothing(
    home: Home, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    answer = asked(capsys, *arguments, "--home", str(home.folder))
    assert (answer["ok"], answer["exit_code"]) == (False, 2)
    assert message in str(answer["error"])
    assert "geheim" not in str(answer)
    assert not home.settings_file.exists()
