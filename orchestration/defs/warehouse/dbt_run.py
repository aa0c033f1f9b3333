"""dbt in this process: a build has imported all that dbt needs, so a second interpreter would import it again.

dbt's package is loaded by the functions that need it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.defs.warehouse.changed import BUILT
from warehouse.project import PROJECT_DIR

if TYPE_CHECKING:
    from dbt.artifacts.schemas.run import RunResult
    from dbt_common.events.base_types import EventMsg


# Put on the nodes that a build chose, so that one word of dbt's selection names them.
CHOSEN = "chosen_by_this_build"


@dataclass(frozen=True)
class NodeResult:
    """What became of a model, seed or data test: dbt's status and message, its seconds, the rows that fail a test.

    `query` is the compiled SQL, whose rows are those that fail a test.
    """

    unique_id: str
    status: str
    message: str
    seconds: float
    failed_row_count: int | None
    query: str


@dataclass(frozen=True)
class DbtResult:
    """What became of all nodes of an invocation; `error` is what stopped dbt itself, None where nothing did."""

    invocation_id: str
    nodes: tuple[NodeResult, ...]
    error: str | None

    @property
    def is_success(self) -> bool:
        """Whether every node was built and every test passed or warned."""
        return self.error is None and not any(node.status in ("error", "fail") for node in self.nodes)


def run_dbt(
    arguments: Sequence[str],
    parsed: Path,
    log: Path,
    on_node: Callable[[str], None],
    compiled: Mapping[str, str] | None = None,
    chosen: Collection[str] | None = None,
) -> DbtResult:
    """Run dbt with `arguments` on the project as `parsed` has it: all nodes, or where given the `chosen` ones.

    `on_node` is called after each node, with the names of those that are at work then.

    `parsed` is a file of dbt's own, `partial_parse.msgpack`, that no file of the project has outrun; `compiled` the SQL
    of nodes, by unique id, that dbt would compile to just that again. dbt takes the rest from the environment, as
    `dbt_environment` says it. Nothing is printed; the file `log` is written anew with what dbt says of this run; the
    database is closed afterwards.
    """
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.invocation import get_invocation_id

    at_work: list[str] = []

    def at_event(event: EventMsg) -> None:
        info: Any = event.info
        # What else dbt runs, such as exposures, is no step of a build.
        if info.name in ("NodeStart", "NodeFinished") and event.data.node_info.resource_type in BUILT:
            name = event.data.node_info.node_name
            if info.name == "NodeStart":
                at_work.append(name)
            else:
                at_work.remove(name)
                on_node(", ".join(at_work))
        if info.level != "debug":
            lines.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {info.level:5} {info.msg}\n")

    project = ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)]
    # What dbt would write of the project and of each node is known already. Its own log puts every event together,
    # those that are not written, too: a tenth of a small build.
    quiet = ["--quiet", "--log-level", "none", "--log-level-file", "none", "--no-write-json"]
    manifest = Manifest.from_msgpack(parsed.read_bytes())
    manifest.build_flat_graph()
    for unique_id, query in (compiled or {}).items():
        _hand_over(manifest.nodes[unique_id], query)
    for unique_id in chosen or ():
        manifest.nodes[unique_id].tags.append(CHOSEN)
    selection = [] if chosen is None else ["--select", f"tag:{CHOSEN}", "--indirect-selection", "empty"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", buffering=1, encoding="utf-8") as lines, _database_closed_afterwards():
        ended = dbtRunner(manifest, [at_event]).invoke(
            [arguments[0], *project, *quiet, *arguments[1:], *selection],
            # No model is ephemeral; with them, dbt would also write what each node is compiled to.
            inject_ephemeral_ctes=False,
        )
    if isinstance(ended.exception, KeyboardInterrupt | SystemExit):
        raise ended.exception
    results: list[Any] = getattr(ended.result, "results", None) or []
    # What begins a run is no node of it, as long as it goes well.
    nodes = [one for one in results if one.node.resource_type != "operation" or one.status != "success"]
    return DbtResult(
        get_invocation_id(),
        tuple(map(_node_result, nodes)),
        str(ended.exception) if ended.exception else None,
    )


def _hand_over(node: Any, query: str) -> None:
    """Make a node's compiled SQL its code: without a macro in it, dbt takes it as it is."""
    node.raw_code = query
    if node.resource_type == "test" and getattr(node, "test_metadata", None) is not None:
        # The arguments of a generic test are rendered one by one, each with all macros at hand.
        node.test_metadata.kwargs = {}


@contextmanager
def _database_closed_afterwards() -> Iterator[None]:
    """Close the build file once dbt is done: its adapter keeps it open until the process ends."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    try:
        yield
    finally:
        if DuckDBConnectionManager._ENV is not None:
            DuckDBConnectionManager._ENV.close()
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def _node_result(result: RunResult) -> NodeResult:
    return NodeResult(
        result.node.unique_id,
        str(result.status),
        str(result.message),
        result.execution_time,
        result.failures,
        getattr(result.node, "compiled_code", None) or "",
    )
