"""The guard before Dagster's web application: what other sites' pages can send is refused, what its own ask is not."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from opco import services
from opco.dagster_services import DagsterGuard, hosts_of
from orchestration.home.paths import Home
from orchestration.runs.jobs import open_instance
from orchestration.runs.resources import run_resources

HOST = "127.0.0.1:3000"
OWN = {"Host": HOST, "Origin": f"http://{HOST}", "Content-Type": "application/json"}
SPELLINGS = (
    'mutation { deletePipelineRun(runId: "RUN") { __typename } }',
    'mutation m { ...f } fragment f on Mutation { deletePipelineRun(runId: "RUN") { __typename } }',
    'mutation{a:deletePipelineRun(runId:"RUN"){__typename}}',
    '#query\n,,mutation ($x: String = "") @skip(if: false) { deletePipelineRun(runId: "RUN") { __typename } }',
)


@dg.job
def nothing() -> None:
    """Do nothing."""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with open_instance(Home(tmp_path_factory.mktemp("home"))) as instance:
        yield instance


@pytest.fixture(scope="module")
def bare(instance: dg.DagsterInstance) -> Iterator[Starlette]:
    """Dagster's own application."""
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget(), version="1") as context:
        yield create_app_from_workspace_process_context(context)


@pytest.fixture(scope="module")
def client(bare: Starlette) -> Iterator[TestClient]:
    with TestClient(DagsterGuard(bare, ["dagster.exemple.fr"]), base_url=f"http://{HOST}") as client:
        yield client


@pytest.fixture
def run_id(instance: dg.DagsterInstance) -> str:
    return nothing.execute_in_process(instance=instance).run_id


def test_dagster_itself_carries_out_a_mutation_of_another_sites_picture(
    bare: Starlette, instance: dg.DagsterInstance, run_id: str
) -> None:
    headers = {"Host": "evil.example", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    query = {"query": SPELLINGS[0].replace("RUN", run_id)}
    assert TestClient(bare).get("/graphql", params=query, headers=headers).status_code == 200
    assert instance.get_run_by_id(run_id) is None, "If Dagster has learnt it, the guard is of less use."


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/GraphQL", "/graphql%0a", "/x/../graphql", "/%67raphql"])
def test_only_post_changes_anything(client: TestClient, instance: dg.DagsterInstance, run_id: str, path: str) -> None:
    for spelling in SPELLINGS:
        query = spelling.replace("RUN", run_id)
        for params in (
            {"query": query},
            {"query": ["{ version }", query]},
            {"query": f"query q {{ version }} {query}", "operationName": "m"},
            {"extensions": '{"persistedQuery": {"version": 1, "sha256Hash": "0"}}', "query": query},
        ):
            for headers in ({}, {**OWN, "Accept": "text/html"}, {"X-HTTP-Method-Override": "POST"}):
                assert client.get(path, params=params, headers=headers).status_code == 405
    for method in ("HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        assert client.request(method, path, params={"query": SPELLINGS[0]}, headers=OWN).status_code == 405
    assert instance.get_run_by_id(run_id) is not None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:8080"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": f"http://{HOST}.evil.example"}, 403),
        ({"Origin": f"ftp://{HOST}"}, 403),
        ({"Origin": None}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "text/plain; x=application/json"}, 415),
        ({"Content-Type": "application/graphql"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": None}, 415),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 400),
        ({"Host": "127.0.0.1.evil.example"}, 400),
        ({"Host": "dagster.exemple.fr@evil.example"}, 400),
        ({"Host": ""}, 400),
    ],
)
def test_a_post_comes_from_our_own_pages(
    client: TestClient, instance: dg.DagsterInstance, run_id: str, headers: dict[str, str | None], status: int
) -> None:
    query = SPELLINGS[0].replace("RUN", run_id)
    given = {name: value for name, value in {**OWN, **headers}.items() if value is not None}
    for content in ({"query": query}, [{"query": query}]):
        answer = client.post("/graphql", content=json.dumps(content), params={"query": query}, headers=given)
        assert answer.status_code == status
    assert client.post("/report_asset_materialization/x", content="{}", headers=given).status_code == status
    assert instance.get_run_by_id(run_id) is not None


