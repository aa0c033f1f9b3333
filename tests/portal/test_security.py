"""What is refused before any page is asked: other sites, other hosts, too much; and what every answer says."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import SpooledTemporaryFile

import duckdb
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.testclient import TestClient

from orchestration.home.audit import AuditLog
from portal.security import MAX_BODY_BYTES, add_headers
from tests.portal.people import ADMIN, BRUNO, CLAIRE, PATH, SmallPortal, ask, post, small_portal, token_of
from warehouse.errors import OpcoError

STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def test_every_answer_has_the_headers(portal: SmallPortal) -> None:
    portal.app.state.fault = RuntimeError("inside")
    claire = portal.signed_in(CLAIRE)
    answers = {
        200: claire.get(f"{PATH}/"),
        401: portal.browser().get(f"{PATH}/"),
        403: claire.post(f"{PATH}/act"),
        404: claire.get(f"{PATH}/nowhere"),
        405: claire.delete(f"{PATH}/"),
        413: claire.post(f"{PATH}/act", content=b"x" * (MAX_BODY_BYTES + 1),
                         headers={"Content-Type": "application/x-www-form-urlencoded"}),
        500: claire.get(f"{PATH}/fail"),
        400: claire.get(f"{PATH}/", headers={"Host": "evil.example"}),
    }  # fmt: skip
    assert {status: answer.status_code for status, answer in answers.items()} == {status: status for status in answers}
    for answer in answers.values():
        assert answer.headers["content-security-policy"] == STRICT
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert "camera=()" in answer.headers["permissions-policy"]


def test_a_plain_connection_promises_no_tls() -> None:
    plain = Response()
    add_headers(plain.headers, is_https=False)
    assert "strict-transport-security" not in plain.headers


def test_cookies_without_tls_say_so(people_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPCO_PORTAL__BASE_URL", "http://portal.exemple.fr/opco")
    monkeypatch.setenv("OPCO_PORTAL__PLAIN_HTTP", "true")
    with small_portal(people_home) as portal:
        cookie = portal.browser().get(f"{PATH}/sign-in").headers["set-cookie"]
        assert cookie.startswith("opco_visitor=")
        assert "secure" not in cookie.lower()
        assert "httponly" in cookie.lower()


def test_a_form_needs_its_own_token(portal: SmallPortal) -> None:
    claire, bruno = portal.signed_in(CLAIRE), portal.signed_in(BRUNO)
    token = token_of(claire.get(f"{PATH}/form").text)
    assert claire.post(f"{PATH}/act", data={"csrf_token": token, "note": "é"}).json() == {"note": "é", "size": None}
    assert claire.post(f"{PATH}/act", headers={"X-CSRF-Token": token}).json() == {"note": None, "size": None}
    stranger = token_of(bruno.get(f"{PATH}/form").text)
    for wrong in ("", "x", stranger, token[:-1], token + "x", "é"):
        refused = claire.post(f"{PATH}/act", data={"csrf_token": wrong, "note": "x"})
        assert refused.status_code == 403
        assert "Ce formulaire n’est plus valable" in refused.text
    assert claire.post(f"{PATH}/act").status_code == 403
    assert claire.post(f"{PATH}/act", files={"csrf_token": ("t", token.encode())}).status_code == 403
    assert claire.post(f"{PATH}/act", json={"csrf_token": token}).status_code == 403


def test_the_token_of_before_signing_in_is_worth_nothing_after(portal: SmallPortal) -> None:
    browser = portal.browser()
    before = token_of(browser.get(f"{PATH}/form").text)
    ask(browser, CLAIRE)
    link = portal.link_in(portal.mails()[0])
    assert post(browser, link, form=link).status_code == 303
    assert browser.post(f"{PATH}/act", data={"csrf_token": before}).status_code == 403


def test_nobody_is_signed_in_by_another_sites_form(portal: SmallPortal) -> None:
    # The link of the attacker's own address, sent by the victim's browser: it has no token of this browser.
    ask(portal.browser(), BRUNO)
    link = portal.link_in(portal.mails()[0])
    victim = portal.browser()
    attacker_token = token_of(portal.browser().get(f"{PATH}/form").text)
    assert victim.post(link, data={"csrf_token": attacker_token}).status_code == 403
    victim.get(f"{PATH}/form")
    assert victim.post(link, data={"csrf_token": attacker_token}).status_code == 403
    assert portal.browser().get(link).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://portal.exemple.fr"}, 200),
        ({"Origin": "https://portal.exemple.fr:8443"}, 403),
        ({"Origin": "http://portal.exemple.fr"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_other_sites_are_refused_even_with_a_token(portal: SmallPortal, headers: dict[str, str], status: int) -> None:
    browser = portal.browser()
    token = token_of(browser.get(f"{PATH}/sign-in").text)
    answer = browser.post(f"{PATH}/sign-in", data={"csrf_token": token, "email": CLAIRE}, headers=headers)
    assert answer.status_code == status


def test_other_hosts_are_refused(portal: SmallPortal, caplog: pytest.LogCaptureFixture) -> None:
    browser = portal.browser()
    for host in ("evil.example", "portal.exemple.fr.evil.example", "", "127.0.0.1", "www.portal.exemple.fr"):
        assert browser.get(f"{PATH}/sign-in", headers={"Host": host}).status_code == 400, host
        assert f"refused the host {host!r}" in caplog.messages[-1]
    for host in ("portal.exemple.fr", "PORTAL.exemple.fr:8000"):
        assert browser.get(f"{PATH}/sign-in", headers={"Host": host}).status_code == 200, host


def test_links_never_follow_the_host_of_the_request(portal: SmallPortal) -> None:
    ask(portal.browser(), CLAIRE)
    browser = portal.browser()
    browser.headers["Host"] = "portal.exemple.fr:666"
    browser.headers["X-Forwarded-Host"] = "evil.example"
    ask(browser, CLAIRE)
    for mail in portal.mails():
        assert re.findall(r"https?://[^/\s]+", mail.get_content())[0] == "https://portal.exemple.fr"


def test_the_client_is_told_by_trusted_proxies_alone(people_home: Path) -> None:
    def asked_by(portal: SmallPortal, forwarded: str) -> list[int]:
        """Return what 61 clients get, one for each number in `forwarded`."""
        browser = portal.browser()
        token = token_of(browser.get(f"{PATH}/sign-in").text)
        return [
            browser.post(
                f"{PATH}/sign-in",
                data={"csrf_token": token, "email": f"{turn}@exemple.fr"},
                headers={"X-Forwarded-For": forwarded.format(turn)},
            ).status_code
            for turn in range(61)
        ]

    one, many = [200] * 60 + [429], [200] * 61
    # A client that makes addresses up is still one client.
    with small_portal(people_home) as portal:
        assert asked_by(portal, "198.51.100.{}") == one
    with small_portal(people_home, 'trusted_proxies = ["10.0.0.0/8"]') as portal:
        # The test client's own address is no network: the setting would not take it.
        for middleware in portal.app.user_middleware:
            if isinstance(trusted := middleware.kwargs.get("trusted_hosts"), list):
                trusted.append("testclient")
        # What the trusted proxy saw stands last; what the client claims before it is not believed.
        assert asked_by(portal, "1.2.3.{}, 198.51.100.7, 10.1.1.1") == one
        # One machine has all of a /64 for itself.
        assert asked_by(portal, "2001:db8:ffff::{}") == one
        assert asked_by(portal, "2001:db8:{}::1") == many


def test_what_is_too_large_is_refused_while_it_comes(portal: SmallPortal) -> None:
    claire = portal.signed_in(CLAIRE)
    token = token_of(claire.get(f"{PATH}/form").text)
    headers = {"X-CSRF-Token": token, "Content-Type": "application/x-www-form-urlencoded"}
    said = claire.post(f"{PATH}/act", content=b"note=" + b"x" * MAX_BODY_BYTES, headers=headers)
    assert said.status_code == 413
    assert "C’est trop volumineux" in said.text

    def unannounced() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65536 + 1):
            yield b"x" * 65536

    unsaid = claire.post(f"{PATH}/act", content=unannounced(), headers=headers)
    assert "content-length" not in unsaid.request.headers
    assert unsaid.status_code == 413
    assert claire.post(f"{PATH}/act", content=b"x", headers={**headers, "Content-Length": "-1"}).status_code == 413

    fits = claire.post(f"{PATH}/act", headers={"X-CSRF-Token": token}, files={"file": ("a.png", b"x" * 4_000_000)})
    assert fits.json() == {"note": None, "size": 4_000_000}
    many = claire.post(
        f"{PATH}/act", headers={"X-CSRF-Token": token}, files=[("file", (f"{n}.png", b"x")) for n in range(5)]
    )
    assert many.status_code == 400
    fields = claire.post(f"{PATH}/act", headers={"X-CSRF-Token": token}, data={f"f{n}": "x" for n in range(1001)})
    assert fields.status_code == 400


def test_a_disk_that_is_full_while_a_file_comes(portal: SmallPortal, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullFile(SpooledTemporaryFile[bytes]):
        def rollover(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", FullFile)
    claire = portal.signed_in(CLAIRE)
    headers = {"X-CSRF-Token": token_of(claire.get(f"{PATH}/form").text)}
    small = claire.post(f"{PATH}/act", headers=headers, files={"file": ("a.png", b"x" * 1000)})
    assert small.json() == {"note": None, "size": 1000}
    large = claire.post(f"{PATH}/act", headers=headers, files={"file": ("a.png", b"x" * 2_000_000)})
    assert large.status_code == 507
    assert "Le disque du serveur est plein" in large.text


def test_who_goes_away_leaves_no_alert(portal: SmallPortal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "portal")
    portal.app.state.fault = ClientDisconnect()
    assert portal.browser().get(f"{PATH}/fail").status_code == 400
    assert [record.levelname for record in caplog.records if record.name == "portal"] == ["INFO"]


def test_what_nobody_sends_is_not_read(portal: SmallPortal) -> None:
    # A body that is no form at all: read, it would be refused as such.
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert portal.browser().post(f"{PATH}/act", content=b"no form", headers=headers).status_code == 401
    assert portal.signed_in(CLAIRE).post(f"{PATH}/act", content=b"no form", headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/home/secret"), 507, "Le disque du serveur est plein"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 507, "Le disque du serveur est plein"),
        (sqlite3.OperationalError("database or disk is full"), 507, "Le disque du serveur est plein"),
        (sqlite3.OperationalError("database is locked"), 500, "Une erreur imprévue s’est produite"),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "/home/secret"),
            500,
            "Une erreur imprévue s’est produite",
        ),
        (duckdb.IOException("IO Error: /home/secret vanished"), 503, "Les données ne sont pas disponibles"),
        (OpcoError("The published warehouse /home/secret cannot be read"), 503, "Les données ne sont pas disponibles"),
        (RuntimeError("/home/secret"), 500, "Une erreur imprévue s’est produite"),
        (HTTPException(418, "<script>/home/secret</script>"), 418, "Cette demande n’a pas été comprise"),
    ],
)
def test_what_goes_wrong_gets_a_plain_page_and_a_line_in_the_log(
    portal: SmallPortal, caplog: pytest.LogCaptureFixture, fault: Exception, status: int, words: str
) -> None:
    caplog.set_level(logging.INFO, "portal")
    portal.app.state.fault = fault
    answer = portal.browser().get(f"{PATH}/fail?person=claire")
    assert answer.status_code == status
    assert words in answer.text
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    (line,) = (record.getMessage() for record in caplog.records if record.name == "portal")
    assert "/fail" in line
    assert "claire" not in line
    if status == 500:
        reference = re.search(r"Référence : (\w{8})", answer.text.replace("\u202f", " ").replace("\xa0", " "))
        assert reference
        assert reference[1] in line


def test_the_log_of_requests_holds_no_keys(portal: SmallPortal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "portal")
    browser = portal.signed_in(CLAIRE)
    key = portal.link_in(portal.mails()[0]).rpartition("/")[2]
    browser.get(f"{PATH}/sign-in/link/{key}")
    browser.get(f"{PATH}/nowhere?token=abc")
    assert caplog.messages
    for line in caplog.messages:
        assert key not in line
        assert "abc" not in line
        assert not any(value in line for value in browser.cookies.values())


def test_e_mailed_exports_are_limited_by_person(portal: SmallPortal) -> None:
    claire, bruno = portal.signed_in(CLAIRE), portal.signed_in(BRUNO)
    token = token_of(claire.get(f"{PATH}/form").text)
    answers = [claire.post(f"{PATH}/mail-export", headers={"X-CSRF-Token": token}).status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]
    token = token_of(bruno.get(f"{PATH}/form").text)
    assert bruno.post(f"{PATH}/mail-export", headers={"X-CSRF-Token": token}).status_code == 200


def test_the_audit_log(portal: SmallPortal) -> None:
    portal.signed_in(CLAIRE)
    portal.clock.forward(minutes=1)
    browser = portal.signed_in(ADMIN)
    post(browser, f"{PATH}/sign-out", form=f"{PATH}/form")
    lines = [json.loads(line) for line in portal.identity.audit.path.read_text(encoding="utf-8").splitlines()]
    assert [(line["at"], line["action"], line["email"], line["client"]) for line in lines] == [
        ("2026-11-25T09:00:00.000000Z", "sign_in_link_sent", CLAIRE, "testclient"),
        ("2026-11-25T09:00:00.000000Z", "signed_in", CLAIRE, "testclient"),
        ("2026-11-25T09:01:00.000000Z", "sign_in_link_sent", ADMIN, "testclient"),
        ("2026-11-25T09:01:00.000000Z", "signed_in", ADMIN, "testclient"),
        ("2026-11-25T09:01:00.000000Z", "signed_out", ADMIN, "testclient"),
    ]
    assert lines[1]["way"] == "link"


def test_lines_of_the_audit_log_are_whole_and_only_added(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "portal" / "audit.jsonl")
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(lambda n: log.add("made", email="é@exemple.fr", client="c", session_id=f"S-{n}\n"), range(200))
        )
    lines = log.path.read_text(encoding="utf-8").splitlines()
    assert sorted(json.loads(line)["session_id"] for line in lines) == sorted(f"S-{n}\n" for n in range(200))
    assert oct(log.path.stat().st_mode & 0o777) == "0o600"
    # The machine stopped in the middle of a line: the next one is whole all the same.
    with log.path.open("ab") as file:
        file.write(b'{"at": "2026')
    log.add("made", email=None, client="c")
    assert log.path.read_text(encoding="utf-8").splitlines()[:200] == lines
    assert json.loads(log.path.read_text(encoding="utf-8").splitlines()[-1])["action"] == "made"


def test_an_audit_log_on_a_full_disk_keeps_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.add("made", email=None, client="c")
    before = log.path.read_bytes()
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:5]))
    with pytest.raises(OSError, match="No space left"):
        log.add("made", email=None, client="c")
    assert log.path.read_bytes() == before


def test_a_slash_too_many_leads_to_no_plain_connection(portal: SmallPortal) -> None:
    claire = portal.signed_in(CLAIRE)
    for method in ("GET", "POST"):
        for forwarded in ({}, {"X-Forwarded-Proto": "http"}):
            led = claire.request(method, f"{PATH}/form/", headers=forwarded)
            assert (led.status_code, led.headers["location"]) == (307, "https://portal.exemple.fr/opco/form")


def test_a_proxy_that_is_not_trusted_is_named_once(portal: SmallPortal, caplog: pytest.LogCaptureFixture) -> None:
    def ask_from(peer: str, *, forwarded: bool) -> None:
        headers = {"X-Forwarded-For": "203.0.113.7"} if forwarded else {}
        client = TestClient(portal.app, base_url="https://portal.exemple.fr", client=(peer, 40000))
        assert client.get(f"{PATH}/sign-in", headers=headers).status_code == 200

    for _ in range(2):
        ask_from("172.18.0.1", forwarded=True)
        ask_from("127.0.0.1", forwarded=True)
        ask_from("203.0.113.9", forwarded=False)
    (said,) = [record.getMessage() for record in caplog.records if "trusted_proxies" in record.getMessage()]
    assert said.startswith("172.18.0.1 sends X-Forwarded-For")
