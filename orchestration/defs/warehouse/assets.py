"""The dbt models, built from the archive, and the published file, made from their marts."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from importlib.metadata import version as installed_version
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets
from dagster_dbt.errors import DagsterDbtCliRuntimeError
from packaging.version import Version, parse
from pydantic import Field

from orchestration.clock import clock
from orchestration.dbt_process import wait_for_an_orphan
from orchestration.dbt_project import (
    Relation,
    build_executable,
    damage_in,
    dbt_environment,
    dbt_target,
    dbt_variables,
    failures,
    parsed_manifest,
    project_stamp,
    relations,
)
from orchestration.defs.attestations.partitions import keep_in_step
from orchestration.home import Home
from orchestration.progress import Progress
from orchestration.resources import BuildLock, HomeResource
from orchestration.settings import Settings, load_settings
from warehouse.archive import INSTANT, Manifest, read_manifest
from warehouse.build_file import (
    BuildIdentity,
    count_touched,
    prepare_build_file,
    read_rejects,
    remove_build_file,
    what_is_wrong,
)
from warehouse.build_state import read_state, state_of, why_in_full, write_state
from warehouse.contract import raw_tables
from warehouse.errors import OpcoError, UserError
from warehouse.files import remove_leftovers
from warehouse.project import PROJECT_DIR
from warehouse.publish import publish
from warehouse.published import check_place, fault_of, shown_file

TESTED_FILE = "tested.json"
RESULTS_FILE = "run_results.json"


class BuildConfig(dg.Config):
    """How to build."""

    as_of: str | None = Field(
        default=None,
        description="The build's clock, such as 2026-11-10T06:00:00Z, for rebuilds that can be repeated. Default: now.",
    )
    full_refresh: bool = Field(
        default=False, description="Make everything again from the archive, instead of going on from the last build."
    )


class Dbt(DbtCliResource):
    """dbt of this environment."""

    @cached_property
    def _cli_version(self) -> Version:
        # `dbt --version`, which this replaces, asks the package index for the latest release: 2.5 s and a request.
        return parse(installed_version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override]
        # An adapter in this process as well is for metadata that `relations` reads in one go: 1 s.
        del args


class Translator(DagsterDbtTranslator):
    """Assets of dbt models, grouped by layer, without the tables that the build adds beside the delivered ones."""

    def get_asset_spec(self, manifest: Any, unique_id: str, project: Any) -> dg.AssetSpec:
        """Return the spec of a model, depending on models and delivered tables only."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        delivered = {dg.AssetKey(["raw", name]) for name in raw_tables()}
        return spec.replace_attributes(
            group_name=spec.key.path[0],
            deps=[dep for dep in spec.deps if dep.asset_key.path[0] != "raw" or dep.asset_key in delivered],
        )


@dg.definitions
def defs() -> dg.Definitions:
    """Define the dbt models with their tests as checks, the published file, and the job that builds it all."""
    home = Home.find()
    manifest_file = parsed_manifest(home, load_settings(home))
    manifest = json.loads(manifest_file.read_bytes())

    @dbt_assets(manifest=manifest_file, name="dbt_models", dagster_dbt_translator=Translator())
    def dbt_models(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        home: HomeResource,
        dbt: Dbt,
        build_lock: BuildLock,  # noqa: ARG001 - asked for to be held
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[Any]:
        yield from _build(context, config, home, dbt, manifest, progress)

    @dg.asset(
        group_name="published",
        kinds={"duckdb"},
        deps=[spec.key for spec in dbt_models.specs if spec.key.path[0] == "marts"],
        description="The published DuckDB file: the marts of a build whose tests all passed.",
    )
    def published_warehouse(
        context: dg.AssetExecutionContext,
        home: HomeResource,
        build_lock: BuildLock,  # noqa: ARG001 - asked for to be held
        progress: dg.ResourceParam[Progress],
    ) -> dg.MaterializeResult[None]:
        place = home.home
        tested = read_state(place.build / TESTED_FILE)
        if tested is None:
            raise OpcoError(
                "The build file holds no build whose tests all passed, so nothing is published.\n"
                "Materialise all models with their checks, or run: opco build --raw FOLDER"
            )
        progress.stage("Publishing")
        summary = publish(place.build_file, place.published, tested.build_id, home.settings().build.keep_builds)
        keep_in_step(context.instance, place.warehouse)
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(summary.path),
                "link": dg.MetadataValue.path(summary.link),
                "bytes": summary.byte_count,
                "sha256": summary.sha256,
                "full_build_because": tested.why_full or "",
                "learners_made_anew": count_touched(place.build_file),
                "builds_removed": dg.MetadataValue.json(list(summary.removed)),
                "row_counts": dg.MetadataValue.json(dict(summary.row_counts)),
                "rejects": dg.MetadataValue.json([vars(rejects) for rejects in read_rejects(place.build_file)]),
            }
        )

    return dg.Definitions(
        assets=[dbt_models, published_warehouse],
        jobs=[
            dg.define_asset_job(
                "build",
                selection=dg.AssetSelection.assets(published_warehouse).upstream(),
                description="From the raw folder to the published file.",
            ),
            dg.define_asset_job(
                "rebuild",
                selection=dg.AssetSelection.assets(*dbt_models.keys, published_warehouse),
                description="From the archive to the published file, everything made again; nothing is loaded.",
                config={"ops": {"dbt_models": {"config": {"full_refresh": True}}}},
            ),
        ],
        resources={
            "dbt": Dbt(
                project_dir=str(PROJECT_DIR), profiles_dir=str(PROJECT_DIR), dbt_executable=str(build_executable())
            )
        },
    )


