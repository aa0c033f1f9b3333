"""The page of a session's documents: what would be made, what a funder would send back, logs that came back."""

from __future__ import annotations

import io
import re

import duckdb
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from reports.language import duration
from tests.portal.pages_home import AWA, SESSION, Pages, one, rows_of, text_of, token_of
from tests.portal.test_journeys import over

PAGE = f"/sessions/{SESSION}/documents"


@pytest.fixture(scope="module")
def awa(pages: Pages) -> TestClient:
    return pages.browser(AWA)


def sent(browser: TestClient, **fields: str) -> Response:
    return browser.post(PAGE, data={"csrf_token": token_of(browser.get(PAGE).text), **fields})


def test_the_page_says_what_each_would_hold_and_the_session_leads_to_it(awa: TestClient) -> None:
    assert f'href="{PAGE}"' in awa.get(f"/sessions/{SESSION}").text.replace("http://testserver", "")
    page = text_of(awa.get(PAGE).text)
    assert "Certificat de réalisation" in page
    assert "13 apprenants en recevraient un." in page
    assert "1 apprenant n’en recevrait pas" in page


def test_a_funder_is_asked_before_anything_is_made(awa: TestClient) -> None:
    page = text_of(awa.get(PAGE, params={"funder": "agefice"}).text)
    assert "transcription par un tiers" in page
    assert "heures synchrones et asynchrones non distinguées" in page
    # A name that no profile has is no funder, and no error.
    assert "Exigé par" not in text_of(awa.get(PAGE, params={"funder": "x"}).text)


def test_other_timeouts_are_compared_and_the_one_in_force_is_what_is_published(awa: TestClient, pages: Pages) -> None:
    page = awa.get(PAGE, params={"what_if": "yes"}).text
    text = text_of(page)
    assert "15 min en vigueur" in " ".join(text.split())
    with duckdb.connect(str(pages.home.warehouse.resolve()), read_only=True) as connection:
        total = one(
            connection, "select sum(retained_seconds) from fct_learner_sessions where session_id = $s", s=SESSION
        )
    (everybody,) = (row for row in rows_of(page) if row[0] == "Ensemble")
    assert everybody[3] == duration(total)


def test_certificates_are_made_and_downloaded(awa: TestClient) -> None:
    begun = sent(awa, kind="certificate", month="")
    assert begun.status_code == 303
    page = over(awa, begun.headers["location"])
    assert "Les documents sont prêts (version 1)." in text_of(page)
    (link,) = re.findall(r'download href="([^"]+)"', page)
    answer = awa.get(link)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert awa.get(link.replace("/certificate/", "/../")).status_code == 404


def test_a_log_needs_a_month_and_is_signed_off(awa: TestClient, pages: Pages) -> None:
    assert sent(awa, kind="log", month="").status_code == 422
    assert sent(awa, kind="log", month="2026-13").status_code == 422
    assert sent(awa, kind="other").status_code == 422
    over(awa, sent(awa, kind="log", month="2026-09").headers["location"])
    page = awa.get(PAGE).text
    assert text_of(page).count("À signer") == 13
    files = {"signed": ("signé.pdf", io.BytesIO(b"%PDF-1.7 signed"))}
    data = {"csrf_token": token_of(page), "user": "u-1001", "month": "2026-09"}
    assert awa.post(f"{PAGE}/sign-off", data=data, files=files).status_code == 303
    assert "Signé" in text_of(awa.get(PAGE).text)
    assert awa.post(f"{PAGE}/sign-off", data={**data, "user": "u-1002", "reason": "absent"}).status_code == 303
    page = text_of(awa.get(PAGE).text)
    assert ("Refusé" in page, page.count("À signer")) == (True, 11)
    # Neither a file nor a reason: nothing came back.
    assert awa.post(f"{PAGE}/sign-off", data=data).status_code == 422
    kept = sorted((pages.home.documents / "log" / SESSION / "2026-09" / "sign-offs").iterdir())
    assert len(kept) == 3
