"""A home that an earlier release has worked in: what it holds comes through an upgrade, and its figures do.

`tests/data/earlier-home` holds that home and what must come through; the README beside it says more.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from starlette.testclient import TestClient

from orchestration.defs.alerts.notify import alert_mailer, report_problems
from orchestration.home.audit import AuditLog
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from orchestration.runs.background import BackgroundRuns
from orchestration.runs.instigators import forget_renamed, silences
from orchestration.runs.jobs import open_instance
from portal.app import make_app
from reports.issuing.manifest import Manifest, read_manifest
from reports.issuing.verify import verify
from tests.commands import Opco, result_of, run_opco
from tests.mail import PASSWORD, USER, mail_server
from warehouse.project import PROJECT_DIR

FOLDER = PROJECT_DIR / "tests" / "data" / "earlier-home"
FACTS: dict[str, Any] = json.loads((FOLDER / "facts.json").read_text(encoding="utf-8"))
THIRD_DELIVERY = FOLDER / "third-delivery"
# Where the home stood, and the key that its links are signed with.
STOOD_AT, SECRET = "/srv/opco/home", "0123456789abcdef" * 2
INSTRUCTOR, BASE_URL = "awa@exemple.fr", "http://opco.exemple.fr"
# Signed links hold until the end of February.
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
OF_SECOND_DELIVERY, OF_THIRD_DELIVERY = "2026-11-20T22:00:00Z", "2026-11-26T22:00:00Z"
DATED = ("--issued-on", "2026-11-28", "--reason", "the day of the test")
ADDED = [
    ["u-1", "S-2", "C-2", "2026-11-24T08:00:00Z", "2026-11-24T08:40:00Z", 2400, 2400, "native_log", []],
    ["u-2", "S-2", "C-1", "2026-11-25T08:00:00Z", "2026-11-25T09:40:00Z", 6000, 6000, "native_log", []],
]
REFUSED = ["course_connections/2026-12.csv", 4, "course_connections", "unknown_user", "user_id", "u-405", False]


def unpack(folder: Path) -> Path:
    """Unpack the home as a move to another folder leaves it: where the portal's runs made something is corrected."""
    with tarfile.open(FOLDER / "home.tar.xz") as packed:
        packed.extractall(folder, filter="tar")
    home = folder / "home"
    for result in home.glob("var/portal/runs/*/result.json"):
        result.write_text(result.read_text(encoding="utf-8").replace(STOOD_AT, str(home)), encoding="utf-8")
    return home


def follow_the_message(home: Path) -> None:
    """Rename the section of `opco.toml` that has another name, as the error asks for."""
    toml = home / "opco.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace("[alarms]", "[alerts]"), encoding="utf-8")


def checksums(home: Path) -> dict[str, str]:
    """Return the SHA-256 of every file, but for Dagster's databases and locks, which note who opened them."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.rglob("*"))
        if path.is_file() and path.suffix != ".lock" and not path.is_relative_to(home / "var/dagster")
    }


def differing_from_facts(home: Path) -> list[str]:
    """Return the files of the facts that are gone, or not what they were."""
    found = checksums(home)
    # The archive's manifest grows with each delivery; results of runs name the folder that the home stands in now.
    changing = re.compile(r"var/raw/manifest\.json|var/portal/runs/[^/]+/result\.json")
    return [
        name for name, sha256 in FACTS["files"].items() if found.get(name) != sha256 and not changing.fullmatch(name)
    ]


def asked(home: Path, query: str) -> list[list[Any]]:
    """Return the rows of a query of the published build, as JSON has them."""
    with duckdb.connect(str((home / "var/published/opco.duckdb").resolve()), read_only=True) as db:
        rows = [list(row) for row in db.execute(query).fetchall()]
    found: list[list[Any]] = json.loads(json.dumps(rows))
    return found


def connections(home: Path) -> list[list[Any]]:
    return asked(
        home,
        """
        select
            user_id, session_id, course_id, strftime(connected_at, '%Y-%m-%dT%H:%M:%SZ'),
            strftime(disconnected_at, '%Y-%m-%dT%H:%M:%SZ'), elapsed_seconds, retained_seconds, evidence_level,
            list_sort(flags)
        from fct_opco_connections
        order by all
        """,
    )


def rejected_rows(home: Path) -> list[list[Any]]:
    columns = "file, line, table_name, reason, column_name, value, row_kept"
    return asked(home, f"select {columns} from rejected_rows order by all")


def manifest_of(home: Path, session: str, number: int) -> Manifest:
    return read_manifest(home / "var/attestations" / session / f"issue-{number}")


def numbers_of(manifest: Manifest) -> dict[str, list[Any]]:
    return {one.user_id: [one.number, one.state, one.total_seconds] for one in manifest.documents}


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home in which nothing was built since the upgrade."""
    home = unpack(tmp_path_factory.mktemp("waiting"))
    follow_the_message(home)
    return home


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home after `opco rebuild`, of what it held."""
    home = unpack(tmp_path_factory.mktemp("rebuilt"))
    follow_the_message(home)
    result_of(run_opco("rebuild", "--as-of", OF_SECOND_DELIVERY, "--json", home=home))
    return home


@dataclasses.dataclass(frozen=True)
class Built:
    """The home after the build of the next delivery, and what that build said."""

    home: Path
    result: dict[str, Any]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    home = unpack(tmp_path_factory.mktemp("built"))
    follow_the_message(home)
    arguments = ("build", "--raw", THIRD_DELIVERY, "--as-of", OF_THIRD_DELIVERY, "--json")
    return Built(home, result_of(run_opco(*arguments, home=home)))


@pytest.fixture
def portal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], TestClient]]:
    """Serve a home's portal to a browser in which nobody is signed in yet."""
    monkeypatch.setenv("OPCO_PORTAL__SECRET", SECRET)
    served = []

    def browser(folder: Path) -> TestClient:
        home = Home(folder)
        app = make_app(home, load_settings(home), now=lambda: NOW)
        served.append(app)
        return TestClient(app, base_url=BASE_URL, headers={"Accept-Language": "fr"}, follow_redirects=False)

    yield browser
    for app in served:
        app.state.previews.close()
        app.state.identity.outbox.finish()
        app.state.warehouse.close()