def _build(
    context: dg.AssetExecutionContext,
    config: BuildConfig,
    home: HomeResource,
    dbt: Dbt,
    manifest: dict[str, Any],
    progress: Progress,
) -> Iterator[Any]:
    place, settings = home.home, home.settings()
    tested = place.build / TESTED_FILE
    wait_for_an_orphan(place)
    remove_leftovers(place.build)
    # Said before the work: a build that cannot be shown, and a published file that is not what it was.
    check_place(place.published)
    damaged = _damaged(place)
    if damaged:
        context.log.warning(damaged)
    delivered = read_manifest(place.archive)
    identity = _new_identity(delivered, clock(config.as_of))
    state = state_of(
        identity.build_id, identity.clock_at, project_stamp(), settings.rules.model_dump(mode="json"), delivered
    )
    why_full = (
        "it was asked for"
        if config.full_refresh
        else damaged
        or why_in_full(read_state(tested), state, delivered, place.build_file)
        or what_is_wrong(place.build_file)
    )
    # dbt-duckdb and dagster-dbt take these from the process's environment only.
    os.environ.update(dbt_environment(place, settings))
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] in ("model", "seed", "test")]
    attempt = partial(_attempt, context, dbt, place, settings, identity, progress, len(nodes))
    # A build that stops half-way leaves no state, so that the next one is made in full.
    tested.unlink(missing_ok=True)
    events, failure, damage = attempt(why_full)
    if damage and why_full is None:
        why_full = f"the build file of the last build is damaged ({damage})"
        context.log.warning(f"{place.build_file} is damaged and is made again from the archive: {damage}")
        events, failure, damage = attempt(why_full)
    if failure is not None and damage is not None:
        # Nothing of it can be read, and the next build removes it.
        raise failure
    # dbt holds the file until its end, so rows are counted then, in one go.
    built = relations(place.build_file)
    for event in events:
        yield _with_relation(event, manifest, built) if isinstance(event, dg.Output) else event
    if failure is not None:
        raise failure
    if not context.is_subset:
        write_state(tested, replace(state, why_full=why_full))


def _attempt(
    context: dg.AssetExecutionContext,
    dbt: Dbt,
    place: Home,
    settings: Settings,
    identity: BuildIdentity,
    progress: Progress,
    node_count: int,
    why_full: str | None,
) -> tuple[list[Any], OpcoError | None, str | None]:
    """Build, in full if there is a reason to.

    Return dbt's events, in a person's words what stopped it, and what of these tells of a damaged build file.
    """
    if why_full is not None:
        remove_build_file(place.build_file)
    prepare_build_file(place.archive, place.build_file, identity, goes_on=why_full is None)
    context.log.info(f"A full build: {why_full}" if why_full else "Going on from the last build")
    progress.stage("Building", node_count)
    (dbt_target(place) / RESULTS_FILE).unlink(missing_ok=True)
    arguments = ["build", "--exclude-resource-type", "unit_test", *(["--full-refresh"] if why_full else [])]
    invocation = dbt.cli([*arguments, *dbt_variables(settings)], context=context, target_path=dbt_target(place))
    events: list[Any] = []
    try:
        for event in invocation.stream():
            progress.step()
            events.append(event)
    except DagsterDbtCliRuntimeError as error:
        failure = OpcoError(_why_dbt_stopped(place, error))
        failure.__cause__ = error
        return events, failure, damage_in(str(failure))
    return events, None, None


def _damaged(place: Home) -> str | None:
    """Return what is wrong with the file that readers see, None when it is what was published."""
    shown = shown_file(place.published)
    wrong = fault_of(shown, to_the_last_byte=True) if shown else None
    return f"the published file {shown} is damaged: {wrong}" if wrong else None


def _new_identity(delivered: Manifest, clock_at: datetime) -> BuildIdentity:
    loads = delivered.loads
    if not loads:
        raise UserError("Nothing is loaded yet. Load a raw folder first: opco build --raw FOLDER")
    built_at = datetime.now(UTC)
    return BuildIdentity(
        build_id=f"{built_at:%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}",
        clock_at=clock_at,
        built_at=built_at,
        data_as_of=datetime.strptime(loads[-1].loaded_at, INSTANT).replace(tzinfo=UTC),
        load_number=loads[-1].load_number,
    )


def _with_relation(
    output: dg.Output[Any], manifest: dict[str, Any], built: dict[tuple[str, str], Relation]
) -> dg.Output[Any]:
    """Add rows and columns, as built and as described, to what dbt said of a model."""
    node = manifest["nodes"][output.metadata["unique_id"].value]
    relation = built.get((node["schema"], node["alias"]))
    if relation is None:
        return output
    columns = [
        dg.TableColumn(name, type_, description=node["columns"].get(name, {}).get("description") or None)
        for name, type_ in relation.columns
    ]
    counted = {} if relation.row_count is None else {"dagster/row_count": relation.row_count}
    return output.with_metadata(
        {**output.metadata, **counted, "dagster/column_schema": dg.TableSchema(columns=columns)}
    )


def _why_dbt_stopped(home: Home, failure: DagsterDbtCliRuntimeError) -> str:
    results = dbt_target(home) / RESULTS_FILE
    lines = failures(json.loads(results.read_bytes())) if results.exists() else []
    said = "\n".join(f"  {line}" for line in lines) if lines else str(failure)
    return (
        f"The build stopped; what was published before stays. dbt says:\n{said}\n"
        f"All of its words are in {dbt_target(home) / 'dbt.log'}."
    )
