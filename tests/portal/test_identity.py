"""Signing in by a link: who gets one, what it is good for, and how a stay ends."""

from __future__ import annotations

import logging
import re
import resource
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from portal.identity.service import Identity
from tests.mail import PASSWORD, USER, mail_server
from tests.portal.people import (
    ADMIN,
    BASE_URL,
    BRUNO,
    CLAIRE,
    LEARNER,
    PATH,
    USERS,
    SmallPortal,
    ask,
    post,
    publish,
    small_portal,
    token_of,
)
from warehouse.errors import OpcoError, UserError

STAY, VISITOR = "__Host-opco_stay", "__Host-opco_visitor"


def test_a_link_signs_in_by_its_button_and_once(portal: SmallPortal) -> None:
    browser = portal.browser()
    assert "claire@exemple.fr" in ask(browser, " CLAIRE@exemple.fr ").text
    (mail,) = portal.mails()
    link = portal.link_in(mail)

    # What follows every link, as mail scanners do, uses nothing up.
    for _ in range(3):
        scanned = portal.browser().get(link)
        assert (scanned.status_code, STAY in scanned.cookies) == (200, False)
    answer = post(browser, link, form=link)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}/")
    assert browser.get(f"{PATH}/").json() == {
        "email": CLAIRE, "user_ids": ["1"], "name": "Claire Formatrice", "is_administrator": False, "sessions": ["S-1"],
    }  # fmt: skip

    assert portal.browser().get(link).status_code == 410
    late = portal.browser()
    late.get(f"{PATH}/sign-in")
    used = post(late, link)
    assert used.status_code == 410
    assert "Ce lien n’est plus valable" in used.text
    assert late.get(f"{PATH}/").status_code == 401


def test_the_message(portal: SmallPortal) -> None:
    browser = portal.browser()
    ask(browser, CLAIRE)
    (french,) = portal.mails()
    browser.headers["Accept-Language"] = "en-GB,en;q=0.9,fr;q=0.5"
    ask(browser, CLAIRE)
    english = portal.mails()[1]
    assert (french["To"], french["From"], french["Auto-Submitted"]) == (CLAIRE, "portail@exemple.fr", "auto-generated")
    assert french["Subject"] == "Votre lien de connexion"
    assert "15 minutes" in french.get_content()
    assert english["Subject"] == "Your sign-in link"
    assert re.search(r"https://portal\.exemple\.fr/opco/sign-in/link/[\w-]{43}\s", english.get_content())


def test_a_link_lives_fifteen_minutes(portal: SmallPortal) -> None:
    browser = portal.browser()
    ask(browser, CLAIRE)
    ask(browser, CLAIRE)
    first, second = (portal.link_in(mail) for mail in portal.mails())
    portal.clock.forward(minutes=14, seconds=59)
    assert browser.get(first).status_code == 200
    portal.clock.forward(seconds=1)
    assert browser.get(first).status_code == 410
    assert post(browser, second).status_code == 410
    assert browser.get(f"{PATH}/").status_code == 401


def test_a_link_used_kills_the_others_of_its_address(portal: SmallPortal) -> None:
    browser = portal.browser()
    for email in (CLAIRE, CLAIRE, BRUNO):
        ask(browser, email)
    first, second, others = (
        portal.link_in(mail) for mail in sorted(portal.mails(), key=lambda mail: mail["To"] != CLAIRE)
    )
    assert post(browser, second, form=second).status_code == 303
    assert portal.browser().get(first).status_code == 410
    assert portal.browser().get(others).status_code == 200


def test_of_two_who_use_a_link_at_once_one_gets_in(portal: SmallPortal) -> None:
    store, now = portal.identity.store, portal.clock()
    key = store.keep_link(CLAIRE, f"{PATH}/", now)
    start = threading.Barrier(8)

    def use(_: int) -> bool:
        start.wait()
        return store.use_link(key, now) is not None

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(use, range(8))) == 1


def test_wrong_links(portal: SmallPortal) -> None:
    browser = portal.browser()
    for key in ("x" * 43, "1", "..%2f..%2fetc", "'; drop table stays; --", "é" * 20, "x" * 5000):
        assert browser.get(f"{PATH}/sign-in/link/{key}").status_code in (404, 410)
        assert post(browser, f"{PATH}/sign-in/link/{key}").status_code in (404, 410)
    assert browser.get(f"{PATH}/").status_code == 401


