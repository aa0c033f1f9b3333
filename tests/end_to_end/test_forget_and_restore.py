"""`opco forget` on the demo campus: killed, asked again, and nothing of the learner is left but the time.

Then its superseded documents are cleaned, and the home is restored from what docs/operations.md says to back up.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from opco.cli import run
from orchestration.home.paths import HOME_VARIABLE
from reports.issuing.verify import verify
from tests.commands import Opco, result_of
from warehouse.project import PROJECT_DIR

Here = Callable[..., tuple[int, dict[str, Any]]]

pytestmark = pytest.mark.xdist_group("demo")

LEARNER, SESSION = "u-1004", "S-2026-MGMT-09"
# As demo/raw delivers them; nobody else has any of these.
THEIRS = ("O'Brien", "siobhan.o-brien", "Siobhán", "Gouvernante générale", "D-2026-004533", "Élargissement de poste")
FORGET = ("forget", LEARNER, "--reason", "letter of 2 March", "--override")
# Forgets in a process that is killed when it calls this function of this module.
KILLED = """
import os, signal, sys
from importlib import import_module
module, name, *arguments = sys.argv[1:]
setattr(import_module(module), name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
from opco.cli import run
run(arguments)
"""


@pytest.fixture(scope="module")
def home(demo_home: Path, tmp_path_factory: pytest.TempPathFactory, opco: Opco) -> Path:
    """The demo's home with an export, one asked for by e-mail, a link's copy of it, and an issue of attestations."""
    home = tmp_path_factory.mktemp("forgetting") / "home"
    shutil.copytree(demo_home, home, symlinks=True)
    (home / "identities.csv").write_text(f"source,user_id,learner\n,{LEARNER},Siobhán O'Brien\n", encoding="utf-8")
    made = result_of(opco("export", "--user", "Siobhan.O-Brien@grandlarge.example", "--json", home=home))
    delivery = home / "var/deliveries" / ("a" * 32)
    delivery.mkdir(parents=True)
    shutil.copy(made["path"], delivery / "content")
    result_of(opco("export", "--session", "S-2026-CYB-09", "--json", home=home))
    result_of(opco("attest", SESSION, "--issued-on", "2026-11-10", "--json", home=home))
    return home


@pytest.fixture(scope="module")
def before(home: Path) -> list[tuple[Any, ...]]:
    return times(home)


def times(home: Path) -> list[tuple[Any, ...]]:
    """Every connection of the published file, without what tells who it was."""
    with duckdb.connect(str((home / "var/published/opco.duckdb").resolve()), read_only=True) as published:
        return published.execute(
            "select connection_id, user_id, session_id, course_id, connected_at, disconnected_at, retained_seconds, "
            "evidence_level, list_filter(flags, lambda flag: flag <> 'deleted_user') as flags "
            "from fct_opco_connections order by all"
        ).fetchall()


def texts(path: Path) -> Iterator[str]:
    """Yield all text of a file: its bytes, and the rows of a database."""
    content = path.read_bytes()
    yield content.decode("utf-8", "replace")
    if content[8:12] == b"DUCK":
        with duckdb.connect(str(path), read_only=True) as database:
            for schema, table in database.execute("select schema_name, table_name from duckdb_tables()").fetchall():
                yield str(database.execute(f'from "{schema}"."{table}"').fetchall())
    elif content[:4] == b"PAR1":
        yield str(duckdb.execute("from read_parquet($path)", {"path": str(path)}).fetchall())
    elif content[:6] == b"SQLite":
        with sqlite3.connect(path) as database:
            for (table,) in database.execute("select name from sqlite_master where type = 'table'").fetchall():
                yield str(database.execute(f"select * from {table}").fetchall()).encode().decode("unicode_escape")


def holding(home: Path) -> set[str]:
    """The files under `var` that hold anything of the learner, by their first folder."""
    return {
        path.relative_to(home / "var").parts[0]
        for path in (home / "var").rglob("*")
        if path.is_file() and any(word.lower() in text.lower() for text in texts(path) for word in THEIRS)
    }


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Run a command in this process, which has loaded everything already: its exit code, its result."""
    monkeypatch.setenv(HOME_VARIABLE, str(home))  # set by the command too, and so taken back

    def opco_here(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = run([*arguments, "--home", str(home), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return opco_here


def killed(home: Path, module: str, name: str) -> None:
    arguments = [*FORGET, "--home", str(home)]
    done = subprocess.run([sys.executable, "-c", KILLED, module, name, *arguments], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_asked_wrongly_changes_nothing(home: Path, here: Here) -> None:
    archive = files(home / "var/raw")
    for arguments, code, said in (
        (("forget", LEARNER, "--reason", "asked"), 2, "the proof must be kept until 2032-10-16"),
        (("forget", "u-1OO4", "--reason", "asked"), 2, "no delivered row has this id"),
        ((*FORGET[:3], "Mrs O'BRIEN asked", "--override"), 2, "The reason holds the learner's name"),
        ((*FORGET[:3], " ", "--override"), 2, "--reason is empty"),
    ):
        found, result = here(*arguments)
        assert (found, result["ok"]) == (code, False)
        assert said in result["error"]
    code, would = here(*FORGET, "--dry-run")
    assert code == 0
    assert would["archive_rows"] == {"user_custom_field_values": 7, "user_labels": 3, "users": 1}
    assert files(home / "var/raw") == archive
    assert {"raw", "published", "build", "dagster", "exports", "deliveries", "attestations"} <= holding(home)


def test_killed_before_the_archive_is_replaced_it_left_all_as_it_was(home: Path, before: list[Any]) -> None:
    manifest = (home / "var/raw/manifest.json").read_bytes()
    killed(home, "warehouse.forgetting", "write_record")
    assert (home / "var/raw/manifest.json").read_bytes() == manifest
    assert times(home) == before


def test_killed_after_it_the_same_command_ends_the_work(home: Path, before: list[Any], opco: Opco) -> None:
    killed(home, "orchestration.defs.cleaning.forgetting", "_empty_build")
    (record,) = json.loads((home / "var/raw/manifest.json").read_bytes())["forgotten"]
    assert record["completed_at"] is None
    made = result_of(opco(*FORGET, "--json", home=home))
    assert holding(home) == {"exports", "deliveries", "attestations"}
    assert times(home) == before
    (export,) = made["exports"]
    assert [path.name for path in (home / "var/exports").iterdir() if LEARNER in path.read_text("utf-8")] == []
    assert (home / export).is_file()
    assert made["deliveries"] == ["a" * 32]
    assert made["attestations"] == [f"{SESSION}/{LEARNER}/1 in var/attestations/{SESSION}/issue-1"]
    assert made["completed_at"]
    assert len(list((home / "var/published/builds").glob("*.duckdb"))) == 1


def test_the_learner_is_an_id_with_a_deleted_account(home: Path) -> None:
    with duckdb.connect(str((home / "var/published/opco.duckdb").resolve()), read_only=True) as published:
        (learner,) = published.execute(
            "select * exclude (deleted_at) from dim_learners where user_id = ?", [LEARNER]
        ).fetchall()
        assert learner[:12] == (LEARNER, None, None, None, None, None, "deleted", True, None, None, [], False)
        assert learner[12:14] == (LEARNER, "file")
        # The custom fields.
        assert len(learner) > 14
        assert set(learner[14:]) == {None}
        assert published.execute(
            "select count(*) from bridge_learner_custom_fields where user_id = ?", [LEARNER]
        ).fetchall() == [(0,)]
        assert published.execute("select bool_and(delivered = kept + duplicate + rejected) from load_reconciliation "
                                 "where outside_session is null").fetchall() == [(True,)]  # fmt: skip


def test_the_next_build_goes_on_and_brings_nothing_back(home: Path, before: list[Any], opco: Opco) -> None:
    made = result_of(opco("build", "--raw", PROJECT_DIR / "demo" / "raw", "--json", home=home))
    assert made["full_refresh_reason"] is None
    assert holding(home) == {"exports", "deliveries", "attestations"}
    assert times(home) == before


def test_the_next_issue_cancels_the_document_without_the_name(home: Path, opco: Opco) -> None:
    # Asked for one learner alone, the documents of the others are carried on: not this one.
    made = result_of(opco("attest", SESSION, "--user", "u-1001", "--place", "Brest", "--json", home=home))
    (cancelled,) = made["cancelled"]
    assert (cancelled["user_id"], cancelled["learner"]) == (LEARNER, LEARNER)
    assert cancelled["reason"] == "deleted_without_name"
    issue = Path(made["folder"])
    assert not any(word.lower() in text.lower() for text in texts(issue / "manifest.json") for word in THEIRS)
    assert not any("BRIEN" in path.name for path in issue.iterdir())


def test_asked_again_it_says_that_it_is_done(home: Path, here: Here, opco: Opco) -> None:
    before = files(home / "var/raw")
    code, done = here(*FORGET)
    assert (code, done["was_done"]) == (0, True)
    assert opco(*FORGET, home=home).stdout.startswith(f"{LEARNER} was forgotten on ")
    assert files(home / "var/raw") == before


def test_documents_of_superseded_issues_go_when_they_are_named(home: Path, here: Here) -> None:
    assert "attestations" not in here("clean")[1]["cleaned"]
    gone = here("clean", "--issues-of", SESSION)[1]["cleaned"]["attestations"]
    assert gone["names"] == [f"var/attestations/{SESSION}/issue-1"]
    assert gone["bytes"] > 1_000_000
    folder = home / "var/attestations" / SESSION
    assert sorted(path.name for path in (folder / "issue-1").iterdir()) == ["manifest.json", "removed.json"]
    code, verified = here("verify", str(folder))
    assert code == 0
    assert any("its documents were removed on" in remark["remark"] for remark in verified["remarks"])
    listed = here("issues", SESSION)[1]["issues"]
    assert [one["issue_number"] for one in listed] == [1, 2]


def test_what_was_backed_up_gives_everything_back(home: Path, tmp_path: Path, opco: Opco) -> None:
    restored = tmp_path / "restored"
    (restored / "var").mkdir(parents=True)
    page = (PROJECT_DIR / "docs" / "operations.md").read_text(encoding="utf-8")
    for place in re.findall(r"^\| `([\w./]+)` \| yes", page, re.MULTILINE):
        source = home / place
        if source.is_dir():
            shutil.copytree(source, restored / place)
        elif source.exists():
            shutil.copy(source, restored / place)
    assert {path.name for path in (restored / "var").iterdir()} == {"raw", "attestations", "home.json"}
    result_of(opco("rebuild", "--json", home=restored))
    with duckdb.connect() as both:
        for name, place in (("kept", home), ("again", restored)):
            both.execute(f"attach '{(place / 'var/published/opco.duckdb').resolve()}' as {name} (read_only)")
        tables = both.execute("select table_name from duckdb_tables() where database_name = 'kept'").fetchall()
        assert len(tables) >= 20
        # Who is to be chased depends on the day of the build, what was attested on what was issued until then.
        of_the_day = {"fct_learner_follow_up", "fct_program_session_indicators", "fct_issued_documents"}
        for table in {table for (table,) in tables} - of_the_day:
            counted = "list_filter(map_entries(row_counts), lambda one: one.key <> 'fct_issued_documents')"
            columns = f"{counted}, display_timezone" if table == "warehouse_build" else "*"
            for one, other in (("kept", "again"), ("again", "kept")):
                lost = f"select {columns} from {one}.{table} except all select {columns} from {other}.{table}"
                assert both.execute(lost).fetchall() == [], table
        assert both.execute("select count(*) from again.fct_issued_documents where is_in_force").fetchall() > [(0,)]
    assert holding(restored) == {"attestations"}
    for issue in (restored / "var/attestations" / SESSION).glob("issue-*"):
        assert verify(issue).is_sound
