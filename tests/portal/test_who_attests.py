"""Who attests, and from when: what differs from the settings is named before OK, dates are held within their days."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from orchestration.runs.background import BackgroundRun, BackgroundRuns, Order
from tests.portal.pages_home import ADMINISTRATOR, AWA, SESSION, Pages, pages_of, text_of, token_of

pytestmark = pytest.mark.xdist_group("demo")

FORM = f"/sessions/{SESSION}/attestations"
DEMO = {
    "name": "Atelier des Trois Rives",
    "legal_representative": "Hélène Vasseur",
    "capacity": "Directrice",
    "place": "Rennes",
    "language": "fr",
    "issued_on": "2026-11-11",
    "learner": "u-1014",
    "logo_kept": "logo.svg",
    "logo_choice": "keep",
    "stamp_kept": "stamp.png",
    "stamp_choice": "keep",
    "action": "make",
}


@pytest.fixture(scope="module")
def pages(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with pages_of(demo_home, tmp_path_factory.mktemp("attests")) as made:
        yield made


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The configurations of runs that were asked for; none is begun."""
    asked: list[dict[str, Any]] = []

    def start(_runs: BackgroundRuns, kind: Any, config: Any, *, asked_by: str, session_id: str) -> BackgroundRun:
        asked.append(dict(config))
        order = Order("20261111T080000000000-" + "0" * 16, kind, dict(config), asked_by, "2026-11-11T08:00:00Z")
        return BackgroundRun(order, "waiting")

    monkeypatch.setattr(BackgroundRuns, "start", start)
    return asked


def post(browser: TestClient, **changed: str) -> Any:
    return browser.post(FORM, data={"csrf_token": token_of(browser.get(FORM).text), **DEMO, **changed})


def test_who_attests_is_named_before_ok_and_on_record(pages: Pages, begun: list[dict[str, Any]]) -> None:
    browser = pages.browser(AWA)
    other = {"name": "Ministère du Travail", "legal_representative": "Jean Dupont", "stamp_choice": "none"}
    said = "Diffèrent des réglages de l’organisme : Nom de l’organisme de formation, Représentant légal"
    answer = post(browser, **other)
    assert answer.status_code == 200
    assert said in text_of(answer.text).replace("\u202f", " ").replace("\xa0", " ")
    assert 'name="seen" value="name legal_representative stamp"' in answer.text
    # What was named is not what is sent now.
    assert post(browser, **other, seen="name").status_code == 200
    assert begun == []
    assert post(browser, **other, seen="name legal_representative stamp").status_code == 303
    assert begun[0]["legal_representative"] == "Jean Dupont"
    line = json.loads((pages.home.folder / "var/portal/audit.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert line["action"] == "attestations_asked_for"
    assert line["email"] == AWA
    assert line["differs_from_settings"] == ["name", "legal_representative", "stamp"]
    # As the settings say, OK is pressed once.
    assert post(browser, place="Brest").status_code == 303


def test_a_preview_names_it_too(pages: Pages) -> None:
    answer = post(pages.browser(AWA), action="live", capacity="Inspecteur").json()
    assert (answer["seen"], "Qualité" in answer["differing"]) == ("capacity", True)
    assert post(pages.browser(AWA), action="live").json()["differing"] == ""


def test_documents_are_dated_from_the_day_of_their_data_to_today(pages: Pages, begun: list[dict[str, Any]]) -> None:
    awa, administrator = pages.browser(AWA), pages.browser(ADMINISTRATOR)
    for day in ("2019-01-01", "2026-11-09", "2126-01-01"):
        for browser, reason in ((awa, ""), (awa, "mine"), (administrator, ""), (administrator, " ")):
            answer = post(browser, issued_on=day, reason=reason)
            assert answer.status_code == 422
            assert "Choisissez un jour du 10/11/2026" in text_of(answer.text).replace("\xa0", " ")
    assert begun == []
    assert post(administrator, issued_on="2026-11-09", reason="perdue, refaite").status_code == 303
    assert (begun[0]["issued_on"], begun[0]["issued_on_reason"]) == ("2026-11-09", "perdue, refaite")
    assert post(awa, issued_on="2026-11-10", reason="mine").status_code == 303
    assert "issued_on_reason" not in begun[1]
    assert 'name="reason"' not in awa.get(FORM).text


def test_what_instructors_may_change_is_a_setting(demo_home: Path, tmp_path: Path, begun: list[dict[str, Any]]) -> None:
    with pages_of(demo_home, tmp_path) as pages:
        settings = pages.home.settings_file
        locked = 'offered = true\ninstructors_may_change = ["place", "training_duration"]'
        settings.write_text(settings.read_text(encoding="utf-8").replace("offered = true", locked), encoding="utf-8")
        awa, administrator = pages.browser(AWA), pages.browser(ADMINISTRATOR)
        page = awa.get(FORM).text
        assert 'id="capacity" name="capacity" type="text" maxlength="2000" value="Directrice" readonly' in page
        assert "stamp_upload" not in page
        for changed in ({"capacity": "Inspecteur"}, {"stamp_choice": "none"}, {"stamp_kept": "logo.svg"}):
            answer = post(awa, **changed, seen="capacity stamp")
            assert answer.status_code == 422
            assert "celle des réglages" in text_of(answer.text)
        assert begun == []
        footer = awa.get(FORM).text.partition('<textarea id="footer"')[2].partition(">")[2].partition("</textarea>")[0]
        assert footer
        sent = {"footer": footer.replace("&#39;", "'"), "place": "Brest"}
        assert post(awa, **sent).status_code == 303
        assert (begun[0]["place"], begun[0]["capacity"], begun[0]["stamp"]) == ("Brest", "Directrice", "stamp.png")
        assert post(administrator, capacity="Inspecteur", seen="capacity").status_code == 303