def sign_in(browser: TestClient) -> None:
    identity = browser.app.state.identity  # type: ignore[attr-defined]
    browser.cookies.set("opco_stay", identity.store.begin_stay(INSTRUCTOR, "link", NOW))


def test_the_renamed_section_is_named_and_nothing_is_touched(tmp_path: Path, opco: Opco) -> None:
    home = unpack(tmp_path)
    before = checksums(home)
    for command in (["settings"], ["status"], ["export"], ["build", "--raw", THIRD_DELIVERY]):
        refused = opco(*command, home=home)
        assert refused.returncode == 2, command
        assert "[alarms]" in refused.stderr
        assert "[alerts]" in refused.stderr
    assert checksums(home) == before


@pytest.mark.parametrize(
    "command",
    [["export"], ["attest", "S-1"], ["sessions"], ["why", "--user", "u-2"], ["rollback"], ["forget", "u-1", "--reason",
     "asked", "--override"]],
    ids=lambda command: command[0],
)  # fmt: skip
def test_before_a_build_each_reader_says_what_to_do(waiting: Path, opco: Opco, command: list[str]) -> None:
    before = checksums(waiting)
    refused = opco(*command, home=waiting)
    assert refused.returncode == 2, refused.stderr
    output = " ".join(refused.stderr.split())
    assert "an earlier release" in output
    assert "opco rebuild" in output
    assert "opco rollback" not in output
    assert "Traceback" not in output
    left = checksums(waiting)
    assert {name: left.get(name) for name in before if not name.startswith("var/alarms/")} == {
        name: sha256 for name, sha256 in before.items() if not name.startswith("var/alarms/")
    }


def test_before_a_build_status_says_what_to_do_and_what_is_there(waiting: Path, opco: Opco) -> None:
    done = opco("status", "--check", "--json", home=waiting)
    status = json.loads(done.stdout)
    assert done.returncode == 1
    assert "an earlier release" in status["fault"]
    assert "opco rebuild" in status["fault"]
    assert (status["archive"]["fault"], status["archive"]["head"]) == (None, FACTS["archive_head"])
    assert (status["audit_fault"], status["audit_head"]) == (None, FACTS["audit"]["head"])
    assert len(status["runs"]) == 5
    lines = opco("status", home=waiting).stdout
    assert "opco rebuild" in lines
    # The build before is of the earlier release, too.
    assert "opco rollback" not in lines


def test_before_a_build_what_was_issued_is_read_all_the_same(waiting: Path, opco: Opco) -> None:
    for session, documents in (("S-1", 6), ("S-2", 2)):
        found = verify(waiting / "var/attestations" / session)
        assert (found.is_sound, found.documents) == (True, documents)
    assert "issue-2" in opco("issues", "S-1", home=waiting).stdout
    assert opco("settings", home=waiting).returncode == 0
    assert opco("clean", "--dry-run", home=waiting).returncode == 0


