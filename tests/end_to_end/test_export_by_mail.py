"""Exports as people make them: by command, by e-mail over a real mail server, by a definition, against a full disk."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from tests.commands import OPCO
from tests.mail import PASSWORD, USER, MailBox, free_port, mail_server

pytestmark = pytest.mark.xdist_group("demo")

SESSION = "S-2026-MGMT-09"
DEFINITIONS = """
[exports.october]
period = "last_month"
format = "xlsx"
language = "fr"
recipients = ["formation@exemple.fr"]

[exports.ended]
sessions_ended = "yesterday"
"""


@pytest.fixture(scope="module")
def home(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of its own on the demo's published warehouse."""
    home = tmp_path_factory.mktemp("mail-home")
    (home / "var").mkdir()
    (home / "var" / "published").symlink_to(demo_home / "var" / "published")
    (home / "opco.toml").write_text((demo_home / "opco.toml").read_text(encoding="utf-8") + DEFINITIONS)
    return home


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailBox]:
    with mail_server(tmp_path_factory.mktemp("mail")) as box:
        yield box


@pytest.fixture(scope="module")
def portal_port() -> int:
    return free_port()


@pytest.fixture
def environment(mailbox: MailBox, portal_port: int) -> dict[str, str]:
    mailbox.envelopes.clear()
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("OPCO_")},
        "OPCO_EMAIL__HOST": "127.0.0.1",
        "OPCO_EMAIL__PORT": str(mailbox.port),
        "OPCO_EMAIL__USER": USER,
        "OPCO_EMAIL__PASSWORD": PASSWORD,
        "OPCO_EMAIL__SENDER": "exports@atelier.fr",
        "OPCO_EMAIL__ALLOWED_RECIPIENTS": "exemple.fr",
        "OPCO_PORTAL__BASE_URL": f"http://127.0.0.1:{portal_port}/opco",
        "OPCO_PORTAL__SECRET": "0123456789abcdef" * 2,
        "SSL_CERT_FILE": str(mailbox.authority),
    }


def export(home: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(OPCO), "export", *arguments, "--home", str(home), "--json"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=300,
    )


@contextmanager
def portal(home: Path, environment: dict[str, str], port: int) -> Iterator[None]:
    """Run `opco serve` while the block lasts; it has to end by itself when told."""
    command = [str(OPCO), "serve", "--home", str(home), "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            for _ in range(200):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/opco/health", timeout=5).close()
                    break
                except OSError:
                    assert server.poll() is None, server.stderr and server.stderr.read()
                    time.sleep(0.1)
            yield
        finally:
            server.send_signal(signal.SIGTERM)
            _, output = server.communicate(timeout=20)
    assert "/download/" not in output
    assert "Traceback" not in output


def link_in(mailbox: MailBox) -> str:
    body = mailbox.messages[-1].get_body(("plain",))
    assert body is not None
    found = re.search(r"http://\S+/download/\S+", body.get_content())
    assert found is not None
    return found[0]


def test_a_file_reaches_its_recipient_by_a_link(
    home: Path, environment: dict[str, str], mailbox: MailBox, portal_port: int
) -> None:
    done = export(
        home,
        environment,
        "--session",
        SESSION,
        "--language",
        "fr",
        "--format",
        "parquet",
        "--email",
        "Marie@exemple.fr",
    )

    assert done.returncode == 0, done.stderr
    closing = json.loads(done.stdout)
    assert closing["recipients"] == ["Marie@exemple.fr"]
    assert closing["path"].endswith(".parquet")
    assert "download" not in done.stdout + done.stderr
    (envelope,) = mailbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("exports@atelier.fr", ["Marie@exemple.fr"])
    assert mailbox.messages[0]["Subject"] == f"Export OPCO prêt : {closing['rows']} lignes"
    link = link_in(mailbox)
    for _ in range(2):  # a link outlives its server
        with portal(home, environment, portal_port), urllib.request.urlopen(link, timeout=20) as answer:
            assert hashlib.sha256(answer.read()).hexdigest() == closing["sha256"]
    other = {**environment, "OPCO_PORTAL__SECRET": "fedcba9876543210" * 2}
    with portal(home, other, portal_port), pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(link, timeout=20)


def test_a_defined_export_for_a_day(home: Path, environment: dict[str, str], mailbox: MailBox) -> None:
    done = export(home, environment, "--definition", "october", "--today", "2026-11-10")

    assert done.returncode == 0, done.stderr
    closing = json.loads(done.stdout)
    beside = json.loads(Path(closing["json_path"]).read_text(encoding="utf-8"))
    assert (beside["filters"]["date_from"], beside["filters"]["date_to"]) == ("2026-10-01", "2026-10-31")
    with duckdb.connect(str((home / "var/published/opco.duckdb").resolve()), read_only=True) as warehouse:
        counted = warehouse.execute(
            "select count(*) from fct_opco_connections where connected_on between '2026-10-01' and '2026-10-31'"
        ).fetchall()
    assert counted == [(closing["rows"],)]
    assert closing["recipients"] == ["formation@exemple.fr"]
    (message,) = mailbox.messages
    body = message.get_body(("plain",))
    assert body is not None
    assert "Défini sous le nom : october" in body.get_content()


