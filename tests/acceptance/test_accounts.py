"""What an account may do in a home that belongs to another one: read it, and be told what it may not."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.postgres import as_ordinary_user, own_folder
from tests.commands import OPCO


@pytest.fixture(scope="module")
def home(demo_home: Path) -> Iterator[Path]:
    """The demo's home, for everybody to read."""
    with own_folder() as folder:
        os.chown(folder, 0, 0)
        folder.chmod(0o755)
        shutil.copytree(demo_home / "var", folder / "var", symlinks=True)
        subprocess.run(["chmod", "--recursive", "go=u-w", str(folder)], check=True)
        yield folder


def opco(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPCO_")}
    command = as_ordinary_user(OPCO, *arguments, "--home", home)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


pytestmark = pytest.mark.skipif(getpass.getuser() != "root", reason="only root can be two accounts")


def test_a_monitor_that_may_only_read_asks_for_the_status(home: Path) -> None:
    finished = opco(home, "status", "--json")
    assert finished.returncode == 0, finished.stderr
    answer = json.loads(finished.stdout)
    assert (answer["ok"], answer["build_running"], answer["runs"]) == (True, None, [])
    assert answer["runs_not_told"].endswith(f"may not write to {home}/var/dagster")
    assert "last runs not shown: the account" in opco(home, "status").stdout


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["rollback"], "so it can change nothing in the home"),
        (["clean", "--dry-run"], "so it can change nothing in the home"),
        (["export"], "may write there, and that the disk has room"),
    ],
)
def test_what_only_the_homes_account_may_do_is_said(home: Path, command: list[str], message: str) -> None:
    finished = opco(home, *command)
    assert finished.returncode == 1
    assert message in finished.stderr
    assert "Errno" not in finished.stderr
    assert "POSTGRES" not in finished.stderr