def test_before_a_build_pages_say_that_data_come_and_a_link_downloads(
    waiting: Path, portal: Callable[[Path], TestClient]
) -> None:
    browser = portal(waiting)
    file = browser.get(FACTS["link"])
    assert file.status_code == 200
    assert hashlib.sha256(file.content).hexdigest() in FACTS["files"].values()
    sign_in(browser)
    assert browser.get("/opco/sessions").status_code == 503


def test_what_waited_to_be_sent_is_sent_and_nothing_is_reported_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebuilt: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(rebuilt, home, symlinks=True)
    with mail_server(tmp_path) as mailbox:
        for name, value in {
            "OPCO_EMAIL__HOST": "127.0.0.1",
            "OPCO_EMAIL__PORT": str(mailbox.port),
            "OPCO_EMAIL__USER": USER,
            "OPCO_EMAIL__PASSWORD": PASSWORD,
            "SSL_CERT_FILE": str(mailbox.authority),
        }.items():
            monkeypatch.setenv(name, value)
        settings = load_settings(Home(home))
        mailer = alert_mailer(Home(home), settings)
        assert mailer is not None
        with open_instance(Home(home)) as instance:
            # As `opco dagster` does when it begins.
            forget_renamed(instance)
            for sent in (1, 0):
                count, state = report_problems(Home(home), settings, instance, mailer, NOW, with_data=True)
                assert (count, state.waiting) == (sent, []), sorted(state.known)
    (message,) = mailbox.messages
    body = message.get_body(("plain",))
    assert body is not None
    assert "Zoé" in body.get_content() or "u-3" in body.get_content()
    assert "9" in body.get_content()
    assert not (home / "var/alarms").exists()


def test_a_sensor_that_has_another_name_now_is_not_waited_for(rebuilt: Path) -> None:
    with open_instance(Home(rebuilt)) as instance:
        forget_renamed(instance)
        late = {one.name for one in silences(instance, datetime(2026, 12, 24, tzinfo=UTC))}
    # Those that exist now have not looked since the home was packed.
    assert {"sessions", "arrivals"} <= late
    assert "alarms" not in late


def test_a_rebuild_gives_every_figure_again(rebuilt: Path, opco: Opco, tmp_path: Path) -> None:
    assert connections(rebuilt) == FACTS["connections"]
    assert (
        asked(
            rebuilt,
            "select session_id, user_id, connection_count, retained_seconds, has_played from fct_learner_sessions "
            "order by all",
        )
        == FACTS["learner_sessions"]
    )
    assert rejected_rows(rebuilt) == FACTS["rejected_rows"]
    assert (
        asked(
            rebuilt,
            "select table_name, delivered, kept, duplicate, rejected, outside_session, gone, conflicting "
            "from load_reconciliation where delivered > 0 or table_name in (select table_name from rejected_rows) "
            "order by all",
        )
        == FACTS["reconciliation"]
    )
    assert (
        asked(rebuilt, "select user_id, first_name, last_name, email, is_gone from dim_learners order by all")
        == FACTS["learners"]
    )
    file = tmp_path / "export.csv"
    result_of(opco("export", "--session", "S-1", "--output", file, "--json", home=rebuilt))
    assert file.read_bytes() == (FOLDER / "export-of-S-1.csv").read_bytes()
    why = json.loads(opco("why", "--user", "u-2", "--json", home=rebuilt).stdout)
    (rows,) = (value for value in why.values() if isinstance(value, list))
    said = [
        [f"{one['file']}:{one['line']}", one["outcome"], one["connection_id"], one["retained_seconds"]] for one in rows
    ]
    assert sorted(said, key=str) == FACTS["why"]


def test_after_a_rebuild_nothing_of_the_home_is_another(rebuilt: Path, opco: Opco) -> None:
    assert differing_from_facts(rebuilt) == []
    status = json.loads(opco("status", "--check", "--json", home=rebuilt).stdout)
    assert status["ok"], status
    assert status["archive"]["head"] == FACTS["archive_head"]
    assert [opco("rollback", home=rebuilt).returncode, opco("status", home=rebuilt).returncode] == [2, 0]


def test_an_export_that_was_defined_runs_as_before(rebuilt: Path, opco: Opco) -> None:
    made = result_of(opco("export", "--definition", "ended", "--today", "2026-11-10", "--json", home=rebuilt))
    assert Path(made["path"]).read_bytes() == (FOLDER / "export-of-S-1.csv").read_bytes()
    planned = result_of(
        opco("export", "--definition", "october", "--today", "2026-11-10", "--dry-run", "--json", home=rebuilt)
    )
    assert planned["rows"] == sum(row[3].startswith("2026-10") for row in FACTS["connections"])