def test_nobody_can_tell_who_is_known(portal: SmallPortal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "portal")
    nobodies = [LEARNER, "partie@exemple.fr", "absent@exemple.fr", "inconnue@exemple.fr"]
    answers = {email: ask(portal.browser(), email) for email in (CLAIRE, ADMIN, *nobodies)}
    assert {answer.status_code for answer in answers.values()} == {200}
    assert len({answer.text.replace(email, "…") for email, answer in answers.items()}) == 1
    names = {tuple(sorted(set(answer.headers) - {"content-length"})) for answer in answers.values()}
    assert len(names) == 1
    # Only those who have something to see get a message; the log says that somebody did not, not who.
    assert sorted(mail["To"] for mail in portal.mails()) == [ADMIN, CLAIRE]
    assert sum("nobody's here" in line for line in caplog.messages) == len(nobodies)
    assert not any(email in line for email in nobodies for line in caplog.messages)


def test_the_answer_does_not_wait_for_the_message(portal: SmallPortal) -> None:
    # Neither the look-up nor the mail server is asked before the answer is there.
    held = threading.Event()
    for _ in range(2):
        portal.identity.outbox.add(lambda: (held.wait(30), None)[1])
    browser = portal.browser()
    assert ask(browser, CLAIRE).status_code == 200
    assert portal.server.messages == []
    held.set()
    assert len(portal.mails()) == 1


def test_a_mail_server_that_fails_shows_in_the_log_alone(portal: SmallPortal, caplog: pytest.LogCaptureFixture) -> None:
    portal.server.faults.append(OpcoError("The message could not be sent"))
    assert ask(portal.browser(), CLAIRE).status_code == 200
    assert portal.mails() == []
    assert "a sign-in message could not be sent" in caplog.messages


def test_what_is_no_address_is_said_at_once(portal: SmallPortal) -> None:
    for typed in ("", "claire", "claire@exemple.fr, bruno@exemple.fr", "Claire <claire@exemple.fr>",
                  "claire@exemple.fr\nBcc: x@exemple.fr", '"><script>alert(1)</script>'):  # fmt: skip
        answer = ask(portal.browser(), typed)
        assert answer.status_code == 422
        assert "<script>alert" not in answer.text
    assert portal.mails() == []


def test_letters_that_only_look_alike_are_another_address(portal: SmallPortal) -> None:
    publish(portal.home, "two", users=[("1", "mike@exemple.fr", "Mike", "M", False, False)])
    # The Kelvin sign is a k in small letters: to whom would the link go?
    assert ask(portal.browser(), "mi\N{KELVIN SIGN}e@exemple.fr").status_code == 422
    ask(portal.browser(), "Mike@exemple.fr")
    assert [mail["To"] for mail in portal.mails()] == ["mike@exemple.fr"]


def test_the_page_that_was_wanted_comes_after(portal: SmallPortal) -> None:
    browser = portal.browser()
    wanted = browser.get(f"{PATH}/sessions/S-1?page=2", headers={"Accept": "text/html"})
    assert wanted.status_code == 303
    form = browser.get(wanted.headers["location"])
    assert f'name="next" value="{PATH}/sessions/S-1?page=2"' in form.text
    ask(browser, CLAIRE, next=f"{PATH}/sessions/S-1?page=2")
    link = portal.link_in(portal.mails()[0])
    assert post(browser, link, form=link).headers["location"] == f"{PATH}/sessions/S-1?page=2"


