"""Who sees what: by route, by session, by build."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from portal import access
from portal.identity.person import Person, left_administrators, may_sign_in, person_of
from portal.prepared import TABLES
from tests.portal.people import ADMIN, BRUNO, CLAIRE, INSTRUCTORS, LEARNER, PATH, USERS, SmallPortal, ask, post, publish
from warehouse.errors import OpcoError

BOSS = Person(ADMIN, (), ADMIN, True)


@pytest.fixture
def build(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    publish(tmp_path)
    with duckdb.connect(str((tmp_path / "var/published/opco.duckdb").resolve()), read_only=True) as connection:
        connection.execute("attach ':memory:' as prepared (read_write)")
        connection.execute(f"create table prepared.left_addresses as {TABLES['left_addresses']}")
        yield connection


def answer(request: Request) -> Response:
    return PlainTextResponse("")


def known(build: duckdb.DuckDBPyConnection, email: str, administrators: tuple[str, ...] = ()) -> Person:
    person = person_of(build, email, administrators)
    assert person is not None
    return person


def test_who_somebody_is(build: duckdb.DuckDBPyConnection) -> None:
    assert known(build, "CLAIRE@exemple.fr") == Person(CLAIRE, ("1",), "Claire Formatrice", False)
    assert known(build, CLAIRE, (CLAIRE,)).is_administrator
    assert known(build, ADMIN, (ADMIN,)) == BOSS
    assert person_of(build, ADMIN, ()) is None
    # Deleted or gone: nobody, but whom the settings name is in by them alone.
    for email in ("partie@exemple.fr", "absent@exemple.fr"):
        assert person_of(build, email, ()) is None
        assert person_of(build, email, (email,)) == Person(email, (), email, True)
    assert left_administrators(build, (ADMIN, CLAIRE, "absent@exemple.fr", "partie@exemple.fr")) == [
        "absent@exemple.fr", "partie@exemple.fr",
    ]  # fmt: skip


def test_an_address_that_only_looks_alike_is_another(tmp_path: Path) -> None:
    # The Kelvin sign is a k in small letters.
    publish(
        tmp_path,
        users=[("1", "mi\N{KELVIN SIGN}e@exemple.fr", "Mike", "M", False, False), ("2", None, "", "", False, False)],
    )
    with duckdb.connect(str((tmp_path / "var/published/opco.duckdb").resolve()), read_only=True) as build:
        assert person_of(build, "mike@exemple.fr", ()) is None
        assert person_of(build, "mi\N{KELVIN SIGN}e@exemple.fr", ()) is None


def test_who_may_sign_in(build: duckdb.DuckDBPyConnection) -> None:
    assert may_sign_in(build, known(build, CLAIRE))
    assert may_sign_in(build, BOSS)
    assert not may_sign_in(build, known(build, LEARNER))


def test_which_sessions_are_visible(build: duckdb.DuckDBPyConnection) -> None:
    seen = {
        email: {session for session in ("S-1", "S-2", "S-3", "S-4") if access.may_see(build, person, session)}
        for email, person in {
            CLAIRE: known(build, CLAIRE), BRUNO: known(build, BRUNO), LEARNER: known(build, LEARNER), ADMIN: BOSS,
        }.items()
    }  # fmt: skip
    assert seen == {CLAIRE: {"S-1"}, BRUNO: {"S-2"}, LEARNER: set(), ADMIN: {"S-1", "S-2", "S-3", "S-4"}}
    for forged in ("S-9", "", "s-1", " S-1", "S-1' or '1'='1", "%", "S-_"):
        assert not access.may_see(build, known(build, CLAIRE), forged)
        assert not access.may_see(build, BOSS, forged)


def test_an_export_is_limited_to_what_is_visible(build: duckdb.DuckDBPyConnection) -> None:
    claire, learner = known(build, CLAIRE), known(build, LEARNER)
    assert access.sessions_of_export(build, claire, ()) == ("S-1",)
    assert access.sessions_of_export(build, claire, ("S-1",)) == ("S-1",)
    assert access.sessions_of_export(build, BOSS, ()) == ()
    assert access.sessions_of_export(build, BOSS, ("S-3",)) == ("S-3",)
    # To see nothing must never become a filter that keeps everything.
    for person, asked in (
        (claire, ("S-2",)),
        (claire, ("S-1", "S-2")),
        (learner, ()),
        (learner, ("S-1",)),
        (BOSS, ("S-9",)),
    ):
        with pytest.raises(HTTPException) as caught:
            access.sessions_of_export(build, person, asked)
        assert caught.value.status_code == 404


def test_each_gate(portal: SmallPortal) -> None:
    everybody = {
        "nobody": portal.browser(),
        "claire": portal.signed_in(CLAIRE),
        "bruno": portal.signed_in(BRUNO),
        "admin": portal.signed_in(ADMIN),
    }
    paths = ("/", "/sessions/S-1", "/sessions/S-2", "/sessions/S-4", "/sessions/S-9", "/administration")
    assert {who: [browser.get(PATH + path).status_code for path in paths] for who, browser in everybody.items()} == {
        "nobody": [401, 401, 401, 401, 401, 401],
        "claire": [200, 200, 404, 404, 404, 403],
        "bruno": [200, 404, 200, 404, 404, 403],
        "admin": [200, 200, 200, 200, 404, 200],
    }
    # A session of somebody else and one that is not there are answered alike.
    others, none = (everybody["claire"].get(f"{PATH}/sessions/{one}") for one in ("S-2", "S-9"))
    assert others.text == none.text
    assert dict(others.headers) == dict(none.headers)


def test_a_person_is_led_to_the_form_and_a_part_of_a_page_is_not(portal: SmallPortal) -> None:
    browser = portal.browser()
    page = browser.get(f"{PATH}/sessions/S-1", headers={"Accept": "text/html,*/*"})
    assert (page.status_code, page.headers["location"]) == (303, f"{PATH}/sign-in?next=%2Fopco%2Fsessions%2FS-1")
    image = browser.get(f"{PATH}/sessions/S-1", headers={"Accept": "text/html", "Sec-Fetch-Mode": "no-cors"})
    assert image.status_code == 401
    assert browser.post(f"{PATH}/act", headers={"Accept": "text/html"}).status_code == 401


def test_a_new_build_decides_at_once(portal: SmallPortal) -> None:
    claire, bruno = portal.signed_in(CLAIRE), portal.signed_in(BRUNO)
    # The same night: Claire is deleted, Bruno instructs another session, Léa one of her own.
    users = [user if user[0] != "1" else (*user[:4], True, False) for user in USERS]
    publish(portal.home, "two", users=users, instructors=[("S-1", "1"), ("S-3", "2"), ("S-4", "3")])
    assert claire.get(f"{PATH}/").status_code == 401
    assert claire.get(f"{PATH}/sessions/S-1").status_code == 401
    assert bruno.get(f"{PATH}/").json()["sessions"] == ["S-3"]
    assert bruno.get(f"{PATH}/sessions/S-2").status_code == 404
    ask(portal.browser(), CLAIRE)
    assert [mail["To"] for mail in portal.mails()] == [CLAIRE, BRUNO]
    assert portal.signed_in(LEARNER).get(f"{PATH}/").json()["sessions"] == ["S-4"]


def test_an_instructor_of_nothing_any_more_stays_in_and_sees_nothing(portal: SmallPortal) -> None:
    bruno = portal.signed_in(BRUNO)
    publish(portal.home, "two", instructors=[one for one in INSTRUCTORS if one[1] != "2"])
    assert bruno.get(f"{PATH}/").json()["sessions"] == []
    assert bruno.get(f"{PATH}/sessions/S-2").status_code == 404


def test_a_link_of_somebody_deleted_meanwhile_leads_nowhere(portal: SmallPortal) -> None:
    browser = portal.browser()
    ask(browser, CLAIRE)
    link = portal.link_in(portal.mails()[0])
    publish(portal.home, "two", users=[user for user in USERS if user[0] != "1"])
    answer = post(browser, link, form=link)
    assert answer.status_code == 403
    assert "Il n’y a rien pour vous ici" in answer.text
    assert browser.get(f"{PATH}/").status_code == 401


def test_without_a_build_the_page_says_so(portal: SmallPortal) -> None:
    claire = portal.signed_in(CLAIRE)
    (portal.home / "var/published/opco.duckdb").unlink()
    away = claire.get(f"{PATH}/")
    assert (away.status_code, away.headers["retry-after"]) == (503, "60")
    assert str(portal.home) not in away.text
    assert portal.browser().get(f"{PATH}/sign-in").status_code == 200


def test_a_build_that_is_damaged_is_not_shown(portal: SmallPortal) -> None:
    claire = portal.signed_in(CLAIRE)
    link = portal.home / "var/published/opco.duckdb"
    link.unlink()
    link.write_bytes(b"no database " * 1000)
    assert claire.get(f"{PATH}/").status_code == 503


def test_a_route_that_does_not_say_who_may_use_it_is_refused() -> None:
    declared = access.route("/a", answer, who=access.public)
    assert [path for path, _ in access.declared_routes([Mount("/opco", routes=[declared])])] == ["/opco/a"]
    for undeclared in (
        Route("/b", answer),
        Mount("/c", routes=[declared, Route("/d", answer)]),
        Mount("/e", app=StaticFiles(directory=Path(__file__).parent)),
        WebSocketRoute("/f", answer),
    ):
        with pytest.raises(OpcoError, match=r"does not say who may use it"):
            access.declared_routes([declared, undeclared])


def test_a_coroutine_never_asks_the_warehouse() -> None:
    async def coroutine(request: Request) -> Response:
        return answer(request)

    assert access.route("/a", coroutine, who=access.public).who is access.public
    with pytest.raises(TypeError, match="make it a plain function"):
        access.route("/a", coroutine, who=access.signed_in)


def test_no_account_of_the_lms_ends_an_administrator(portal: SmallPortal) -> None:
    boss = portal.signed_in(ADMIN)
    hostile = (*USERS, ("6", ADMIN, "Faux", "Compte", True, False))
    publish(portal.home, "two", users=hostile)
    assert boss.get(f"{PATH}/").json()["sessions"] == ["S-1", "S-2", "S-3", "S-4"]
    assert portal.signed_in(ADMIN).get(f"{PATH}/").status_code == 200
