"""A link that a person on the server makes: for whom, what it opens, and that it is on record."""

from __future__ import annotations

import json
import os
import runpy
import shutil
from pathlib import Path

import pytest

from opco.services import make_sign_in_link
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from portal.identity.service import Identity
from tests.portal.people import ADMIN, BASE_URL, CLAIRE, LEARNER, PATH, SmallPortal, post
from warehouse.errors import UserError
from warehouse.project import PROJECT_DIR


@pytest.mark.parametrize("email", [CLAIRE, ADMIN])
def test_a_link_made_on_the_server_signs_in_once_and_is_on_record(portal: SmallPortal, email: str) -> None:
    made = make_sign_in_link(Home(portal.home), f" {email.title()} ")
    assert made.address == email
    # The portal's clock stands in the tests; the command's is today's.
    portal.clock.time = portal.identity.now().now(tz=portal.clock.time.tzinfo)
    link = PATH + made.link.removeprefix(BASE_URL)
    browser = portal.browser()
    answer = post(browser, link, form=link)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}/")
    assert browser.get(f"{PATH}/").json()["email"] == email
    assert post(portal.browser(), link, form=f"{PATH}/sign-in").status_code == 410

    lines = [json.loads(line) for line in portal.identity.audit.path.read_text(encoding="utf-8").splitlines()]
    assert (lines[0]["action"], lines[0]["email"], lines[0]["client"].split()[0]) == (
        "sign_in_link_made",
        email,
        "account",
    )
    assert made.link.rsplit("/", 1)[1] not in portal.identity.audit.path.read_text(encoding="utf-8")


@pytest.mark.parametrize("email", [LEARNER, "partie@exemple.fr", "stranger@exemple.fr"])
def test_no_link_for_whom_there_is_nothing(portal: SmallPortal, email: str) -> None:
    with pytest.raises(UserError, match=r"instructor.*\n.*portal\.administrators"):
        make_sign_in_link(Home(portal.home), email)
    with pytest.raises(UserError):
        make_sign_in_link(Home(portal.home), "no address")


def test_the_demo_opens_its_pages_with_nothing_set_up(
    demo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(demo_home / "var/published", tmp_path / "var/published", symlinks=True)
    served: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, arguments: served.append(arguments))
    for name in ("SECRET", "BASE_URL", "ADMINISTRATORS"):
        monkeypatch.setenv(f"OPCO_PORTAL__{name}", "")
    script = runpy.run_path(str(PROJECT_DIR / "scripts" / "demo_portal.py"))
    script["HOME"][1] = str(tmp_path)
    script["main"]()
    link = capfd.readouterr().out.splitlines()[0]
    assert link.startswith("http://127.0.0.1:8000/sign-in/link/")
    assert served[0][1:4] == ["serve", "--port", "8000"]
    # What it leaves to the server: the settings with which the link was made.
    home = Home(tmp_path)
    identity = Identity.of(home, load_settings(home))
    found = identity.store.link(link.rsplit("/", 1)[1], identity.now())
    assert found is not None
    assert found.email in identity.administrators