def test_two_hosts_or_none_are_refused(bare: Starlette) -> None:
    for hosts in ([], ["127.0.0.1", "evil.example"]):
        headers = [*(("Host", host) for host in hosts)]
        with TestClient(DagsterGuard(bare, [])) as client:
            request = client.build_request("GET", "/server_info")
            request.headers = type(request.headers)(headers)
            assert client.send(request).status_code == 400


def test_dagsters_own_pages_work(client: TestClient, instance: dg.DagsterInstance, run_id: str) -> None:
    page = client.get("/", headers={"Host": HOST, "Sec-Fetch-Site": "cross-site"})
    assert (page.status_code, page.headers["x-frame-options"]) == (200, "SAMEORIGIN")
    assert client.get("/runs?view=all&query=x").status_code == 200
    assert "graphiql" in client.get("/graphql", headers={"Accept": "text/html"}).text.lower()
    assert client.get("/server_info").json()["dagster_version"]
    query = {"query": SPELLINGS[0].replace("RUN", run_id)}
    asked = client.post("/graphql", json={"query": "{ version }"}, headers={**OWN, "Sec-Fetch-Site": "same-origin"})
    assert asked.json()["data"]["version"]
    # Behind a proxy with TLS.
    headers = {**OWN, "Host": "Dagster.exemple.fr", "Origin": "https://dagster.exemple.fr"}
    headers["Content-Type"] = "application/json; charset=utf-8"
    assert client.post("/graphql", content=json.dumps(query), headers=headers).status_code == 200
    assert instance.get_run_by_id(run_id) is None


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:8080", None])
def test_another_site_opens_no_socket(client: TestClient, origin: str | None) -> None:
    headers = {"Host": HOST} | ({"Origin": origin} if origin else {})
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/graphql", ["graphql-ws"], headers=headers):
        pass


def test_a_socket_of_our_own_pages_changes_nothing(
    client: TestClient, instance: dg.DagsterInstance, run_id: str
) -> None:
    headers = {"Host": HOST, "Origin": f"http://{HOST}"}
    with client.websocket_connect("/graphql", ["graphql-ws"], headers=headers) as open_socket:
        open_socket.send_json({"type": "connection_init"})
        assert open_socket.receive_json()["type"] == "connection_ack"
        for number, spelling in enumerate((SPELLINGS[0], SPELLINGS[2])):
            query = spelling.replace("RUN", run_id)
            open_socket.send_json({"type": "start", "id": str(number), "payload": {"query": query}})
            assert open_socket.receive_json()["type"] == "error"
    assert instance.get_run_by_id(run_id) is not None


def test_an_address_that_is_listened_on_is_a_host() -> None:
    assert hosts_of("192.0.2.7", ["dagster.exemple.fr"]) == ["dagster.exemple.fr", "192.0.2.7"]
    assert hosts_of("0.0.0.0", []) == hosts_of("::", []) == []


@pytest.mark.parametrize(
    ("webserver_does", "daemon_does", "code"),
    [
        ("raise SystemExit(3)", "import time; time.sleep(600)", 3),
        ("import time; time.sleep(600)", "raise SystemExit(0)", 0),
    ],
)
def test_one_part_that_ends_takes_the_other_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, webserver_does: str, daemon_does: str, code: int
) -> None:
    programs = {"webserver": webserver_does, "daemon": daemon_does}
    monkeypatch.setattr(services, "_command", lambda part, *_, **__: [sys.executable, "-c", programs[part]])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    try:
        assert services.serve_dagster(Home(tmp_path), only=None, host="127.0.0.1", port=port, debug=False) == code
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("resource", ["home", "build_lock"])
def test_a_runs_configuration_names_no_other_home(tmp_path: Path, resource: str) -> None:
    @dg.op(required_resource_keys={resource})
    def step() -> None:
        raise AssertionError("it ran")

    @dg.job(resource_defs=run_resources(Home(tmp_path)))
    def job() -> None:
        step()

    config = {"resources": {resource: {"config": {"folder": str(tmp_path / "another")}}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match="unexpected config entry"):
        job.execute_in_process(run_config=config)
