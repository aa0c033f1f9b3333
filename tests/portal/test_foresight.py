"""Before OK cancels or replaces documents in force, the page says how many, and by which inputs."""

from __future__ import annotations

import re
from datetime import date
from html import unescape
from pathlib import Path
from types import SimpleNamespace

from orchestration.defs.attestations.issuing import issue_session
from orchestration.runs.asker import Asker
from tests.portal.pages_home import AWA, pages_of, text_of, token_of

SESSION = "S-2026-MGMT-09"
FORM = f"/sessions/{SESSION}/attestations"
INPUT = re.compile(r'<input id="(\w+)" name="\1" type="(?:text|date)"[^>]* value="([^"]*)"')


def test_what_ok_would_replace_is_confirmed_first(demo_home: Path, tmp_path: Path) -> None:
    with pages_of(demo_home, tmp_path) as pages:
        issue_session(pages.home, SESSION, issued_on=date(2026, 11, 10), asker=Asker(AWA, "page"))
        started: list[dict[str, object]] = []

        def start(_kind: str, config: dict[str, object], **_: object) -> SimpleNamespace:
            started.append(config)
            return SimpleNamespace(order=SimpleNamespace(config=config, run_id="20261110T060000000000-" + "0" * 16))

        pages.app.state.runs.start = start
        browser = pages.browser(AWA)
        page = unescape(browser.get(FORM).text)
        (footer,) = re.findall(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
        sent = {
            **dict(INPUT.findall(page)),
            "footer": footer,
            "language": "fr",
            "csrf_token": token_of(page),
            "action": "make",
            **{f"{part}_kept": name for part, name in (("logo", "logo.svg"), ("stamp", "stamp.png"))},
        }
        asked = browser.post(FORM, data={**sent, "place": "Brest", "capacity": "Gérante"})
        text = text_of(asked.text).replace("\u202f", " ")
        assert (asked.status_code, started) == (200, [])
        assert "13 attestations en vigueur seraient annulées et remplacées." in text
        assert "Ce qui change dans le formulaire : Qualité, Fait à." in text
        assert "Confirmer et générer" in text
        (confirmed,) = re.findall(r'name="confirmed" value="([0-9a-f]+)"', asked.text)

        # Other inputs than those that were shown are asked about again.
        again = browser.post(FORM, data={**sent, "place": "Lyon", "capacity": "Gérante", "confirmed": confirmed})
        assert (again.status_code, started) == (200, [])
        assert 'name="place" type="text" maxlength="2000" value="Lyon"' in again.text
        # What was shown is made; where nothing is replaced, nothing is asked.
        changed = {**sent, "place": "Brest", "capacity": "Gérante", "confirmed": confirmed}
        assert browser.post(FORM, data=changed).status_code == 303
        assert browser.post(FORM, data=sent).status_code == 303
        assert [one["place"] for one in started] == ["Brest", "Rennes"]
