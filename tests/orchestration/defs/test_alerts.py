"""Runs, checks and the sensor: what is reported, to whom, once, and not lost while the mail server says no."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from opco.cli import run
from orchestration.defs.alerts.data_alerts import data_alerts
from orchestration.defs.alerts.notify import NotSentError, alert_mailer, report_problems
from orchestration.defs.alerts.run_alerts import failing_jobs, why_run_failed
from orchestration.defs.alerts.sensors import defs
from orchestration.defs.alerts.state import AlertState, read_alert_state
from orchestration.home.paths import HOME_VARIABLE, IDENTITY_VARIABLE, Home
from orchestration.home.settings import load_settings
from orchestration.runs.jobs import errors_of, is_mistake, open_instance, words_of
from orchestration.runs.mistakes import tells_mistakes
from portal.failed_runs import read_failed_runs
from reports.delivery.smtp import MailServer
from tests.mail import PASSWORD, USER, MailBox, mail_server
from tests.orchestration.defs.alert_warehouse import Warehouse
from warehouse.errors import OpcoError, UserError

# One of these tests judges the demo campus.
pytestmark = pytest.mark.xdist_group("demo")

NIGHTLY = {"dagster/schedule_name": "nightly_schedule"}


class Night:
    """A job that ends as a test says, as a schedule or a person runs it; and what is reported of it, by the clock."""

    def __init__(self, home: Home, instance: dg.DagsterInstance, mailbox: MailBox) -> None:
        self.home, self.instance, self.mailbox = home, instance, mailbox
        self.now = datetime.now(UTC)
        self.watch()

    def run(self, fault: str | None = None, tags: dict[str, str] = NIGHTLY, check: bool = True) -> str:
        @dg.asset(check_specs=[dg.AssetCheckSpec("unique", asset="published")], name="published")
        def published() -> Iterator[Any]:
            if fault:
                raise UserError(fault)
            yield dg.MaterializeResult()
            yield dg.AssetCheckResult(
                passed=check, severity=dg.AssetCheckSeverity.WARN, description="two connections with one id"
            )

        job = dg.define_asset_job("nightly", selection=[published])
        complete = dg.Definitions(assets=[published], jobs=[job], executor=dg.in_process_executor)
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        result = complete.resolve_job_def("nightly").execute_in_process(
            instance=self.instance, tags=tags, raise_on_error=False, run_config=quiet
        )
        return str(result.run_id)

    def watch(self, minutes: int = 1) -> AlertState:
        """Check again after some time."""
        self.now += timedelta(minutes=minutes)
        settings = load_settings(self.home)
        mailer = alert_mailer(self.home, settings)
        assert mailer is not None
        return report_problems(self.home, settings, self.instance, mailer, self.now, with_data=True)[1]

    @property
    def subjects(self) -> list[str]:
        return [message["Subject"] for message in self.mailbox.messages]

    @property
    def text(self) -> str:
        body = self.mailbox.messages[-1].get_body(("plain",))
        assert body is not None
        return str(body.get_content())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailBox]:
    with mail_server(tmp_path_factory.mktemp("mail")) as box:
        yield box


@pytest.fixture
def mailbox(server: MailBox, home: Home, monkeypatch: pytest.MonkeyPatch) -> MailBox:
    server.envelopes.clear()
    server.refusals.clear()
    home.settings_file.write_text(
        f'[email]\nhost = "127.0.0.1"\nport = {server.port}\nuser = "{USER}"\nsender = "opco@atelier.fr"\n'
        '[alerts]\nrecipients = ["ops@exemple.fr"]\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    monkeypatch.setenv("OPCO_EMAIL__PASSWORD", PASSWORD)
    monkeypatch.setenv(HOME_VARIABLE, str(home.folder))
    return server


@pytest.fixture
def night(home: Home, mailbox: MailBox) -> Iterator[Night]:
    with open_instance(home) as instance:
        yield Night(home, instance, mailbox)


def test_a_failed_run_is_told_once_and_again_after_it_ended(night: Night) -> None:
    failed = night.run("No such raw folder /data/2026-11-16")
    night.watch()
    assert night.subjects == ["OPCO alert: the job nightly failed"]
    for words in ("No such raw folder /data/2026-11-16", f"Run: {failed}", f"opco alerts --run {failed} --home"):
        assert words in night.text
    assert "Traceback" not in night.text

    # The next night it fails for the same reason, of another day; then for another; then not; then again.
    for fault in ("No such raw folder /data/2026-11-17", "The disk is full", None, "The disk is full"):
        night.run(fault)
        night.watch()
    assert len(night.subjects) == 3
    assert "The disk is full" in night.text


def test_a_failure_after_a_clock_was_ahead_is_reported(night: Night) -> None:
    night.watch(60 * 24 * 60)
    night.now = datetime.now(UTC)
    night.run("The disk is full")
    night.watch()
    assert night.subjects == ["OPCO alert: the job nightly failed"]


def test_a_failure_between_two_checks_is_reported_though_it_ended(night: Night) -> None:
    night.run("Once")
    night.run()
    night.watch(60 * 24 * 3)

    assert night.subjects == ["OPCO alert: the job nightly failed"]
    assert failing_jobs(night.instance, night.now) == []


def test_what_failed_of_one_session_is_a_problem_though_another_went_well(home: Home, mailbox: MailBox) -> None:
    one, *others = ({**NIGHTLY, "dagster/partition": session} for session in ("S-1", "S-2", "S-3"))
    with open_instance(home) as instance:
        night = Night(home, instance, mailbox)
        failed = night.run("The logo cannot be read", one)
        night.run("The disk is full", others[0])
        for tags in others:
            night.run(tags=tags)
        problems = failing_jobs(instance, night.now)

    assert [alert.values["run_id"] for alert in problems] == [failed]
    assert [(run.run_id, run.job, run.partition) for run in read_failed_runs(home)] == [(failed, "nightly", "S-1")]


@pytest.mark.parametrize("tags", [{}, {**NIGHTLY, "dagster/will_retry": "true"}])
def test_what_a_person_started_or_dagster_tries_again_is_not_reported(night: Night, tags: dict[str, str]) -> None:
    night.run("By hand", tags)

    assert night.watch().waiting == []
    assert night.subjects == []


def test_what_failed_before_anybody_was_to_be_alerted_is_not_reported(home: Home, mailbox: MailBox) -> None:
    with open_instance(home) as instance:
        night = Night.__new__(Night)
        night.home, night.instance, night.mailbox, night.now = home, instance, mailbox, datetime.now(UTC)
        night.run("Long ago")
        night.watch()
        night.watch()

    assert night.subjects == []


def test_a_check_that_only_warns_is_reported_and_ends(night: Night) -> None:
    for holds in (False, False, True, False):
        night.run(check=holds)
        night.watch()

    assert night.subjects == ["OPCO alert: the check unique failed"] * 2
    assert "two connections with one id" in night.text


def test_a_wrong_password_loses_nothing(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPCO_EMAIL__PASSWORD", "not the password")
    night.run("The disk is full")
    with pytest.raises(NotSentError) as error:
        night.watch()
    for words in ("1 alert message(s) wait", str(night.home.alerts), "535", "[email]"):
        assert words in str(error.value)
    assert "not the password" not in (night.home.alerts / "state.json").read_text(encoding="utf-8")

    # It is not asked again before its time; what comes meanwhile waits as well.
    night.run("The network is down")
    night.now -= timedelta(seconds=30)
    assert len(night.watch(0).waiting) == 2
    monkeypatch.setenv("OPCO_EMAIL__PASSWORD", PASSWORD)
    state = night.watch(60)

    assert (state.waiting, state.last_error) == ([], None)
    assert night.subjects == ["OPCO alert: the job nightly failed"] * 2


def test_a_recipient_who_is_refused_keeps_no_other_from_being_alerted(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = night.home.settings_file.read_text(encoding="utf-8")
    night.home.settings_file.write_text(settings.replace('["ops', '["gone@exemple.fr", "ops'), encoding="utf-8")
    send = MailServer.send

    def refusing(self: MailServer, message: Any, **more: Any) -> None:
        if message["To"] == "gone@exemple.fr":
            import smtplib

            cause = smtplib.SMTPRecipientsRefused({"gone@exemple.fr": (550, b"no such user")})
            raise OpcoError("550 no such user") from cause
        send(self, message, **more)

    monkeypatch.setattr(MailServer, "send", refusing)
    night.run("The disk is full")
    for _ in range(2):
        with pytest.raises(NotSentError, match="550"):
            night.watch(60)
    assert [message["To"] for message in night.mailbox.messages] == ["ops@exemple.fr"]

    night.home.settings_file.write_text(settings, encoding="utf-8")
    assert night.watch(120).waiting == []
    assert len(night.mailbox.messages) == 1


def test_the_published_file_is_checked(night: Night, demo_home: Path) -> None:
    (night.home.folder / "var" / "published").symlink_to(demo_home / "var" / "published")
    (night.home.folder / "var" / "raw").symlink_to(demo_home / "var" / "raw")
    night.now = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)

    night.watch()
    assert night.subjects == ["OPCO alert: 6 of 593 rows rejected in course_connections, and 1 more"]
    assert "No new activity for 7 days" in night.text
    assert "S-2026-MGMT-10" in night.text
    night.watch(60 * 24)
    assert len(night.subjects) == 1


def test_a_published_file_that_cannot_be_read_is_reported(night: Night) -> None:
    night.home.warehouse.parent.mkdir(parents=True)
    night.home.warehouse.write_bytes(b"no database")

    night.watch()
    night.watch()

    assert night.subjects == ["OPCO alert: the home, or what it holds, cannot be read or written"]


def test_what_is_gone_with_proof_is_reported(night: Night) -> None:
    published = Warehouse(night.home)
    for user_id in ("u-1", "u-2"):
        published.run(f"insert into data_problems values ('gone', 'learner', '{user_id}', null, 1, null, 60, [])")
        night.watch()

    assert night.subjects == ["OPCO alert: learners gone from the LMS that hold proof: 1"] * 2
    assert "u-2: connections: 1, retained: 0 h 01" in night.text
    assert "u-1" not in night.text


def test_a_schedule_that_cannot_start_its_run_is_reported_until_it_can(night: Night) -> None:
    location = RegisteredCodeLocationOrigin("orchestration.definitions")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "repository"), "export_monthly_schedule")
    state = InstigatorState(
        origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, ScheduleInstigatorData("0 7 1 * *")
    )
    night.instance.add_instigator_state(state)
    error = SerializableErrorInfo("warehouse.errors.UserError: No export 'monthly' is defined.\n", [], "UserError")
    for status in (TickStatus.FAILURE, TickStatus.FAILURE, TickStatus.SUCCESS, TickStatus.FAILURE):
        night.instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=state.instigator_name,
                instigator_type=state.instigator_type,
                status=status,
                timestamp=night.now.timestamp(),
                selector_id=state.selector_id,
                run_ids=[],
                error=error if status == TickStatus.FAILURE else None,
            )
        )
        night.watch()

    assert night.subjects == ["OPCO alert: schedule export_monthly_schedule could not start its work"] * 2
    assert "  No export 'monthly' is defined." in night.text


def test_why_a_run_failed_is_shown_whole(night: Night) -> None:
    failed = night.run("The disk is full")

    said = "\n".join(why_run_failed(night.instance, failed))
    assert "nightly: failure" in said
    assert "The disk is full" in said
    assert "Stack Trace" in said
    with pytest.raises(UserError, match="No run"):
        why_run_failed(night.instance, "nothing")
    assert [alert.values["run_id"] for alert in failing_jobs(night.instance, night.now)] == [failed]


def sensor() -> dg.SensorDefinition:
    found = defs().sensors
    assert found is not None
    (one,) = found
    assert isinstance(one, dg.SensorDefinition)
    return one


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None = None) -> str:
    said = sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert isinstance(said, dg.SkipReason)
    return said.skip_message or ""


def test_the_sensor_runs_by_itself_and_says_what_it_did(night: Night) -> None:
    alerts = sensor()
    assert alerts.default_status == dg.DefaultSensorStatus.RUNNING
    night.run("The disk is full")

    assert [tick(alerts, night.instance) for _ in range(2)] == ["1 message(s) sent.", "Nothing new to report."]
    night.home.settings_file.write_text("", encoding="utf-8")
    assert "names nobody" in tick(alerts, night.instance)


def test_a_home_whose_disk_went_away_is_told_once_and_nothing_is_written(
    night: Night, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(IDENTITY_VARIABLE, night.home.identity())
    alerts = sensor()
    away = tmp_path.with_name(f"{tmp_path.name}-away")
    tmp_path.rename(away)
    # What is left of a mount is an empty folder of the same name.
    tmp_path.mkdir()
    try:
        for _ in range(2):
            with pytest.raises(OpcoError, match="its disk has gone"):
                alerts(dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral()))
        assert run(["build", "--home", str(tmp_path), "--raw", str(tmp_path)]) == 1
        assert list(tmp_path.iterdir()) == []
    finally:
        tmp_path.rmdir()
        away.rename(tmp_path)

    assert night.subjects == ["OPCO alert: the home, or what it holds, cannot be read or written"]
    assert "its disk has gone" in night.text
    assert tick(alerts, night.instance) == "Nothing new to report."


def test_a_home_that_cannot_be_read_is_one_message(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(self: Path) -> bool:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(Path, "is_dir", stale)
    with pytest.raises(OpcoError, match=r"(?s)Stale file handle.*mounted"):
        Home.find(home.folder)


def test_settings_that_cannot_be_read_are_reported_by_those_of_before(night: Night) -> None:
    alerts = sensor()
    night.home.settings_file.write_text("[alerts\n", encoding="utf-8")

    with pytest.raises(UserError, match="not TOML"):
        alerts(dg.build_sensor_context(instance=night.instance))

    assert "is not TOML" in night.text


def test_the_command_shows_problems_sends_nothing_and_tests_the_mail(
    home: Home, mailbox: MailBox, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_instance(home) as instance:
        night = Night(home, instance, mailbox)
        failed = night.run("The disk is full")
    where = ["--home", str(home.folder)]

    assert run(["alerts", *where]) == 0
    output = capsys.readouterr().out
    assert "Problem   The job nightly failed" in output
    assert "The disk is full" in output
    assert "Alerted   ops@exemple.fr" in output
    assert night.subjects == []
    assert run(["alerts", "--run", failed, *where]) == 0
    assert "Stack Trace" in capsys.readouterr().out
    assert run(["alerts", "--test", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out)["sent"] == "a test message"
    assert night.subjects == ["OPCO: test message of the alerts"]
    os.environ["OPCO_EMAIL__PASSWORD"] = "not the password"
    assert run(["alerts", "--test", *where]) == 1
    assert "535" in capsys.readouterr().err
    assert read_alert_state(night.home.alerts).waiting == []


def test_nobody_is_named_where_nobody_is_alerted(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["alerts", "--home", str(home.folder)]) == 0
    assert f"nobody: name recipients under [alerts] in {home.settings_file}" in capsys.readouterr().out
    assert run(["alerts", "--test", "--home", str(home.folder)]) == 2
    shutil.rmtree(home.folder / "var")
    assert data_alerts(home, load_settings(home), datetime.now(UTC)) == []


BY_A_PERSON: dict[str, str] = {"dagster/backfill": "asked by hand"}


def test_what_a_person_asked_for_wrongly_is_no_failure_of_the_house(night: Night) -> None:
    for tags in ({}, BY_A_PERSON):
        night.run("No session 'S-99' is published", tags)
    night.watch()
    assert night.subjects == []
    assert read_failed_runs(night.home) == []
    assert failing_jobs(night.instance, night.now) == []

    # What the same says of a run that nobody asked for is one, whoever asks wrongly afterwards.
    failed = night.run("No such raw folder /data")
    night.run("No session 'S-99' is published", {})
    night.watch()
    assert night.subjects == ["OPCO alert: the job nightly failed"]
    assert [(run.run_id, run.reason) for run in read_failed_runs(night.home)] == [(failed, "No such raw folder /data")]


def test_a_mistake_shows_its_words_in_dagster_without_a_traceback(home: Home) -> None:
    @dg.asset
    @tells_mistakes
    def returned() -> None:
        raise UserError("No session 'S-99' is published: nearest S-9")

    @dg.multi_asset(specs=[dg.AssetSpec("yielded")])
    @tells_mistakes
    def yielded() -> Iterator[dg.MaterializeResult[None]]:
        yield dg.MaterializeResult(asset_key="yielded")
        raise UserError("No session 'S-99' is published: nearest S-9")

    with open_instance(home) as instance:
        for asset in (returned, yielded):
            result = dg.materialize([asset], instance=instance, raise_on_error=False)
            (error,) = errors_of(instance, result.run_id)
            assert error.message == "No session 'S-99' is published: nearest S-9"
            assert (list(error.stack), error.cause, error.context) == ([], None, None)
            assert words_of(error) == error.message
            run = instance.get_run_by_id(result.run_id)
            assert run is not None
            assert is_mistake(instance, run)
            assert "Traceback" not in "\n".join(why_run_failed(instance, result.run_id))


def test_every_step_of_ours_tells_mistakes(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(home.folder))
    for name in ("attestations", "export", "nightly", "raw"):
        module = import_module(f"orchestration.defs.{name}.assets")
        for asset in module.defs().assets or ():
            assert isinstance(asset, dg.AssetsDefinition)
            step = asset.op.compute_fn.decorated_fn  # type: ignore[union-attr]
            assert hasattr(step, "__wrapped__"), asset
