"""Messages that a platform sends: signed ones are on the disk before they are answered, others are nowhere."""

from __future__ import annotations

import base64
import hmac
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from connectors.learning360.webhooks import BadMessageError, messages, verify
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from portal.app import make_app
from warehouse.errors import UserError

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
KEY = base64.b64encode(b"a key of the tests, 24 b").decode()
URL = "/opco/hooks/360learning"
SETTINGS = '[sources.360learning]\nclient_id = "x"\n'
CLOSED = {"type": "course.attempt.closed", "data": {"attemptId": "a1", "userId": "u1", "reason": "learnerFinished"}}


def serve(home: Path, monkeypatch: pytest.MonkeyPatch, settings: str = SETTINGS + "webhook = true\n") -> TestClient:
    (home / "opco.toml").write_text(settings, encoding="utf-8")
    said = {
        "portal.plain_http": "true",
        "portal.base_url": "http://portal.exemple.fr/opco",
        "portal.secret": "s" * 32,
    }
    app = make_app(Home(home), load_settings(Home(home), said), now=lambda: NOW)
    return TestClient(app, base_url="http://portal.exemple.fr")


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("OPCO_SOURCES__360LEARNING__WEBHOOK_SECRET", f"whsec_{KEY}")
    with serve(tmp_path, monkeypatch) as client:
        yield client


def signed(content: Any, number: str = "msg_1", at: datetime = NOW, key: str = KEY) -> dict[str, Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    stamp = str(int(at.timestamp()))
    digest = hmac.digest(base64.b64decode(key), f"{number}.{stamp}.".encode() + body, "sha256")
    headers = {
        "webhook-id": number,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1a,x v1,{base64.b64encode(digest).decode()}",
    }
    return {"content": body, "headers": headers}


def kept(home: Path) -> list[dict[str, Any]]:
    return messages(home / "var/sources/360learning/hooks")


def test_the_signature_is_that_of_the_specification() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    at = datetime.fromtimestamp(1614265330, UTC)
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    for now in (at, at - timedelta(minutes=5), at + timedelta(minutes=5)):
        assert verify(secret, headers, body, now) == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    for now in (at - timedelta(minutes=5, seconds=1), at + timedelta(minutes=5, seconds=1)):
        with pytest.raises(BadMessageError, match="five minutes"):
            verify(secret, headers, body, now)


def test_a_signed_message_is_on_the_disk_before_it_is_answered(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda one: synced.append(str(Path(f"/proc/self/fd/{one}").readlink())))
    answer = client.post(URL, **signed(CLOSED))
    assert (answer.status_code, answer.content) == (204, b"")
    folder = str(tmp_path / "var/sources/360learning/hooks")
    # The server writes other files meanwhile.
    assert [one for one in synced if one.startswith(folder)][-2:] == [f"{folder}/2026-11-25.jsonl", folder]
    assert kept(tmp_path) == [
        {
            "id": "msg_1",
            "received_at": "2026-11-25T09:00:00+00:00",
            "type": "course.attempt.closed",
            "data": {"attemptId": "a1"},
        }
    ]


def test_an_id_is_taken_once_also_by_another_server(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert client.post(URL, **signed(CLOSED)).status_code == 204
    with serve(tmp_path, monkeypatch) as other:
        assert other.post(URL, **signed(CLOSED)).status_code == 204
        assert other.post(URL, **signed(CLOSED, "msg_2")).status_code == 204
    (file,) = (tmp_path / "var/sources/360learning/hooks").iterdir()
    assert [json.loads(one)["id"] for one in file.read_text().splitlines()] == ["msg_1", "msg_2"]


def test_half_a_line_of_a_killed_server_costs_no_message(client: TestClient, tmp_path: Path) -> None:
    folder = tmp_path / "var/sources/360learning/hooks"
    folder.mkdir(parents=True)
    (folder / "2026-11-25.jsonl").write_text('{"id": "msg_0", "received')
    assert client.post(URL, **signed(CLOSED)).status_code == 204
    assert [one["id"] for one in kept(tmp_path)] == ["msg_1"]


@pytest.mark.parametrize(
    "message",
    [
        signed(CLOSED, key=base64.b64encode(b"another").decode()),
        {**signed(CLOSED), "content": json.dumps(CLOSED).encode() + b" "},
        signed(CLOSED, at=NOW - timedelta(minutes=6)),
        signed(CLOSED, at=NOW + timedelta(minutes=6)),
        {"content": b"{}", "headers": {}},
        {**signed(CLOSED), "headers": {**signed(CLOSED)["headers"], "webhook-id": "msg_2"}},
        {**signed(CLOSED), "headers": {**signed(CLOSED)["headers"], "webhook-signature": ""}},
        signed(b"no json"),
        signed([1]),
        signed({"type": "course.attempt.closed", "data": {"attemptId": 7}}),
        signed({"type": "course.attempt.closed", "data": {"attemptId": "a", "x": "y" * 300_000}}),
    ],
)
def test_what_is_not_signed_or_no_message_is_refused_and_kept_nowhere(
    client: TestClient, tmp_path: Path, message: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.post(URL, **message)
    assert (answer.status_code, answer.text) == (401, "refused\n")
    assert kept(tmp_path) == []
    assert KEY not in caplog.text


def test_nothing_that_names_a_person_is_kept(client: TestClient, tmp_path: Path) -> None:
    data = {"userId": "u1", "firstName": "Zoé", "mail": "zoe@exemple.fr"}
    for number, kind in enumerate(("user.updated", "user.deleted", "path.created")):
        assert client.post(URL, **signed({"type": kind, "data": data}, f"msg_{number}")).status_code == 204
    assert [(one["type"], one["data"]) for one in kept(tmp_path)] == [("user.updated", {"userId": "u1"})]


@pytest.mark.parametrize("settings", ["", SETTINGS, "[sources.360learning]\nwebhook = true\n"])
def test_by_default_there_is_no_such_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str) -> None:
    if settings:
        monkeypatch.setenv("OPCO_SOURCES__360LEARNING__WEBHOOK_SECRET", KEY)
    with serve(tmp_path, monkeypatch, settings) as client:
        assert client.post(URL, **signed(CLOSED)).status_code == 404
    assert not (tmp_path / "var/sources/360learning").exists()


def test_a_secret_that_is_not_set_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "OPCO_SOURCES__360LEARNING__WEBHOOK_SECRET" not in os.environ
    with pytest.raises(UserError, match="OPCO_SOURCES__360LEARNING__WEBHOOK_SECRET"):
        serve(tmp_path, monkeypatch)