@pytest.mark.parametrize("base", ["https://portal.exemple.fr/opco", "https://portal.exemple.fr"])
def test_nobody_is_led_away(people_home: Path, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPCO_PORTAL__BASE_URL", base)
    path = base.removeprefix("https://portal.exemple.fr")
    with small_portal(people_home) as portal:
        browser = portal.browser()
        for elsewhere in (
            "https://evil.example/", "//evil.example/opco/", "///evil.example", "////evil.example", "/\\evil.example",
            f"{path}/\\evil.example", "javascript:alert(1)", f"{path}/a\nLocation: x", f"{path}/\tx", "https:/opco/",
            f"{path}//../..//evil.example", f"{path}/" + "x" * 3000, f"{path}/../other", f"{path}/%2e%2e/other",
            f"{path}/%2E./other", "other", "",
        ):  # fmt: skip
            form = browser.get(f"{path}/sign-in", params={"next": elsewhere})
            assert f'name="next" value="{path}/"' in form.text, elsewhere
        for own in (f"{path}/", f"{path}/sessions/S-1?page=2", f"{path}/sessions/a~2Fb"):
            assert f'name="next" value="{own}"' in browser.get(f"{path}/sign-in", params={"next": own}).text
        # What the form says is no more believed than what the address says.
        token = token_of(browser.get(f"{path}/sign-in").text)
        browser.post(f"{path}/sign-in", data={"csrf_token": token, "email": CLAIRE, "next": "///evil.example"})
        link = f"{path}/sign-in/link/" + portal.mails()[0].get_content().split("/sign-in/link/")[1].split()[0]
        token = token_of(browser.get(link).text)
        assert browser.post(link, data={"csrf_token": token}).headers["location"] == f"{path}/"


def test_cookies(portal: SmallPortal) -> None:
    browser = portal.browser()
    assert browser.get(f"{PATH}/sign-in").headers["set-cookie"].lower().startswith(VISITOR.lower())
    ask(browser, CLAIRE)
    link = portal.link_in(portal.mails()[0])
    before = browser.cookies[VISITOR]
    cookies = post(browser, link, form=link).headers.get_list("set-cookie")
    (stay,) = (cookie for cookie in cookies if cookie.startswith(f"{STAY}=") and "Max-Age=0" not in cookie)
    attributes = {part.strip().lower() for part in stay.split(";")[1:]}
    assert {"httponly", "secure", "samesite=lax", "path=/", "max-age=43200"} <= attributes
    assert not any(part.startswith("domain") for part in attributes)
    # What the browser was known by before is known no more.
    assert browser.cookies.get(VISITOR) != before


def test_a_new_stay_at_each_sign_in(portal: SmallPortal) -> None:
    browser = portal.signed_in(CLAIRE)
    first = browser.cookies[STAY]
    # A key that somebody else put there is not taken over.
    browser.cookies.set(STAY, "fixed", domain="portal.exemple.fr", path="/")
    assert browser.get(f"{PATH}/").status_code == 401
    browser.cookies.set(STAY, first, domain="portal.exemple.fr", path="/")
    ask(browser, CLAIRE)
    link = portal.link_in(portal.mails()[-1])
    post(browser, link, form=link)
    assert browser.cookies[STAY] not in ("fixed", first)
    old = portal.browser()
    old.cookies.set(STAY, first, domain="portal.exemple.fr", path="/")
    assert old.get(f"{PATH}/").status_code == 401


def test_signing_out_ends_the_stay_on_the_server(portal: SmallPortal) -> None:
    browser, elsewhere = portal.signed_in(CLAIRE), portal.signed_in(CLAIRE)
    key = browser.cookies[STAY]
    answer = post(browser, f"{PATH}/sign-out", form=f"{PATH}/form")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}/sign-in")
    assert STAY not in browser.cookies
    browser.cookies.set(STAY, key, domain="portal.exemple.fr", path="/")
    assert browser.get(f"{PATH}/").status_code == 401
    assert elsewhere.get(f"{PATH}/").status_code == 200


