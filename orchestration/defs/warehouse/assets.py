"""The dbt models, built from the archive, and the published file, made from their marts."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, dbt_assets
from dagster_dbt.asset_utils import DAGSTER_DBT_UNIQUE_ID_METADATA_KEY as UNIQUE_ID
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from pydantic import Field

from orchestration.defs.attestations.partitions import keep_in_step
from orchestration.defs.raw.archive_check import require_known_archive
from orchestration.defs.warehouse.changed import BUILT, nodes_to_run
from orchestration.defs.warehouse.dbt_project import (
    TESTED_FILE,
    Relation,
    ask_build_file,
    build_arguments,
    compiled_file,
    damage_in,
    dbt_environment,
    dbt_log,
    explain_memory_shortage,
    failures,
    keep_compiled,
    parsed_project,
    project_stamp,
    read_compiled,
    relations,
)
from orchestration.defs.warehouse.dbt_run import DbtResult, NodeResult, run_dbt
from orchestration.defs.warehouse.issued import read_issued
from orchestration.home.clock import clock
from orchestration.home.identities import identities_digest, read_identities
from orchestration.home.paths import Home
from orchestration.home.settings import Settings
from orchestration.home.variables import spark_remote
from orchestration.runs.dagster_internals import written_together
from orchestration.runs.dead_runs import require_on_record
from orchestration.runs.mistakes import tells_mistakes
from orchestration.runs.progress import Progress, counted_stage
from orchestration.runs.resources import BuildLock, HomeResource
from warehouse.archive import INSTANT, Manifest, read_whole_manifest, require_whole_files
from warehouse.build_file import (
    BuildIdentity,
    count_affected_learners,
    open_build_file,
    prepare_build_file,
    read_conflicts,
    read_gone,
    read_rejects,
    remove_build_file,
    what_is_wrong,
)
from warehouse.build_state import read_state, reason_for_full_refresh, state_of, write_state
from warehouse.contract import raw_tables
from warehouse.errors import OpcoError, UserError
from warehouse.files import remove_leftovers
from warehouse.publish import publish
from warehouse.published import check_place, fault_of, shown_file, was_written_to
from warehouse.spark import require_spark

LAYERS = ("staging", "intermediate", "marts")


class BuildConfig(dg.Config):
    """How to build."""

    as_of: str | None = Field(
        default=None,
        description="The build's clock, such as 2026-11-10T06:00:00Z, for rebuilds that can be repeated. Default: now.",
    )
    full_refresh: bool = Field(
        default=False, description="Rebuild everything from the archive, instead of building incrementally."
    )
    engine: str | None = Field(
        default=None, description="What computes the models: duckdb or spark. Default: the setting build.engine."
    )


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


def up_to(*assets: dg.AssetsDefinition) -> dg.AssetSelection:
    """Select assets with all that they rest on, and all models: what none reads, as `opco why` does, is built too."""
    return dg.AssetSelection.assets(*assets).upstream() | dg.AssetSelection.groups(*LAYERS)


@dg.definitions
def defs() -> dg.Definitions:
    """Define the dbt models with their tests as checks, the published file, and the job that builds it all."""
    home = Home.find()
    project = parsed_project(home)
    manifest = json.loads(project.manifest.read_bytes())

    @dbt_assets(manifest=manifest, name="dbt_models", dagster_dbt_translator=Translator())
    @tells_mistakes
    def dbt_models(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        home: HomeResource,
        build_lock: BuildLock,  # noqa: ARG001 - asked for to be held
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[Any]:
        yield from _build(context, config, home, manifest, progress)

    @dg.asset(
        group_name="published",
        kinds={"duckdb"},
        # The mart that says what the build is, and reads all the others. Dagster would leave out what depends on models
        # that a build left as they are.
        deps=[dg.AssetKey(["marts", "warehouse_build"])],
        description="The published DuckDB file: the marts of a build whose tests all passed.",
    )
    @tells_mistakes
    def published_warehouse(
        context: dg.AssetExecutionContext,
        home: HomeResource,
        build_lock: BuildLock,  # noqa: ARG001 - asked for to be held
        progress: dg.ResourceParam[Progress],
    ) -> dg.MaterializeResult[None]:
        paths = home.home
        tested = read_state(paths.build / TESTED_FILE)
        if tested is None:
            raise OpcoError(
                "The build file holds no build whose tests all passed, so nothing is published.\n"
                "Materialise all models with their checks, or run: opco build --raw FOLDER"
            )
        require_on_record(context.instance, context.run.run_id)
        try:
            keep = home.settings().build.keep_builds
            summary = publish(
                paths.build_file,
                paths.published,
                tested.build_id,
                keep,
                tested.archive_head,
                counted_stage(progress, "Publishing"),
            )
        except OpcoError as error:
            if damage_in(str(error)):
                # In a table that this build had no need to read: the next one goes on from no damaged file.
                (paths.build / TESTED_FILE).unlink()
            raise
        keep_in_step(context.instance, paths.warehouse)
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(summary.path),
                "link": dg.MetadataValue.path(summary.link),
                "bytes": summary.byte_count,
                "sha256": summary.sha256,
                "full_refresh_reason": tested.full_refresh_reason or "",
                "nodes_left": tested.nodes_left,
                "learners_rebuilt": count_affected_learners(paths.build_file),
                "builds_removed": dg.MetadataValue.json(list(summary.removed)),
                "row_counts": dg.MetadataValue.json(dict(summary.row_counts)),
                "rejects": dg.MetadataValue.json([vars(rejects) for rejects in read_rejects(paths.build_file)]),
                "gone": dg.MetadataValue.json([vars(gone) for gone in read_gone(paths.build_file)]),
                "conflicting": dg.MetadataValue.json(read_conflicts(paths.build_file)),
            }
        )

    return dg.Definitions(
        assets=[dbt_models, published_warehouse],
        jobs=[
            dg.define_asset_job(
                "build",
                # What a source has is pulled by the night, or by opco pull.
                selection=up_to(published_warehouse) - dg.AssetSelection.key_prefixes("sources"),
                description="From the raw folder to the published file.",
            ),
            dg.define_asset_job(
                "rebuild",
                selection=dg.AssetSelection.assets(*dbt_models.keys, published_warehouse),
                description="From the archive to the published file, everything rebuilt; nothing is loaded.",
                config={"ops": {"dbt_models": {"config": {"full_refresh": True}}}},
            ),
        ],
    )


def _build(
    context: dg.AssetExecutionContext,
    config: BuildConfig,
    home: HomeResource,
    manifest: dict[str, Any],
    progress: Progress,
) -> Iterator[Any]:
    paths = home.home
    settings = home.settings({"build.engine": config.engine} if config.engine else None)
    engine = settings.build.engine
    if engine == "spark":
        require_spark(spark_remote())
        if context.is_subset:
            raise UserError(
                "On Spark a build is a whole one: its tables stand in no catalog between builds. Materialise all "
                "models, or run: opco build"
            )
    tested = paths.build / TESTED_FILE
    remove_leftovers(paths.build)
    # Found before the work: a build that cannot be published, and a published file that is not what it was.
    check_place(paths.published)
    damage_of_published = damaged(paths)
    if damage_of_published:
        context.log.warning(damage_of_published)
    delivered = read_whole_manifest(paths.archive)
    require_known_archive(paths, delivered)
    identity = _new_identity(delivered, clock(config.as_of))
    identities = read_identities(paths)
    rules = settings.of_the_models() | {paths.identities.name: identities_digest(identities)}
    state = state_of(identity.build_id, identity.clock_at, project_stamp(), rules, delivered, engine)
    full_refresh_reason = (
        "it was asked for"
        if config.full_refresh
        else damage_of_published
        or reason_for_full_refresh(read_state(tested), state, delivered, paths.build_file)
        or what_is_wrong(paths.build_file)
    )
    # The project's profile takes these from the process's environment only.
    os.environ.update(dbt_environment(paths, settings))
    attempt = partial(_attempt, context, manifest, paths, settings, identity, identities, delivered, progress)
    # A build that stops half-way leaves no state, so that the next one is a full refresh.
    tested.unlink(missing_ok=True)
    result, failure, damage = attempt(full_refresh_reason)
    if damage and full_refresh_reason is None:
        full_refresh_reason = f"the build file of the last build is damaged ({damage})"
        context.log.warning(f"{paths.build_file} is damaged and is rebuilt from the archive: {damage}")
        result, failure, damage = attempt(full_refresh_reason)
    if failure is not None and damage is not None:
        # Nothing of it can be read, and the next build removes it.
        raise failure
    events = list(_events(context, result, manifest, relations(paths.build_file)))
    with written_together(context.instance):
        yield from events
    if failure is not None:
        raise failure
    if not context.is_subset:
        left = _nodes_built(manifest) - {node.unique_id for node in result.nodes}
        write_state(tested, replace(state, full_refresh_reason=full_refresh_reason, nodes_left=len(left)))


def _attempt(
    context: dg.AssetExecutionContext,
    manifest: dict[str, Any],
    paths: Home,
    settings: Settings,
    identity: BuildIdentity,
    identities: Mapping[str, int],
    delivered: Manifest,
    progress: Progress,
    full_refresh_reason: str | None,
) -> tuple[DbtResult, OpcoError | None, str | None]:
    """Build, incrementally unless there is a reason for a full refresh.

    Return what became of each node, what stopped dbt in words for people, and the part of these about a damaged build
    file. Raises OpcoError where a full refresh would read an archive that is not what was archived.
    """
    is_full_refresh = full_refresh_reason is not None
    if is_full_refresh:
        require_whole_files(paths.archive, delivered, counted_stage(progress, "Reading the archive's checksums"))
        remove_build_file(paths.build_file)
    changes = prepare_build_file(
        paths.archive,
        paths.build_file,
        identity,
        incremental=not is_full_refresh,
        identities=identities,
        issued=read_issued(paths, context.log.warning),
    )
    context.log.info(f"Full refresh: {full_refresh_reason}" if is_full_refresh else "Incremental build")
    chosen_nodes = None
    if not is_full_refresh and not context.is_subset:
        # Of a damaged file all are run: dbt says then where it is, or makes the table anew.
        with contextlib.suppress(duckdb.Error), open_build_file(paths.build_file, read_only=True) as db:
            chosen_nodes = nodes_to_run(manifest, changes.tables, db)
    progress.stage("Building", len(_nodes_built(manifest) if chosen_nodes is None else chosen_nodes))
    if settings.build.engine == "spark":
        # pyarrow's file systems take a tenth of a second, of which a build on DuckDB has no need.
        from orchestration.defs.warehouse.on_spark import build_on_spark

        return *build_on_spark(paths, settings, identity.build_id, delivered, manifest, progress), None
    arguments = build_arguments(settings, is_full_refresh=is_full_refresh, build_id=identity.build_id)
    if chosen_nodes is None:
        # Those that Dagster was asked for, where it is not all of them.
        chosen = get_updated_cli_invocation_params_for_context(context, manifest, Translator())
        arguments += chosen.selection_args
        arguments += ["--indirect-selection", chosen.indirect_selection] if chosen.indirect_selection else []
    project = parsed_project(paths)
    kept = compiled_file(
        project,
        paths,
        settings,
        is_full_refresh=is_full_refresh,
        have_snapshots_changed=changes.have_snapshots_changed,
    )
    # Of a part of the models, nothing says which tables of the others stand.
    compiled = {} if context.is_subset else read_compiled(kept)
    result = run_dbt(arguments, project.parsed, dbt_log(paths), progress.step, compiled, chosen_nodes)
    if result.is_success:
        if not context.is_subset:
            keep_compiled(kept, result.nodes, manifest, compiled)
        return result, None, None
    failure = OpcoError(_why_dbt_stopped(paths, settings, result))
    return result, failure, damage_in(str(failure))


def _nodes_built(manifest: dict[str, Any]) -> set[str]:
    return {unique_id for unique_id, node in manifest["nodes"].items() if node["resource_type"] in BUILT}


def _events(
    context: dg.AssetExecutionContext,
    result: DbtResult,
    manifest: dict[str, Any],
    built: dict[tuple[str, str], Relation],
) -> Iterator[dg.Output[None] | dg.AssetCheckResult]:
    """Yield what Dagster records: a model or seed that was built, with its rows and columns, and a test as a check."""
    models = {spec.metadata[UNIQUE_ID]: spec.key for spec in context.assets_def.specs}
    tests = {spec.metadata[UNIQUE_ID]: spec.key for spec in context.assets_def.check_specs}
    for node in result.nodes:
        if node.status == "skipped":
            continue
        metadata: dict[str, Any] = {
            "unique_id": node.unique_id,
            "invocation_id": result.invocation_id,
            "status": node.status,
            "Execution Duration": node.seconds,
        }
        if model := models.get(node.unique_id):
            if node.status != "error":
                described = _relation_metadata(manifest, node, built)
                yield dg.Output(None, output_name=model.to_python_identifier(), metadata=metadata | described)
        elif (test := tests.get(node.unique_id)) and test in context.selected_asset_check_keys:
            failed = {} if node.failed_row_count is None else {"dagster_dbt/failed_row_count": node.failed_row_count}
            yield dg.AssetCheckResult(
                passed=node.status == "pass",
                asset_key=test.asset_key,
                check_name=test.name,
                severity=dg.AssetCheckSeverity.WARN if node.status == "warn" else dg.AssetCheckSeverity.ERROR,
                metadata=metadata | failed,
            )


def damaged(paths: Home) -> str | None:
    """Return what is wrong with the file that readers see, None when it is what was published, or somebody changed it.

    What somebody changed says nothing against the disk, which holds the build file as well.
    """
    shown = shown_file(paths.published)
    wrong = fault_of(shown, to_the_last_byte=True) if shown else None
    if shown is None or wrong is None or was_written_to(shown):
        return None
    return f"the published file {shown} is damaged: {wrong}"


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


def _relation_metadata(
    manifest: dict[str, Any], built_node: NodeResult, built: dict[tuple[str, str], Relation]
) -> dict[str, Any]:
    """Return rows and columns of a model, as built and as described."""
    node = manifest["nodes"][built_node.unique_id]
    relation = built.get((node["schema"], node["alias"]))
    if relation is None:
        return {}
    columns = [
        dg.TableColumn(name, type_, description=_description(node, name, manifest["docs"]))
        for name, type_ in relation.columns
    ]
    counted = {} if relation.row_count is None else {"dagster/row_count": relation.row_count}
    return {**counted, "dagster/column_schema": dg.TableSchema(columns=columns)}


def _description(node: dict[str, Any], column: str, blocks: dict[str, Any]) -> str | None:
    """Return what a model says of its column, else what `models/_columns.md` says of all columns of that name."""
    own: str | None = node["columns"].get(column, {}).get("description")
    shared: str | None = blocks.get(f"doc.{node['package_name']}.{column}", {}).get("block_contents")
    return own or shared


def _why_dbt_stopped(home: Home, settings: Settings, result: DbtResult) -> str:
    lines = failures(result.nodes, partial(ask_build_file, home.build_file))
    reasons = "\n".join(f"  {line}" for line in lines) if lines else str(result.error)
    remedy = explain_memory_shortage(reasons, settings)
    return (
        f"The build stopped; what was published before stays. dbt says:\n{reasons}\n"
        f"All of its words are in {dbt_log(home)}." + (f"\n{remedy}" if remedy else "")
    )
