"""What a night makes of the published file: the default exports, and attestations of the sessions that ended."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg
from pydantic import Field

from orchestration.defs.attestations.assets import CHECK, checked_issue, issue_metadata
from orchestration.defs.attestations.issuing import ended_sessions, issue_session
from orchestration.defs.attestations.partitions import partition_key
from orchestration.defs.export.assets import ExportConfig, export_job
from orchestration.defs.nightly.schedules import NIGHTLY, WAITS, nightly_schedule
from orchestration.defs.nightly.sensors import arrivals_sensor, sessions_sensor
from orchestration.defs.warehouse.assets import up_to
from orchestration.home.clock import calendar_day
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from orchestration.runs.asker import this_account
from orchestration.runs.dead_runs import require_on_record
from orchestration.runs.mistakes import tells_mistakes
from orchestration.runs.progress import Progress
from orchestration.runs.resources import HomeResource
from reports.export.checks import Check
from reports.export.write import FileNotSoundError
from reports.issuing.issue import NothingToAttestError
from reports.sessions import today_at
from warehouse.errors import OpcoError

WHOLE = "all lines"
# Yields what is to be recorded, and returns what became of the work.
Work = Generator[Any, None, "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What became of one export or of one session's attestations: `state` is one word, `detail` what happened."""

    name: str
    state: str
    detail: str = ""


class NightlyExportsConfig(dg.Config):
    """For which day the default exports are made."""

    today: str | None = Field(
        default=None, description="Day that periods of exports are relative to, DD/MM/YYYY. Default: today."
    )


class NightlyAttestationsConfig(dg.Config):
    """When the attestations are issued."""

    issued_on: str | None = Field(
        default=None,
        description="Date of issue, DD/MM/YYYY, from which the days since a session's end are counted. Default: today.",
    )


@dg.asset(
    group_name="nightly",
    deps=["published_warehouse"],
    description="The default exports of a night (settings nightly.whole_export, nightly.exports), each recorded with "
    "the asset opco_export.",
)
@tells_mistakes
def nightly_exports(
    context: dg.AssetExecutionContext,
    config: NightlyExportsConfig,
    home: HomeResource,
    progress: dg.ResourceParam[Progress],
) -> Iterator[Any]:
    """Make each default export; one that fails keeps none of the others from being made."""
    nightly = home.settings().nightly

    def make(name: str) -> Work:
        config_of_one = ExportConfig() if name == WHOLE else ExportConfig(definition=name, today=config.today)
        work = export_job(config_of_one, home)
        if work is None:
            return Outcome(name, "nothing", "no session ended in the period of the definition")
        try:
            summary = work.write(progress, f"Exporting {name}")
        except FileNotSoundError as error:
            yield from _recorded(error.checks)
            raise
        yield dg.AssetMaterialization("opco_export", metadata=work.metadata(summary))
        yield from _recorded(summary.checks)
        work.send(summary, progress)
        return Outcome(name, "made", str(summary.path))

    wanted = [*([WHOLE] if nightly.whole_export else []), *dict.fromkeys(nightly.exports)]
    outcomes: list[Outcome] = []
    yield from _each(wanted, make, outcomes, context)
    _raise_failures(outcomes, "Exports", "Repair the cause; opco export makes one by hand.")
    yield _result(outcomes)