def test_a_full_disk_keeps_nobody_out_who_is_in(portal: SmallPortal) -> None:
    browser = portal.signed_in(CLAIRE)
    portal.clock.forward(minutes=2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        answer = browser.get(f"{PATH}/")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (answer.status_code, answer.json()["email"]) == (200, CLAIRE)
    # It was not written down as seen.
    portal.clock.forward(minutes=59)
    assert browser.get(f"{PATH}/").status_code == 401


def test_signing_out_everywhere(portal: SmallPortal) -> None:
    browser, elsewhere, other = portal.signed_in(CLAIRE), portal.signed_in(CLAIRE), portal.signed_in(BRUNO)
    ask(elsewhere, CLAIRE)
    link = portal.link_in(portal.mails()[-1])
    assert post(browser, f"{PATH}/sign-out-everywhere", form=f"{PATH}/form").status_code == 303
    assert [one.get(f"{PATH}/").status_code for one in (browser, elsewhere, other)] == [401, 401, 200]
    assert portal.browser().get(link).status_code == 410


def test_a_stay_ends_when_nobody_is_there(portal: SmallPortal) -> None:
    browser = portal.signed_in(CLAIRE)
    for _ in range(5):
        portal.clock.forward(minutes=59)
        assert browser.get(f"{PATH}/").status_code == 200
    portal.clock.forward(minutes=60)
    assert browser.get(f"{PATH}/").status_code == 401


def test_a_stay_ends_in_the_evening_whoever_is_there(portal: SmallPortal) -> None:
    browser = portal.signed_in(CLAIRE)
    for _ in range(23):
        portal.clock.forward(minutes=31)
        assert browser.get(f"{PATH}/").status_code == 200
    portal.clock.forward(minutes=7)
    assert browser.get(f"{PATH}/").status_code == 401


def test_links_and_stays_survive_a_restart_and_die_with_the_secret(
    people_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_portal(people_home) as portal:
        browser = portal.signed_in(CLAIRE)
        ask(portal.browser(), BRUNO)
        link, key = portal.link_in(portal.mails()[-1]), browser.cookies[STAY]

    def seen() -> tuple[int, int]:
        with small_portal(people_home) as again:
            browser = again.browser()
            browser.cookies.set(STAY, key, domain="portal.exemple.fr", path="/")
            return browser.get(f"{PATH}/").status_code, again.browser().get(link).status_code

    assert seen() == (200, 200)
    monkeypatch.setenv("OPCO_PORTAL__SECRET", "another secret, as long as it must be")
    assert seen() == (401, 410)


def test_who_reads_the_database_can_use_nothing_in_it(portal: SmallPortal) -> None:
    browser = portal.signed_in(CLAIRE)
    ask(portal.browser(), BRUNO)
    key = portal.link_in(portal.mails()[-1]).rpartition("/")[2]
    file = portal.identity.store.path
    content = b"".join(one.read_bytes() for one in file.parent.glob(f"{file.name}*"))
    assert browser.cookies[STAY].encode() not in content
    assert key.encode() not in content
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", ["no database", "cut off", "a page"])
def test_a_damaged_database_begins_anew(portal: SmallPortal, damage: str) -> None:
    browser = portal.signed_in(CLAIRE)
    file = portal.identity.store.path
    content = file.read_bytes()
    if damage == "a page":
        # The tables' roots: what is damaged is found by reading them.
        file.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    else:
        file.write_bytes(b"\xff" * len(content) if damage == "no database" else content[:4096])
    assert browser.get(f"{PATH}/").status_code == (500 if damage == "a page" else 401)
    assert browser.get(f"{PATH}/").status_code == 401
    assert portal.signed_in(CLAIRE).get(f"{PATH}/").status_code == 200


def test_old_links_and_stays_are_forgotten(portal: SmallPortal) -> None:
    portal.signed_in(CLAIRE)
    portal.clock.forward(days=2)
    portal.signed_in(BRUNO)
    with sqlite3.connect(portal.identity.store.path) as database:
        assert database.execute("select email from stays").fetchall() == [(BRUNO,)]
        assert database.execute("select email from sign_in_links").fetchall() == [(BRUNO,)]


def test_tries_are_limited_by_address_whoever_it_is(portal: SmallPortal) -> None:
    for email in (CLAIRE, "inconnue@exemple.fr"):
        answers = [ask(portal.browser(), email if turn % 2 else email.upper()) for turn in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 900
        assert "Trop d’essais" in answers[-1].text
    assert len(portal.mails()) == 5
    # What was sent before still works.
    assert portal.browser().get(portal.link_in(portal.mails()[0])).status_code == 200


def test_who_asks_in_anothers_name_keeps_them_from_nothing(portal: SmallPortal) -> None:
    def ask_from(peer: str) -> int:
        browser = TestClient(portal.app, base_url="https://portal.exemple.fr", client=(peer, 40000))
        return ask(browser, CLAIRE).status_code

    assert [ask_from("203.0.113.7") for _ in range(6)] == [200] * 5 + [429]
    assert ask_from("198.51.100.1") == 200
    # Nor do many together flood a mailbox.
    others = [ask_from(f"192.0.2.{number}") for number in range(10)]
    assert others == [200] * 9 + [429]
    assert len(portal.mails()) == 15


def test_tries_are_limited_by_client(portal: SmallPortal) -> None:
    browser = portal.browser()
    token = token_of(browser.get(f"{PATH}/sign-in").text)
    answers = [
        browser.post(f"{PATH}/sign-in", data={"csrf_token": token, "email": f"{turn}@exemple.fr"}).status_code
        for turn in range(61)
    ]
    assert answers == [200] * 60 + [429]
    links = [browser.get(f"{PATH}/sign-in/link/{turn}").status_code for turn in range(121)]
    assert links == [410] * 120 + [429]


def test_by_a_real_mail_server(
    people_home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(tmp_path_factory.mktemp("mail")) as box:
        for name, value in {
            "OPCO_EMAIL__HOST": "127.0.0.1", "OPCO_EMAIL__PORT": str(box.port), "OPCO_EMAIL__USER": USER,
            "OPCO_EMAIL__PASSWORD": PASSWORD, "SSL_CERT_FILE": str(box.authority),
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        with small_portal(people_home) as portal:
            # The small portal's server only records: here is the one of the settings.
            real = Identity.of(Home(people_home), load_settings(Home(people_home)), now=portal.clock)
            portal.app.state.identity = real
            ask(portal.browser(), CLAIRE)
            real.outbox.finish()
            (mail,) = box.messages
            assert mail["To"] == CLAIRE
            assert portal.browser().get(portal.link_in(mail)).status_code == 200


def test_ways_that_are_closed(people_home: Path) -> None:
    with small_portal(people_home, "sign_in_links = false") as portal:
        browser = portal.browser()
        page = browser.get(f"{PATH}/sign-in")
        assert "Aucun moyen de connexion" in page.text
        assert post(browser, f"{PATH}/sign-in", {"email": CLAIRE}, form=f"{PATH}/form").status_code == 404
        assert browser.get(f"{PATH}/sign-in/provider").status_code == 404
        assert browser.get(f"{PATH}/sign-in/provider/back?code=x&state=y").status_code == 404


def test_settings_that_do_not_go_together(people_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(people_home)
    (people_home / "opco.toml").write_text(
        f'[portal]\nbase_url = "{BASE_URL}"\nopenid_issuer = "https://login.exemple.fr"\n', encoding="utf-8"
    )
    with pytest.raises(UserError, match="openid_client_id"):
        Identity.of(home, load_settings(home))
    (people_home / "opco.toml").write_text(
        f'[portal]\nbase_url = "{BASE_URL}"\n[email]\nhost = "x"\nsender = "a@exemple.fr"\nuser = "u"\n',
        encoding="utf-8",
    )
    with pytest.raises(UserError, match="OPCO_EMAIL__PASSWORD"):
        Identity.of(home, load_settings(home))
    monkeypatch.delenv("OPCO_PORTAL__SECRET")
    with pytest.raises(UserError, match="OPCO_PORTAL__SECRET"):
        Identity.of(home, load_settings(home))


@pytest.mark.parametrize(
    ("key", "value", "wrong"),
    [
        ("administrators", '["Claire"]', "is no e-mail address"),
        ("administrators", '["clairé@exemple.fr"]', "is no e-mail address"),
        ("trusted_proxies", '["proxy"]', "does not appear to be an IPv4 or IPv6 network"),
        ("openid_issuer", '"http://login.exemple.fr"', "over https://"),
        ("openid_issuer", '"login.exemple.fr"', "no address of a web server"),
        ("openid_scopes", '["email"]', "openid is not among them"),
        ("session_hours", "0", "greater than or equal to 1"),
        ("idle_minutes", "true", "a number is needed"),
    ],
)
def test_settings_that_are_wrong(people_home: Path, key: str, value: str, wrong: str) -> None:
    (people_home / "opco.toml").write_text(f"[portal]\n{key} = {value}\n", encoding="utf-8")
    with pytest.raises(UserError, match=wrong) as caught:
        load_settings(Home(people_home))
    assert f"portal.{key}" in str(caught.value)


def test_a_disk_that_is_full_signs_nobody_in(portal: SmallPortal) -> None:
    browser = portal.browser()
    ask(browser, CLAIRE)
    link = portal.link_in(portal.mails()[0])
    browser.get(link)
    log = portal.identity.audit.path
    log.unlink()
    # A log that can never take a line: the device that is always full.
    log.symlink_to("/dev/full")
    answer = post(browser, link, form=link)
    assert answer.status_code == 507
    assert "Le disque du serveur est plein" in answer.text
    assert browser.get(f"{PATH}/").status_code == 401


def test_users_of_one_address_are_one_person(portal: SmallPortal) -> None:
    publish(
        portal.home,
        "two",
        users=[
            *USERS,
            ("10", "claire@exemple.FR", "Claire", "Bis", False, False),
            ("9", CLAIRE, "Claire", "Ter", True, False),
        ],
        instructors=[("S-1", "1"), ("S-2", "10"), ("S-3", "9")],
    )
    # Whoever reads the mailbox may do what its users may, not what its deleted users might.
    assert portal.signed_in(CLAIRE).get(f"{PATH}/").json() == {
        "email": CLAIRE, "user_ids": ["1", "10"], "name": "Claire Formatrice", "is_administrator": False,
        "sessions": ["S-1", "S-2"],
    }  # fmt: skip