def test_no_document_is_replaced_for_the_program_alone(rebuilt: Path, opco: Opco) -> None:
    for session, number in (("S-1", 2), ("S-2", 1)):
        said = result_of(opco("attest", session, *DATED, "--json", home=rebuilt))
        assert (said["changed"], said["issue_number"]) == (False, number), said
    assert differing_from_facts(rebuilt) == []


def test_the_first_build_is_a_full_refresh_and_says_why(built: Built) -> None:
    assert "changed" in built.result["full_refresh_reason"]


def test_the_next_delivery_adds_to_what_was_there(built: Built, opco: Opco) -> None:
    assert connections(built.home) == sorted([*FACTS["connections"], *ADDED], key=str)
    assert rejected_rows(built.home) == sorted([*FACTS["rejected_rows"], REFUSED], key=lambda row: row[:2])
    assert differing_from_facts(built.home) == []
    status = json.loads(opco("status", "--check", "--json", home=built.home).stdout)
    assert status["ok"], status
    assert (status["archive"]["entries"], status["load"]["load_number"]) == (3, 3)


def test_what_the_next_delivery_changes_is_replaced_in_the_chain_of_issues(built: Built, opco: Opco) -> None:
    unchanged = result_of(opco("attest", "S-1", *DATED, "--json", home=built.home))
    assert (unchanged["changed"], unchanged["issue_number"]) == (False, 2)
    result_of(opco("attest", "S-2", *DATED, "--json", home=built.home))
    issue = manifest_of(built.home, "S-2", 2)
    assert numbers_of(issue) == {"u-1": ["S-2/u-1/2", "replaced", 5400], "u-2": ["S-2/u-2/2", "replaced", 6000]}
    assert {one.seconds_before for one in issue.documents} == {3000, 0}
    assert {cause.kind for one in issue.documents for cause in one.causes} == {"late_rows", "activities"}
    # What was typed on the page stays typed.
    assert issue.inputs["place"] == "Fougères"
    found = verify(built.home / "var/attestations/S-2")
    assert (found.is_sound, found.documents) == (True, 4)
    assert differing_from_facts(built.home) == []


def test_manifests_of_the_earlier_release_are_read_whole(rebuilt: Path) -> None:
    for session, issues in FACTS["issues"].items():
        for said in issues:
            issue = manifest_of(rebuilt, session, said["number"])
            assert numbers_of(issue) == said["documents"]
    issue = manifest_of(rebuilt, "S-1", 2)
    assert issue.inputs["place"] == "Lyon"
    assert [cause.kind for one in issue.documents for cause in one.causes] == ["late_rows", "learner", "activities"]


def test_what_was_asked_for_on_pages_is_told_and_given(rebuilt: Path, portal: Callable[[Path], TestClient]) -> None:
    runs = BackgroundRuns(Home(rebuilt))
    attestations, export = FACTS["runs"]
    assert [(run.order.kind, run.status) for run in runs.latest()] == [("export", "done"), ("attestations", "done")]
    browser = portal(rebuilt)
    sign_in(browser)
    form = "/opco/sessions/S-2/attestations"
    page = browser.get(f"{form}/runs/{attestations}").text
    assert "Les attestations sont prêtes" in page
    (zip_address,) = re.findall(r'href="([^"]+/zip)"', page)
    content = browser.get(zip_address).content
    assert (
        hashlib.sha256(content).hexdigest()
        == FACTS["files"]["var/attestations/S-2/issue-1/attestations-S-2-issue-1.zip"]
    )
    (file_address,) = re.findall(r'href="([^"]+/file)"', browser.get(f"/opco/exports/{export}").text)
    assert hashlib.sha256(browser.get(file_address).content).hexdigest() in FACTS["files"].values()
    # The form of who begins again is filled with what was typed then.
    assert 'value="Fougères"' in browser.get(f"{form}?run={attestations}").text


def test_the_link_downloads_and_the_audit_log_goes_on(built: Built, portal: Callable[[Path], TestClient]) -> None:
    log = Home(built.home).portal / "audit.jsonl"
    browser = portal(built.home)
    answer = browser.get(FACTS["link"])
    assert answer.status_code == 200
    assert (
        hashlib.sha256(answer.content).hexdigest()
        == FACTS["files"][next(name for name in FACTS["files"] if name.endswith("/content"))]
    )
    lines = log.read_bytes().splitlines(keepends=True)
    count = FACTS["audit"]["lines"]
    assert hashlib.sha256(b"".join(lines[:count])).hexdigest() == FACTS["audit"]["sha256"]
    assert json.loads(lines[count])["previous"] == FACTS["audit"]["head"]
    assert AuditLog.of(Home(built.home)).fault() is None
