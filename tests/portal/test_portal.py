"""The portal as a browser sees it: downloads, parts of them, and one answer to all that is no link."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from portal.app import make_app
from reports.delivery.links import Signer, download_url
from reports.delivery.store import Delivery, DeliveryStore

CONTENT = bytes(range(256)) * 1024
EXPIRES = datetime(2026, 12, 2, 9, 0, tzinfo=UTC)
BASE_URL = "http://portal.exemple.fr/opco"
SECRET = "s" * 32
SIGNER = Signer(SECRET)


MakeApp = Callable[..., Starlette]


class Clock:
    """The portal's clock."""

    def __init__(self) -> None:
        self.time = EXPIRES - timedelta(days=7)

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> DeliveryStore:
    return DeliveryStore(Home(tmp_path).deliveries)


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> MakeApp:
    def make(base_url: str = BASE_URL, secret: str = SECRET) -> Starlette:
        home = Home(tmp_path)
        said = {"portal.plain_http": "true", "portal.base_url": base_url, "portal.secret": secret}
        return make_app(home, load_settings(home, said), now=clock)

    return make


@pytest.fixture
def delivery(store: DeliveryStore, tmp_path: Path) -> Delivery:
    file = tmp_path / "Été 2026.xlsx"
    file.write_bytes(CONTENT)
    return store.keep(file, hashlib.sha256(CONTENT).hexdigest(), EXPIRES)


@pytest.fixture
def client(app: MakeApp) -> Iterator[TestClient]:
    with TestClient(app(), base_url="http://portal.exemple.fr") as client:
        yield client


def url(delivery: Delivery, signer: Signer = SIGNER) -> str:
    return download_url(BASE_URL, signer.token(delivery.link))


def test_a_link_gives_its_file(client: TestClient, delivery: Delivery) -> None:
    answer = client.get(url(delivery))

    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''%C3%89t%C3%A9%202026.xlsx"
    assert answer.headers["content-type"].endswith("spreadsheetml.sheet")
    assert answer.headers["etag"] == f'"{delivery.sha256}"'
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-length"] == str(len(CONTENT))


def test_every_download_by_a_link_is_on_record_with_its_recipients(
    app: MakeApp, store: DeliveryStore, tmp_path: Path
) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(CONTENT)
    recipients = ("marie@exemple.fr", "paul@exemple.fr")
    sent = store.keep(file, hashlib.sha256(CONTENT).hexdigest(), EXPIRES, recipients)
    portal = app()
    with TestClient(portal, base_url="http://portal.exemple.fr") as client:
        client.get(url(sent))
        client.get(url(sent), headers={"Range": "bytes=5-"})
        client.head(url(sent))
        client.get(url(sent) + "x")
    log = portal.state.identity.audit
    lines = [json.loads(line) for line in log.path.read_text(encoding="utf-8").splitlines()]
    assert [(line["action"], line["delivery_id"], line["is_part"]) for line in lines] == [
        ("link_downloaded", sent.delivery_id, False),
        ("link_downloaded", sent.delivery_id, True),
    ]
    assert lines[0]["recipients"] == list(recipients)
    assert (lines[0]["file"], lines[0]["client"], lines[0]["email"]) == ("export.csv", "testclient", None)
    assert SIGNER.token(sent.link) not in log.path.read_text(encoding="utf-8")
    assert log.fault() is None


def test_head_and_parts(client: TestClient, delivery: Delivery) -> None:
    head = client.head(url(delivery))
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(CONTENT)))
    assert head.headers["accept-ranges"] == "bytes"

    part = client.get(url(delivery), headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, CONTENT[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(CONTENT)}"

    end = client.get(url(delivery), headers={"Range": "bytes=-10"})
    assert (end.status_code, end.content) == (206, CONTENT[-10:])

    # The rest of a download of this very file; of another, the whole.
    same = {"Range": "bytes=5-", "If-Range": f'"{delivery.sha256}"'}
    assert client.get(url(delivery), headers=same).content == CONTENT[5:]
    other = {"Range": "bytes=5-", "If-Range": '"another"'}
    assert client.get(url(delivery), headers=other).content == CONTENT

    beyond = client.get(url(delivery), headers={"Range": f"bytes={len(CONTENT)}-"})
    assert beyond.status_code == 416


def test_forged_expired_and_unknown_links_get_one_answer_and_the_log_knows_which(
    client: TestClient, store: DeliveryStore, delivery: Delivery, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "portal")
    forged = client.get(url(delivery)[:-3] + "AAA")
    of_another_secret = client.get(url(delivery, Signer("t" * 32)))
    unknown = client.get(url(replace(delivery, delivery_id="0" * 32)))
    of_another_file = client.get(url(replace(delivery, sha256="0" * 64)))
    no_link = client.get("/opco/download/a/%2e%2e/passwd")
    clock.time = EXPIRES
    expired = client.get(url(delivery))

    answers = [forged, of_another_secret, unknown, of_another_file, no_link, expired]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1
    assert "Ce lien n’est pas valable" in forged.text
    assert "This link is not valid" in forged.text
    said = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert [line.split(": ", 1)[1].split(",")[0] for line in said] == [
        "forged",
        "forged",
        "unknown",
        "changed on the disk since it was sent",
        "expired at 2026-12-02T09:00:00Z",
    ]


def test_the_log_names_deliveries_and_never_a_link(
    client: TestClient, delivery: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "portal")

    client.get(url(delivery))
    client.get(url(delivery)[:-3] + "AAA")

    assert f"GET of delivery {delivery.delivery_id} to testclient" in caplog.messages
    token = url(delivery).rsplit("/", 1)[1]
    assert not any(token[:20] in line for line in caplog.messages)


def test_links_survive_a_restart_and_die_with_the_secret(app: MakeApp, delivery: Delivery) -> None:
    for _ in range(2):
        with TestClient(app()) as client:
            assert client.get(url(delivery)).status_code == 200
    with TestClient(app(secret="t" * 32)) as client:
        assert client.get(url(delivery)).status_code == 404


def test_expired_copies_are_deleted_while_the_portal_runs(
    app: MakeApp, store: DeliveryStore, delivery: Delivery, clock: Clock
) -> None:
    assert delivery
    clock.time = EXPIRES
    with TestClient(app(), base_url="http://portal.exemple.fr") as client:
        client.get("/opco/health")
        for _ in range(100):
            if not list(store.folder.iterdir()):
                break
            client.get("/opco/health")

    assert list(store.folder.iterdir()) == []


def test_health_and_the_path_of_the_base_url(client: TestClient, app: MakeApp) -> None:
    assert client.get("/opco/health").json() == {"status": "ok"}
    assert client.get("/health").status_code == 404
    with TestClient(app("https://portal.exemple.fr")) as at_root:
        assert at_root.get("/health").json() == {"status": "ok"}


def test_only_reading_is_answered(client: TestClient, delivery: Delivery) -> None:
    assert client.post(url(delivery)).status_code == 405
    assert client.delete(url(delivery)).status_code == 405
    assert client.get(url(delivery)).status_code == 200