@dg.asset(
    group_name="nightly",
    deps=["published_warehouse"],
    description="The attestations of sessions that ended (settings nightly.attest…). Each issue is recorded with its "
    "session's partition of the asset opco_attestations.",
)
@tells_mistakes
def nightly_attestations(
    context: dg.AssetExecutionContext,
    config: NightlyAttestationsConfig,
    home: HomeResource,
    progress: dg.ResourceParam[Progress],
) -> Iterator[Any]:
    """Issue what is new or changed, session by session; one that fails keeps none of the others from being issued."""
    paths, nightly = home.home, home.settings().nightly
    if not nightly.attest:
        context.log.info("The setting nightly.attest is false: nothing is issued.")
        yield _result([])
        return
    today = calendar_day(config.issued_on, "The date of issue") or today_at(paths.warehouse)
    sessions = ended_sessions(paths, nightly, today)
    outcomes: list[Outcome] = []
    mailing = None
    if nightly.send_attestations_to:
        # Loaded where it is needed: a night without it needs no mail server.
        from orchestration.defs.export.delivery import prepare_mailing

        try:
            mailing = prepare_mailing(paths, home.settings(), nightly.send_attestations_to)
        except OpcoError as error:
            # Documents are made all the same.
            outcomes.append(Outcome("e-mail", "failed", str(error)))
    progress.stage("Issuing attestations", len(sessions.due))

    def issue(session_id: str) -> Work:
        try:
            summary = issue_session(
                paths,
                session_id,
                issued_on=today,
                reuse_inputs=True,
                asker=this_account("night"),
                issued_on_reason=config.issued_on and "the day that the night was asked for",
            )
        except NothingToAttestError as reason:
            return Outcome(session_id, "nothing", str(reason))
        finally:
            progress.step(session_id)
        for warning in summary.warnings:
            context.log.warning(f"{session_id}: {warning}")
        if not summary.is_new:
            return Outcome(session_id, "unchanged", f"issue {summary.issue_number} stays in force")
        # At once: a run that is killed must not hide what it has issued.
        yield dg.AssetMaterialization(
            "opco_attestations", partition=partition_key(session_id), metadata=issue_metadata(summary)
        )
        passed, found = checked_issue(summary)
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("opco_attestations"), check_name=CHECK, passed=passed, metadata=found
        )
        if mailing:
            language, zone = summary.manifest.inputs["language"], home.settings().rules.display_timezone
            mailing.send_issue(summary, language, zone, progress)
        states = Counter(document.state for document in summary.documents)
        counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        return Outcome(session_id, "issued", f"issue {summary.issue_number}: {counts}; {summary.folder}")

    yield from _each(sessions.due, issue, outcomes, context)
    waits = "waits: all that was delivered came before its end"
    outcomes += [Outcome(session_id, "waiting", waits) for session_id in sessions.waiting]
    for one in outcomes:
        context.log.info(f"{one.name}: {one.state}; {one.detail}")
    _raise_failures(
        outcomes, "Attestations", "Repair the cause; the next night tries again, as does: opco attest SESSION_ID"
    )
    yield _result(outcomes)


@dg.definitions
def defs() -> dg.Definitions:
    """Define the nightly assets and the job from the raw folder to them, its schedule, and the two sensors."""
    home = Home.find()
    settings = load_settings(home)
    job = dg.define_asset_job(
        NIGHTLY,
        selection=up_to(nightly_exports, nightly_attestations),
        description="From the raw folder to the published file, the default exports, and the attestations of sessions "
        "that ended.",
        tags=WAITS,
    )
    return dg.Definitions(
        assets=[nightly_exports, nightly_attestations],
        jobs=[job],
        schedules=[nightly_schedule(settings)],
        sensors=[arrivals_sensor(settings), sessions_sensor()],
    )


def _each(
    names: Iterable[str], work: Callable[[str], Work], outcomes: list[Outcome], context: dg.AssetExecutionContext
) -> Iterator[Any]:
    """Do the work for each, and add what became of it; what fails is logged, with its traceback if not foreseen."""
    for name in names:
        require_on_record(context.instance, context.run.run_id)
        try:
            outcomes.append((yield from work(name)))
        except OpcoError as error:
            context.log.error(f"{name}: {error}")
            outcomes.append(Outcome(name, "failed", str(error)))
        except Exception as error:
            context.log.exception(f"{name}: something that was not foreseen went wrong")
            outcomes.append(Outcome(name, "failed", f"{type(error).__name__}: {error}"))


def _raise_failures(outcomes: list[Outcome], what: str, remedy: str) -> None:
    failed = [one for one in outcomes if one.state == "failed"]
    if failed:
        counts = ", ".join(f"{count} {state}" for state, count in _counts(outcomes).items())
        reasons = "\n".join(f"{one.name}: {one.detail}" for one in failed)
        raise OpcoError(f"{what}: {counts}; what was published and made stays.\n{reasons}\n{remedy}")


def _result(outcomes: list[Outcome]) -> dg.MaterializeResult[None]:
    listed = dg.MetadataValue.json([asdict(one) for one in outcomes])
    return dg.MaterializeResult(metadata={**_counts(outcomes), "outcomes": listed})


def _counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    return dict(sorted(Counter(one.state for one in outcomes).items()))


def _recorded(checks: Iterable[Check]) -> Iterator[dg.AssetCheckEvaluation]:
    for check in checks:
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("opco_export"),
            check_name=check.name,
            passed=check.passed,
            metadata={"expected": check.expected, "found": check.found},
        )