def test_sessions_that_ended_yesterday(home: Path, environment: dict[str, str]) -> None:
    # S-2026-MGMT-09 ends on 30 October at 22:59:59 UTC, one second before midnight in Paris.
    some = json.loads(export(home, environment, "--definition", "ended", "--today", "2026-10-31", "--dry-run").stdout)
    assert some["filters"]["sessions"] == [SESSION]
    assert some["sessions"] == 1
    before = sorted((home / "var").rglob("*.csv"))
    none = export(home, environment, "--definition", "ended", "--today", "2026-10-30")
    assert none.returncode == 0, none.stderr
    assert json.loads(none.stdout)["path"] is None
    assert sorted((home / "var").rglob("*.csv")) == before


def test_a_dry_run_says_what_the_file_then_holds(home: Path, environment: dict[str, str], tmp_path: Path) -> None:
    learners = tmp_path / "learners.txt"
    learners.write_text("u-1004\nu-1005\n")
    answer = json.loads(export(home, environment, "--user", f"@{learners}", "--dry-run").stdout)
    made = json.loads(export(home, environment, "--user", f"@{learners}", "--output", str(tmp_path / "x.csv")).stdout)

    assert {name: answer[name] for name in ("rows", "learners", "sessions")} == {
        name: made[name] for name in ("rows", "learners", "sessions")
    }
    with (tmp_path / "x.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.reader(file, delimiter=";"))) == answer["rows"] + 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "2026-09-30", "--to", "2026-09-01"], ["2026-09-01", "before its first"]),
        (["--from", "31/09/2026"], ["31/09/2026", "10/11/2026 (day/month/year) or 2026-11-10"]),
        (["--from", "0"], ["'0'", "10/11/2026 (day/month/year) or 2026-11-10"]),
        (["--to", "2026-02-30"], ["2026-02-30", "no day of the calendar"]),
        (["--session", "S-2026-MGMT-9"], ['No session "S-2026-MGMT-9"', '"S-2026-MGMT-09"']),
        (["--format", "xls"], ["export.format", "xls", "csv, xlsx, parquet"]),
        (["--email", "marie@ailleurs.fr"], ["marie@ailleurs.fr", "email.allowed_recipients"]),
        (["--email", "marie@exemple.fr\nBcc: b@ailleurs.fr"], ["is no e-mail address"]),
        (["--definition", "november"], ["'november'", "october, ended"]),
        (["--definition", "october", "--user", "u-1004"], ["its own filters", "users"]),
        (["--today", "2026-11-10"], ["defined export"]),
        (["--user", "@/nowhere/list.txt"], ["--user", "/nowhere/list.txt", "cannot be read"]),
    ],
)
def test_a_mistake_is_one_message_exit_code_2_and_no_file(
    home: Path, environment: dict[str, str], mailbox: MailBox, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    output = tmp_path / "x.csv" if "--format" not in arguments else tmp_path / "x.xls"
    done = export(home, environment, *arguments, "--output", str(output))

    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    for word in words:
        assert word in error
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert mailbox.envelopes == []


def test_what_mail_needs_is_named_before_anything_is_written(
    home: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    del environment["OPCO_PORTAL__SECRET"], environment["OPCO_EMAIL__PASSWORD"]

    done = export(home, environment, "--email", "marie@exemple.fr", "--output", str(tmp_path / "x.csv"))

    assert done.returncode == 2
    assert "OPCO_PORTAL__SECRET" in done.stderr
    assert "OPCO_EMAIL__PASSWORD" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_refused_message_keeps_the_file_and_says_where(
    home: Path, environment: dict[str, str], mailbox: MailBox, tmp_path: Path
) -> None:
    mailbox.refusals.append("550 No such user here")
    try:
        done = export(home, environment, "--email", "marie@exemple.fr", "--email", "paul@exemple.fr",
                      "--output", str(tmp_path / "x.csv"))  # fmt: skip
    finally:
        mailbox.refusals.clear()

    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert f"written and kept: {tmp_path / 'x.csv'}" in error
    assert "1 of 2 recipients were not told (1 were)" in error
    assert "550 No such user here" in error
    assert PASSWORD not in done.stderr
    assert (tmp_path / "x.csv").exists()
    assert [envelope.rcpt_tos for envelope in mailbox.envelopes] == [["paul@exemple.fr"]]


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet"])
def test_a_full_disk_leaves_no_file(demo_home: Path, tmp_path: Path, suffix: str) -> None:
    # A limit on the size of files stands for the disk; room for what is small, not for the export.
    script = (
        "import sys; from pathlib import Path; from warehouse.errors import OpcoError\n"
        "from reports.export.filters import ExportFilters\n"
        "from reports.export.write import ExportOptions, write_export\n"
        "try:\n"
        "    write_export(Path(sys.argv[1]), Path(sys.argv[2]), ExportFilters(), ExportOptions(format=sys.argv[3]))\n"
        "except OpcoError as error:\n"
        "    print(error); sys.exit(error.exit_code)\n"
    )

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    output = tmp_path / "out" / f"export.{suffix}"
    warehouse = demo_home / "var/published/opco.duckdb"
    done = subprocess.run(
        [str(OPCO.with_name("python")), "-c", script, str(warehouse), str(output), suffix],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited,
        cwd=OPCO.parents[2],
    )

    assert done.returncode == 1, done.stderr
    assert f"{output} could not be written" in done.stdout
    assert "space on its disk" in done.stdout
    assert list(output.parent.iterdir()) == []
