"""Moodle on real servers: pulls in parts and in one, both engines alike, rights, faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import trustme

from connectors.delivery import current_delivery, deliver
from connectors.moodle import landing as landing_module
from connectors.moodle import source as source_module
from connectors.moodle.connection import ReplicaConflictError, open_database
from connectors.moodle.schema import LOG
from connectors.moodle.settings import MoodleSettings
from connectors.moodle.source import MoodleSource
from connectors.report import SourceReport
from tests.acceptance import moodle_sites
from tests.acceptance.mariadb import MariaDB, mariadb
from tests.acceptance.moodle_sites import DAY, NOON, PASSWORD, Site
from tests.acceptance.postgres import Database, postgres
from warehouse.contract import raw_tables
from warehouse.errors import OpcoError, UserError

pytestmark = pytest.mark.xdist_group("moodle")
STEPS = (moodle_sites.fill, moodle_sites.second_day, moodle_sites.third_day, moodle_sites.fourth_day)
Opened = Callable[[str], AbstractContextManager[Site]]
KEYS = {"learning_events": "event_id", "assessment_results": "result_id", "course_attempts": "attempt_id"}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def postgres_server(authority: trustme.CA) -> Iterator[Database]:
    with postgres(authority) as server:
        yield server


@pytest.fixture(scope="module")
def mariadb_server(authority: trustme.CA) -> Iterator[MariaDB]:
    with mariadb(authority) as server:
        yield server


@pytest.fixture(params=["postgresql", "mariadb"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """Make a site on each engine."""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        return lambda name: moodle_sites.postgres_site(server, name)
    other = request.getfixturevalue("mariadb_server")
    return lambda name: moodle_sites.mariadb_site(other, name)


@pytest.fixture
def site(opened: Opened) -> Iterator[Site]:
    """A site as it is at the first pull, with its grants."""
    with opened("moodle") as made:
        made.create()
        moodle_sites.fill(made)
        made.grant()
        yield made


def pull(root: Path, settings: MoodleSettings, day: int, *, is_full: bool = False) -> SourceReport:
    """Pull at six in the evening of a day, counted from that of `fill`."""
    source = MoodleSource(settings)
    started_at = datetime.fromtimestamp(NOON + day * DAY + 6 * 3600, UTC)
    made = deliver(root, {"moodle": source}, home=root, started_at=started_at, is_full=is_full)
    return made.reports["moodle"]


def raw(root: Path) -> dict[str, list[Any]]:
    """The raw tables of the current delivery, as a load would have them: of each key the last row, in key order."""
    folder = current_delivery(root)
    assert folder is not None
    tables = {}
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        for table in raw_tables():
            files = sorted(map(str, (folder / table).glob("*.parquet")))
            if not files:
                continue
            key = KEYS.get(table)
            last = f"qualify row_number() over (partition by {key} order by filename desc) = 1" if key else ""
            rows = db.execute(
                f"select * exclude filename from read_parquet($1, filename = true, union_by_name = true) {last} "
                "order by all",
                [files],
            )
            tables[table] = [tuple(column[0] for column in rows.description), *rows.fetchall()]
    return tables


@pytest.mark.parametrize("mode", ["course", "group", "cohort"])
def test_four_pulls_are_one(opened: Opened, tmp_path: Path, mode: str) -> None:
    with opened("moodle") as site:
        site.create()
        site.grant()
        for day, step in enumerate(STEPS):
            step(site)
            pull(tmp_path / "parts", site.settings(sessions=mode), day)
        # Nothing has changed since: what the last pull left is what this one would make.
        assert "Unchanged" in pull(tmp_path / "parts", site.settings(sessions=mode), len(STEPS)).facts
        pull(tmp_path / "whole", site.settings(sessions=mode), len(STEPS) - 1)
    parts, whole = raw(tmp_path / "parts"), raw(tmp_path / "whole")
    assert parts.keys() == whole.keys()
    for table in whole:
        assert parts[table] == whole[table], table
    events = [row[0] for row in whole["learning_events"][1:]]
    assert sorted(map(int, events)) == [20, 21, 22, 28, 29, 32, 33, 36, 45, 50, 51]
    learners = {row[2] for row in whole["enrollments"][1:]}
    # Who left before the first pull, and who was deleted, are there as well.
    assert {"10", "11", "12"} <= learners


def test_both_engines_give_the_same_bytes(postgres_server: Database, mariadb_server: MariaDB, tmp_path: Path) -> None:
    made = {
        "postgresql": moodle_sites.postgres_site(postgres_server, "moodle"),
        "mariadb": moodle_sites.mariadb_site(mariadb_server, "moodle"),
    }
    for engine, opening in made.items():
        with opening as site:
            site.create()
            site.grant()
            moodle_sites.fill(site)
            moodle_sites.second_day(site)
            pull(tmp_path / engine, site.settings(sessions="cohort"), 1)
    folders = [current_delivery(tmp_path / engine) for engine in made]
    assert folders[0] is not None
    assert folders[1] is not None
    found = [
        {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*.parquet")
            if not path.name.startswith("_")
        }
        for folder in folders
        if folder
    ]
    assert len(found[0]) == 16
    assert found[0] == found[1]
    users = {row[0]: row for row in raw(tmp_path / "mariadb")["users"][1:]}
    # Text is as Moodle has it, to the last byte.
    assert moodle_sites.ODD in users["10"]
    assert users["11"][3:5] == ("", "NULL")
    assert len(users["10"][5]) == 40_000


def test_what_did_not_change_is_delivered_as_it_was(site: Site, tmp_path: Path) -> None:
    def kept(day: int, **settings: Any) -> tuple[str, bool]:
        """What the report of a pull says is unchanged, and whether the users are the file of the pull before."""
        before = current_delivery(tmp_path)
        report = pull(tmp_path, site.settings(id_prefix="m-", **settings), day)
        after = current_delivery(tmp_path)
        files = [folder / "users/moodle.parquet" for folder in (before, after) if folder]
        assert report.rows["users"] == 6
        assert {row[0][:2] for row in raw(tmp_path)["users"][1:]} == {"m-"}
        return report.facts.get("Unchanged", ""), files[0].samefile(files[-1])

    pull(tmp_path, site.settings(id_prefix="m-"), 0)
    site.log({"id": 80, "timecreated": NOON + 300})
    assert kept(1) == ("people, sessions and courses, results", True)
    assert "m-80" in [row[0] for row in raw(tmp_path)["learning_events"][1:]]
    # Grades are what the results rest on, and nothing else.
    site.execute(f"update {site.name('grade_grades')} set finalgrade = 10 where id = 1")
    assert kept(2) == ("people, sessions and courses", True)
    (attempt,) = [row for row in raw(tmp_path)["course_attempts"][1:] if row[0] == "m-ca-10-2"]
    assert attempt[-1] == 50
    site.execute(f"update {site.name('user')} set lastname = 'X' where id = 10")
    assert kept(3) == ("", False)
    assert "X" in [row[4] for row in raw(tmp_path)["users"][1:]]
    # Who joined and left between two pulls is in the log alone.
    role = {"objectid": 5, "relateduserid": 12, "courseid": 3, "origin": "cli", "userid": 2}
    site.log(
        {"id": 81, "timecreated": NOON + 3 * DAY, "eventname": r"\core\event\role_assigned", **role},
        {"id": 82, "timecreated": NOON + 3 * DAY + 60, "eventname": r"\core\event\role_unassigned", **role},
    )
    assert kept(4) == ("", False)
    assert ("m-c3", "m-12") in {row[1:3] for row in raw(tmp_path)["enrollments"][1:]}
    assert kept(5) == ("people, sessions and courses, results", True)
    assert kept(6, language="en") == ("", False)


def test_a_row_that_is_committed_late_is_not_lost(site: Site, tmp_path: Path) -> None:
    site.log({"id": 70, "timecreated": NOON + 400})
    pull(tmp_path, site.settings(), 0)
    # A slow request: a smaller id, committed after the larger one was read.
    site.log({"id": 69, "timecreated": NOON + 399})
    report = pull(tmp_path, site.settings(), 1)
    assert report.rows["learning_events"] == 1
    assert pull(tmp_path, site.settings(), 2).rows["learning_events"] == 0
    assert "69" in [row[0] for row in raw(tmp_path)["learning_events"][1:]]


def test_all_tables_are_of_one_snapshot(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landing = landing_module.land

    def land(database: Any, schema: Any, table: str, *rest: Any) -> int:
        rows = landing(database, schema, table, *rest)
        if table == "user":
            # While the pull is at work, another user comes and works.
            site.insert("user", {"id": 77, "username": "late", "deleted": 0, "confirmed": 1, "timemodified": NOON})
            site.log({"id": 90, "timecreated": NOON + 500, "userid": 77})
        return rows

    monkeypatch.setattr(source_module, "land", land)
    pull(tmp_path, site.settings(), 0)
    assert "90" not in [row[0] for row in raw(tmp_path)["learning_events"][1:]]


@pytest.mark.parametrize("mode", ["course", "group", "cohort"])
def test_the_rights_of_the_docs_are_enough(site: Site, tmp_path: Path, mode: str) -> None:
    reader = MoodleSource(site.settings(sessions=mode))
    found = [finding for finding in reader.check(tmp_path).findings if finding.code in ("not_granted", "missing")]
    assert found == []
    with (
        open_database(site.url, PASSWORD) as database,
        pytest.raises(OpcoError, match=r"(?i)denied"),
    ):
        database.rows(f"select password from {database.quoted('mdl_user')}")


@pytest.mark.parametrize("table", ["course", "role_assignments", LOG])
def test_a_missing_right_names_the_grant_to_type(opened: Opened, tmp_path: Path, table: str) -> None:
    with opened("moodle") as site:
        site.create()
        moodle_sites.fill(site)
        site.grant(leave_out=[table])
        with pytest.raises(UserError) as error:
            pull(tmp_path, site.settings(), 0)
        (grant,) = [line.strip() for line in str(error.value).splitlines() if line.strip().startswith("GRANT")]
        assert f"mdl_{table}" in grant
        assert current_delivery(tmp_path) is None
        # The statement as it was printed is what was missing.
        site.execute(grant.rstrip(";"))
        pull(tmp_path, site.settings(), 0)


def test_an_optional_table_may_be_kept_back(opened: Opened, tmp_path: Path) -> None:
    with opened("moodle") as site:
        site.create()
        moodle_sites.fill(site)
        site.grant(leave_out=["quiz_attempts"])
        report = pull(tmp_path, site.settings(), 0)
    (finding,) = [finding for finding in report.findings if finding.code == "not_granted"]
    assert finding.level == "note"
    assert "GRANT SELECT ON" in finding.text
    assert report.rows["assessment_results"] == 0


def test_an_older_schema_leaves_blank_what_it_lacks(opened: Opened, tmp_path: Path) -> None:
    with opened("moodle") as site:
        left_out = ["customfield_data", "customfield_field", "user.institution", "course.sortorder"]
        site.create(leave_out=left_out[1:2] + left_out[:1])
        moodle_sites.fill(site)
        for table in ("user",):
            site.execute(f"alter table {site.name(table)} drop column institution")
        site.grant_what_there_is()
        report = pull(tmp_path, site.settings(), 0)
        codes = {finding.text.partition(" is ")[0].partition(" are ")[0] for finding in report.findings}
        assert any("institution" in text for text in codes)
        assert any("customfield_field" in text for text in codes)
        assert all(row[-1] is None for row in raw(tmp_path)["users"][1:])
        site.execute(f"alter table {site.name('course')} drop column category")
        with pytest.raises(UserError, match=r"Moodle 4\.5\.1.*mdl_course\.category"):
            pull(tmp_path, site.settings(), 1)


def test_the_prefix_is_found_and_two_are_named(opened: Opened, tmp_path: Path) -> None:
    with opened("moodle") as site:
        site.prefix = "m2_"
        site.create()
        moodle_sites.fill(site)
        site.grant()
        assert MoodleSource(site.settings()).check(tmp_path).facts["Prefix"] == "m2_"
        site.prefix = "mdl_"
        site.create()
        site.grant()
        with pytest.raises(UserError, match="2 Moodles") as error:
            pull(tmp_path, site.settings(), 0)
        assert "m2_" in str(error.value)
        assert pull(tmp_path, site.settings(prefix="m2_"), 0).rows["users"] == 6


def test_a_course_may_be_an_activity_and_the_log_another_table(site: Site, tmp_path: Path) -> None:
    site.log({"id": 90, "timecreated": NOON + 600, "contextlevel": 70, "contextinstanceid": 50})
    site.execute(f"update {site.name('config_plugins')} set value = 'logstore_database' where name = 'enabled_stores'")
    site.execute(f"alter table {site.name(LOG)} rename to {site.name('log_elsewhere')}")
    site.grant_what_there_is()
    pull(tmp_path, site.settings(activities="activity", log_table="mdl_log_elsewhere"), 0)
    tables = raw(tmp_path)
    assert {row[0]: row[1] for row in tables["courses"][1:] if "-" in row[0]} == {
        "activity-50": "Test – Excel",
        "activity-51": "quiz 51 – Excel",
    }
    assert {row[0]: row[3] for row in tables["learning_events"][1:]}["90"] == "activity-50"


def test_a_restored_database_stops_the_pull(site: Site, tmp_path: Path) -> None:
    pull(tmp_path, site.settings(), 0)
    before = current_delivery(tmp_path)
    site.execute(f"delete from {site.name(LOG)} where id > 30")
    with pytest.raises(UserError, match=r"restored or replaced(.|\n)*--full"):
        pull(tmp_path, site.settings(), 1)
    assert current_delivery(tmp_path) == before
    pull(tmp_path, site.settings(), 1, is_full=True)
    site.execute(f"update {site.name('config')} set value = 'other' where name = 'siteidentifier'")
    with pytest.raises(UserError, match="another site"):
        pull(tmp_path, site.settings(), 2)


def test_retention_that_overtook_the_cursor_is_told(site: Site, tmp_path: Path) -> None:
    pull(tmp_path, site.settings(), 0)
    site.execute(f"delete from {site.name(LOG)}")
    site.log({"id": 60, "timecreated": NOON + 2 * DAY})
    report = pull(tmp_path, site.settings(), 3)
    (told,) = [finding for finding in report.findings if finding.code == "retention_overtook"]
    assert "34 to 59" in told.text
    # What Moodle deleted stays as it was delivered.
    assert "21" in [row[0] for row in raw(tmp_path)["learning_events"][1:]]


def test_another_store_of_the_log_stops_the_pull(site: Site, tmp_path: Path) -> None:
    site.execute(f"update {site.name('config_plugins')} set value = 'logstore_xapi' where name = 'enabled_stores'")
    with pytest.raises(UserError, match="logstore_xapi"):
        pull(tmp_path, site.settings(), 0)


def test_a_check_says_what_there_is(site: Site, tmp_path: Path) -> None:
    site.execute(f"update {site.name('config_plugins')} set value = '365' where name = 'loglifetime'")
    report = MoodleSource(site.settings()).check(tmp_path)
    assert report.is_sound
    assert report.facts["Moodle"] == "4.5.1+ (Build: 20250110)"
    assert report.facts["Log"] == "2026-08-23 to 2026-09-01"
    assert report.facts['sessions = "course"'].startswith("3 sessions, such as c2 Excel (1 members now)")
    assert report.facts['sessions = "group"'].startswith("2 sessions, such as G-1 Automne")
    assert report.facts['sessions = "cohort"'].startswith("2 sessions, such as P7 Promo 7")
    counts = {finding.code: finding.count for finding in report.findings if finding.level == "left_out"}
    assert counts == {
        "origin": 11, "logged_in_as": 1, "not_by_the_user": 1, "deleted_course": 1, "restored": 1, "nobody": 1,
        "anonymous": 1,
    }  # fmt: skip
    assert {"retention", "log_younger_than_courses"} <= {finding.code for finding in report.findings}
    assert not list(tmp_path.iterdir())


def urls(site: Site) -> dict[str, tuple[str, str, str]]:
    """A wrong URL or password by what is wrong, with what the error must say."""
    scheme = "mysql" if site.engine == "mariadb" else "postgresql"
    return {
        "password": (site.url, "wrong", "OPCO_SOURCES__MOODLE__PASSWORD"),
        "host": (f"{scheme}://reader@no-such-host.invalid/moodle", PASSWORD, "Check the host"),
        "port": (f"{scheme}://reader@127.0.0.1:1/moodle", PASSWORD, "Is the server running"),
        "database": (site.url.replace("/moodle?", "/other?"), PASSWORD, "sources.moodle.database"),
    }


@pytest.mark.parametrize("wrong", ["password", "host", "port", "database"])
def test_what_is_wrong_with_the_connection_is_said_at_once(site: Site, tmp_path: Path, wrong: str) -> None:
    url, password, said = urls(site)[wrong]
    settings = MoodleSettings(kind="moodle", database=url, password=password)  # type: ignore[arg-type]
    with pytest.raises(UserError) as error:
        pull(tmp_path, settings, 0)
    assert said in str(error.value)
    assert PASSWORD not in str(error.value)
    assert "wrong" not in str(error.value)
    assert current_delivery(tmp_path) is None
    assert not [path for path in tmp_path.iterdir() if path.name != ".lock"]


def test_tls_is_what_the_url_asks_for(
    site: Site, request: pytest.FixtureRequest, authority: trustme.CA, tmp_path: Path
) -> None:
    right, wrong = tmp_path / "ca.pem", tmp_path / "other.pem"
    authority.cert_pem.write_to_path(right)
    trustme.CA().cert_pem.write_to_path(wrong)
    if site.engine == "postgresql":
        port = site.url.partition("&port=")[2]
        url, verify, ca = f"postgresql://reader@{{}}:{port}/moodle?", "sslmode=verify-full&", "sslrootcert"
        is_encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
        refused = ("sslmode=disable", "no encryption")
    else:
        port = str(request.getfixturevalue("mariadb_server").port)
        url, verify, ca = f"mysql://reader@{{}}:{port}/moodle?", "ssl_verify_identity=true&", "ssl_ca"
        is_encrypted = (
            "select variable_value <> '' from information_schema.session_status where variable_name = 'ssl_cipher'"
        )
        refused = ("sslmode=require", "sslmode of the setting sources.moodle.database is unknown")
    with open_database(f"{url.format('localhost')}{verify}{ca}={right}", PASSWORD) as database:
        assert database.rows(is_encrypted)[0][0]
    for host, parameters, said in (
        ("localhost", f"{verify}{ca}={wrong}", "certificate"),
        ("127.0.0.1", f"{verify}{ca}={right}", "127.0.0.1"),
        ("localhost", f"{verify}{ca}={tmp_path}/none.pem", "none.pem"),
        ("localhost", *refused),
    ):
        with pytest.raises(UserError) as error, open_database(url.format(host) + parameters, PASSWORD):
            pass
        assert said in str(error.value)
        assert "ssl" in str(error.value)
        assert "sources.moodle.database" in str(error.value)
        assert "Check the user" not in str(error.value)


def test_a_connection_that_dies_half_way_delivers_nothing(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull(tmp_path, site.settings(), 0)
    before = current_delivery(tmp_path)
    landing = landing_module.land

    def land(database: Any, schema: Any, table: str, *rest: Any) -> int:
        if table == "quiz":
            kill_readers(site)
        return landing(database, schema, table, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(source_module, "land", land)
        with pytest.raises(OpcoError, match="stopped answering"):
            pull(tmp_path, site.settings(), 1)
    assert current_delivery(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [".lock", "current", before.name if before else ""]
    )
    site.log({"id": 80, "timecreated": NOON + 300})
    assert pull(tmp_path, site.settings(), 1).rows["learning_events"] == 1


def test_a_connection_that_dies_within_a_table_delivers_nothing(site: Site, tmp_path: Path) -> None:
    for row in range(1000, 1400):
        site.log({"id": row, "timecreated": NOON + row, "eventname": "x" * 250})
    log = site.name(LOG)
    for _ in range(9):
        columns = "timecreated, eventname, origin, userid, courseid, anonymous, contextlevel"
        site.execute(
            f"insert into {log} (id, {columns}) select id + (select m from (select max(id) as m from {log}) as x), "
            f"{columns} from {log}"
        )
    read = {"id": "int", "eventname": "text"}
    with open_database(site.url, PASSWORD) as database:
        batches = database.batches(f"mdl_{LOG}", read)
        next(batches)
        kill_readers(site)
        with pytest.raises(OpcoError, match="stopped answering"):
            list(batches)


def kill_readers(site: Site) -> None:
    if site.engine == "postgresql":
        site.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reader' and datname = 'moodle'"
        )
        return
    with site.root.cursor() as cursor:
        cursor.execute("select id from information_schema.processlist where user = 'reader'")
        for (number,) in cursor.fetchall():
            cursor.execute(f"kill {number}")


def test_a_query_that_takes_too_long_names_the_setting(site: Site) -> None:
    sleep = "pg_sleep(5)" if site.engine == "postgresql" else "sleep(5)"
    with (
        open_database(site.url, PASSWORD, statement_timeout=1) as database,
        pytest.raises(UserError, match="statement_timeout"),
    ):
        database.rows(f"select {sleep} from {database.quoted('mdl_course')}")


def test_a_replica_is_asked_once_more(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [ReplicaConflictError("hot_standby_feedback")]
    landing = landing_module.land

    def land(database: Any, schema: Any, table: str, *rest: Any) -> int:
        if table == "quiz" and failures:
            raise failures.pop()
        return landing(database, schema, table, *rest)

    monkeypatch.setattr(source_module, "land", land)
    assert pull(tmp_path, site.settings(), 0).rows["users"] == 6
    failures += [ReplicaConflictError("hot_standby_feedback")] * 2
    with pytest.raises(OpcoError, match="hot_standby_feedback"):
        pull(tmp_path, site.settings(), 1)


def test_a_conflict_with_recovery_is_known_by_its_code(postgres_server: Database) -> None:
    with moodle_sites.postgres_site(postgres_server, "moodle") as site:
        site.execute(
            "create function conflict() returns int language plpgsql as $$ begin "
            "raise exception 'canceling statement due to conflict with recovery' using errcode = '40001'; end $$"
        )
        with open_database(site.url, PASSWORD) as database, pytest.raises(ReplicaConflictError, match="primary"):
            database.rows("select conflict()")
