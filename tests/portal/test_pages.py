"""The pages on the demo campus: what they show is what the warehouse holds, to whom it may be shown."""

from __future__ import annotations

import io
import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from limits import RateLimitItemPerHour
from starlette.testclient import TestClient

from connectors.delivery import deliver
from orchestration.home.settings import load_settings
from orchestration.home.sources import sources_folder
from orchestration.runs.supervision import ORDER, RESULT
from portal import limits, uploads
from portal.failed_runs import FailedRun
from portal.pages import dashboard
from portal.wording import load_words
from reports.language import duration
from reports.printing.fonts import MissingLettersError, letters_of
from reports.printing.images import CheckedImage, check_image
from tests.connectors.test_delivery import START, ListSource
from tests.portal.pages_home import (
    ADMINISTRATOR,
    AWA,
    BENOIT,
    OF_BENOIT,
    SESSION,
    Pages,
    one,
    pages_of,
    rows_of,
    text_of,
    token_of,
)

pytestmark = pytest.mark.xdist_group("demo")

FORM = f"/sessions/{SESSION}/attestations"


def test_the_list_shows_the_figures_of_the_marts(pages: Pages, administrator: TestClient) -> None:
    listed = {row[0].split()[-1]: row for row in rows_of(administrator.get("/sessions").text)[1:]}
    with pages.warehouse() as warehouse:
        expected = warehouse.execute(
            "select session_id, count(*), sum(connection_count), sum(retained_seconds), "
            "count(*) filter (where is_enrolled) * any_value(dim_program_sessions.planned_duration_seconds) // 3600 "
            "from fct_learner_sessions join dim_program_sessions using (session_id) group by session_id"
        ).fetchall()
    assert len(expected) == 5
    assert {key: row[4:7] for key, row in listed.items()} == {
        session_id: [str(learners), str(connections), f"{duration(int(seconds))} sur {hours} h prévues"]
        for session_id, learners, connections, seconds, hours in expected
    }


def test_the_list_is_searched_sorted_and_paged_in_sql(administrator: TestClient, awa: TestClient) -> None:
    def names(address: str, browser: TestClient = administrator) -> list[str]:
        return [row[0].split()[-1] for row in rows_of(browser.get(address).text)[1:]]

    # Neither case nor accents count, words may stand in any order and anywhere.
    assert names("/sessions?q=JUIN+tableur") == ["S-2026-XLS-06"]
    assert names("/sessions?q=cybersecurite") == ["S-2026-CYB-09"]
    assert names("/sessions?q=%25") == []
    assert names("/sessions?sort=name&order=asc")[0] == "S-2026-CYB-09"
    assert names("/sessions?sort=time&order=desc")[0] == SESSION
    assert names("/sessions?sort=starts&order=asc")[0] == "S-2026-XLS-06"
    by_time = names("/sessions?sort=time&order=asc")
    assert by_time == names("/sessions?sort=time&order=desc")[::-1]
    # What is no column, and a page that is none, are as if not asked for.
    assert names("/sessions?sort=1;drop&page=-3") == names("/sessions")
    assert len(names("/sessions?page=999999")) == 5
    assert set(names("/sessions", awa)) == {SESSION, "S-2026-XLS-06", "S-2026-XLS-10"}


def test_a_session_shows_what_its_attestations_would(pages: Pages, awa: TestClient) -> None:
    page = awa.get(f"/sessions/{SESSION}").text
    with pages.warehouse() as warehouse:
        learners = warehouse.execute(
            "select concat_ws(' ', last_name, first_name), retained_seconds, connection_count "
            "from fct_learner_sessions join dim_learners using (user_id) where session_id = $s and has_played",
            {"s": SESSION},
        ).fetchall()
        courses = warehouse.execute(
            "select course_name, count(*), sum(retained_seconds) from fct_opco_connections "
            "where session_id = $s group by course_name",
            {"s": SESSION},
        ).fetchall()
        days = warehouse.execute(
            "select strftime(connected_on, '%d/%m/%Y'), coalesce(sum(retained_seconds), 0) from fct_opco_connections "
            "where session_id = $s group by connected_on having sum(retained_seconds) > 0",
            {"s": SESSION},
        ).fetchall()
    shown = rows_of(page)
    for name, seconds, connections in learners:
        assert any(row[0].startswith(name) and row[1] == duration(seconds) for row in shown), name
        assert any(row[0].startswith(name) and row[2].split()[0] == str(connections) for row in shown), name
    for name, connections, seconds in courses:
        assert any(row[0].startswith(name) and row[3:5] == [str(connections), duration(int(seconds))] for row in shown)
    assert len(days) > 30
    for day, seconds in days:
        assert [day, duration(int(seconds))] in shown
    # A column for each of them, with its title.
    assert page.count('<rect class="column"') == len(days) + len(courses)
    assert duration(sum(seconds for _, seconds, _ in learners)) in text_of(page)
    assert "Données chargées le 10/11/2026 19:00, il y a 6 heures. Dernière activité : 08/11/2026 09:36." in text_of(
        page
    )


@pytest.mark.parametrize(
    ("later", "message"),
    [
        ({"seconds": 59}, "il y a moins d’une minute."),
        ({"seconds": 60}, "il y a 1 minute."),
        ({"hours": 47, "minutes": 59}, "il y a 47 heures."),
        ({"hours": 48}, "il y a 2 jours."),
    ],
)
def test_how_old_the_data_are(pages: Pages, later: dict[str, float], message: str) -> None:
    before, pages.clock.time = pages.clock.time, datetime(2026, 11, 10, 18, tzinfo=UTC) + timedelta(**later)
    try:
        assert f"Données chargées le 10/11/2026 19:00, {message}" in text_of(
            pages.browser(AWA).get(f"/sessions/{SESSION}").text
        )
    finally:
        pages.clock.time = before


def test_fresh_means_active_too(demo_home: Path, tmp_path: Path) -> None:
    # Loaded on the 10th at 19:00; the last connection ended on the 8th.
    with pages_of(demo_home, tmp_path, **{"alerts.stale_days": "2"}) as pages:
        page = pages.browser(ADMINISTRATOR).get("/").text
        assert '<section class="card warn" aria-labelledby="fresh">' in page
        assert "Aucune activité récente Données chargées le 10/11/2026 19:00" in text_of(page)
        assert "Dernière activité : 08/11/2026 09:36. Les chargements ont bien lieu" in text_of(page)
    with pages_of(demo_home, tmp_path / "never", **{"alerts.stale_days": "none"}) as pages:
        assert 'aria-labelledby="fresh"' not in pages.browser(ADMINISTRATOR).get("/").text


def test_each_flag_has_its_lines(pages: Pages, awa: TestClient) -> None:
    page = awa.get(f"/sessions/{SESSION}").text
    with pages.warehouse() as warehouse:
        expected = dict(
            warehouse.execute(
                "select flag, count(*) from (select unnest(flags) as flag from fct_opco_connections "
                "where session_id = $s) group by flag",
                {"s": SESSION},
            ).fetchall()
        )
    assert set(re.findall(rf'href="/sessions/{SESSION}/flags/(\w+)"', page)) == set(expected)
    assert len(expected) > 5
    for flag, count in expected.items():
        lines = rows_of(awa.get(f"/sessions/{SESSION}/flags/{flag}").text)[1:]
        assert len(lines) == count, flag
    (overlap,) = [row for row in rows_of(awa.get(f"/sessions/{SESSION}/flags/overlap").text)[1:] if "O'Brien" in row[0]]
    # The quarter of an hour on two devices, of which the README speaks.
    assert [cell[:16] for cell in overlap[2:4]] == ["06/10/2026 19:30", "06/10/2026 20:10"]
    assert overlap[4:6] == ["00:40:20", "00:25:20"]
    assert awa.get(f"/sessions/{SESSION}/flags/nothing").status_code == 404


def test_words_follow_the_browser(pages: Pages) -> None:
    english, german = pages.browser(AWA, "en-GB,fr;q=0.5"), pages.browser(AWA, "de")
    assert '<html lang="en">' in english.get("/sessions").text
    assert "Program sessions" in english.get("/sessions").text
    assert '<html lang="fr">' in german.get("/sessions").text
    assert english.get("/sessions").headers["content-language"] == "en"


def test_headings_have_the_platforms_own_nouns(demo_home: Path, tmp_path: Path) -> None:
    nouns = {"platform.sessions": "Parcours {2026}", "platform.course": "Module", "platform.program_template": "Modèle"}
    with pages_of(demo_home, tmp_path, **nouns) as pages:
        browser = pages.browser(AWA)
        listed = browser.get("/sessions").text
        assert "<h1>Parcours {2026}</h1>" in listed
        assert 'data-label="Modèle"' in listed
        session = text_of(browser.get(f"/sessions/{SESSION}").text)
        assert "Module Prévu" in session
        # What the platform has no word for keeps ours.
        assert "<h1>Parcours {2026}</h1>" in pages.browser(AWA, language="en").get("/sessions").text


def test_statistics_are_one_click_from_the_dashboard_and_say_their_granularity(awa: TestClient) -> None:
    assert '<a href="/statistics">Exporter</a>' in awa.get("/").text
    assert "Granularité : OPCA logs. Une ligne par connexion" in text_of(awa.get("/statistics").text).replace(
        "\u202f", " "
    )


def test_the_form_of_the_statistics_says_what_a_spreadsheet_makes_of_a_csv(awa: TestClient) -> None:
    page = awa.get("/statistics").text
    assert 'aria-describedby="xlsx-hint csv-hint"' in page
    assert "parce que ses temps s’additionnent tels quels" in text_of(page)
    assert "vaut 24 minutes, mais y compte pour 24 secondes" in text_of(page)
    assert "identifiants perdent leurs zéros" in text_of(page)


def test_a_workbook_in_the_language_of_the_page_is_offered_first(pages: Pages) -> None:
    def chosen(browser: TestClient, query: str = "") -> list[str]:
        return re.findall(r'<option value="(\w+)" selected>', browser.get(f"/statistics{query}").text)

    assert chosen(pages.browser(AWA)) == ["xlsx", "excel", "fr"]
    assert chosen(pages.browser(AWA, "en")) == ["xlsx", "excel", "en"]
    assert chosen(pages.browser(AWA), "?format=csv&language=en&dialect=rfc4180") == ["csv", "rfc4180", "en"]
    # What an operator decided on holds.
    settings, app = pages.app.state.settings, pages.app
    app.state.settings = load_settings(pages.home, {"export.language": "en", "export.format": "parquet"})
    try:
        assert chosen(pages.browser(AWA)) == ["parquet", "excel", "en"]
    finally:
        app.state.settings = settings


def test_the_dashboard_says_what_needs_attention(pages: Pages, administrator: TestClient, awa: TestClient) -> None:
    page = text_of(administrator.get("/").text)
    with pages.warehouse() as warehouse:
        rejected = one(warehouse, "select count(*) from rejected_rows")
    assert f"Lignes rejetées {rejected}" in page
    assert "Données chargées le 10/11/2026 19:00, il y a 6 heures." in page
    (waiting,) = re.findall(r'<section [^>]+"waiting".*?</section>', administrator.get("/").text, re.DOTALL)
    assert "Manager à distance, septembre 2026" in waiting
    # Not over yet on this day.
    assert OF_BENOIT not in waiting
    own = awa.get("/").text
    assert "Lignes rejetées" not in own
    assert "Cybersécurité" not in own
    pages.clock.forward(days=3)
    try:
        # Its stay is over after twelve hours.
        assert "Les données sont anciennes" in text_of(pages.browser(AWA).get("/").text)
    finally:
        pages.clock.forward(days=-3)


def test_the_dashboard_says_why_a_run_failed(
    pages: Pages, administrator: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 11, 10, 3, 15, tzinfo=UTC)
    failed = [
        FailedRun("4f1c", "attestations", "S-2026-MGMT-09", at, "The disk <b> is full"),
        FailedRun("5a2d", "nightly", "", at, ""),
    ]
    monkeypatch.setattr(pages.app.state.failed_runs, "latest", lambda: failed)
    page = administrator.get("/").text
    assert '<a href="/sessions/S-2026-MGMT-09">S-2026-MGMT-09</a> <small>' in page
    assert "The disk &lt;b&gt; is full" in page
    assert "opco alerts --run 5a2d" in page
    # Nothing is said of a reading that is too old.
    monkeypatch.setattr(pages.app.state.failed_runs, "latest", lambda: None)
    assert "Les exécutions sont en cours de lecture" in administrator.get("/").text


def test_letters_that_no_font_has_are_told_in_the_readers_language(pages: Pages, awa: TestClient) -> None:
    with pytest.raises(MissingLettersError) as lack:
        letters_of("\ue000").require()
    found = {}
    for digit, text in (("0", f"Benhaddou Karim (u-1014): {lack.value}"), ("1", "There is no such learner.")):
        run_id = f"20261110T030000000000-{digit * 16}"
        place = pages.home.background_runs / run_id
        place.mkdir(parents=True)
        order = {"run_id": run_id, "kind": "attestations", "config": {}, "asked_by": AWA, "session_id": SESSION}
        (place / ORDER).write_text(json.dumps(order | {"asked_at": "2026-11-10T03:00:00Z"}), encoding="utf-8")
        result = {"ok": False, "error": text, "is_mistake": True}
        (place / RESULT).write_text(json.dumps(result), encoding="utf-8")
        found[text] = text_of(awa.get(f"{FORM}/runs/{run_id}").text)
    shutil.rmtree(pages.home.background_runs)
    assert all(text in page for text, page in found.items())
    assert ["un caractère qu’aucune police ne possède" in page for page in found.values()] == [True, False]


def test_all_sessions_that_wait_can_be_listed(
    pages: Pages, administrator: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pages.warehouse() as warehouse:
        waiting = warehouse.execute(
            "select distinct session_id from fct_learner_sessions inner join dim_program_sessions using (session_id) "
            "where has_played and ends_at < $now",
            {"now": pages.clock.time.replace(tzinfo=None)},
        ).fetchall()
    assert len(waiting) == 2
    monkeypatch.setattr(dashboard, "SHOWN", 1)
    (address,) = re.findall(r'href="(/sessions\?only=waiting[^"]+)"', administrator.get("/").text)
    page = administrator.get(address.replace("&amp;", "&")).text
    assert {row[0].split()[-1] for row in rows_of(page)[1:]} == {session_id for (session_id,) in waiting}
    # Searched and sorted, they are still the ones that wait.
    assert page.count("only=waiting") >= 9
    assert '<input type="hidden" name="only" value="waiting">' in page


def test_one_signs_out_everywhere_by_a_button(administrator: TestClient) -> None:
    page = administrator.get("/").text
    (action,) = re.findall(r'<form method="post" action="([^"]+everywhere)"', page)
    assert administrator.post(action, data={"csrf_token": token_of(page)}).status_code == 303
    assert administrator.get("/").status_code != 200


def test_rejected_rows_to_the_file_and_line(pages: Pages, administrator: TestClient, awa: TestClient) -> None:
    with pages.warehouse() as warehouse:
        expected = warehouse.execute(
            "select file || ':' || line || ' ' || table_name from rejected_rows where reason = 'bad_type'"
        ).fetchall()
    rows = rows_of(administrator.get("/rejected-rows?reason=bad_type").text)[1:]
    assert sorted(row[0] for row in rows) == sorted(name for (name,) in expected)
    assert awa.get("/rejected-rows").status_code == 403


def test_the_form_is_filled_from_the_settings(pages: Pages, awa: TestClient) -> None:
    toml = pages.home.settings_file
    before = toml.read_text(encoding="utf-8")
    own = f'[sessions."{SESSION}"]\n'
    assert own in before
    toml.write_text(before.replace(own, f'{own}place = "Fougères"\n'), encoding="utf-8")
    try:
        page = awa.get(FORM).text
    finally:
        toml.write_text(before, encoding="utf-8")
    assert 'value="Atelier des Trois Rives"' in page
    assert 'value="Fougères"' in page
    assert 'value="2026-11-11"' in page
    assert f"{FORM}/image/logo.svg" in page
    picture = awa.get(f"{FORM}/image/logo.svg")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert b"<title>" not in picture.content
    for forged in ("other.svg", "~2E~2E~2Fopco.toml", "~2Fetc~2Fpasswd", "uploads~2Fx"):
        assert awa.get(f"{FORM}/image/{forged}").status_code == 404


def test_the_form_says_what_an_inspector_would_ask(awa: TestClient) -> None:
    text = text_of(awa.get(FORM).text).replace("\u202f", " ")
    for words in (
        "Ce qu’un contrôle relèverait",
        "Hors dates de session · 2 connexions · 1 apprenant · 00:50:00",
        "Longue connexion · 1 connexion · 1 apprenant · 09:12:36",
        "Ouverte · 1 connexion · 1 apprenant",
    ):
        assert words in text


def test_documents_are_dated_in_the_display_time_zone(pages: Pages) -> None:
    before, pages.clock.time = pages.clock.time, datetime(2026, 11, 11, 23, 30, tzinfo=UTC)
    try:
        assert 'value="2026-11-12"' in pages.browser(AWA).get(FORM).text
    finally:
        pages.clock.time = before


def form_of(browser: TestClient, **changed: str) -> dict[str, str]:
    return {
        "csrf_token": token_of(browser.get(FORM).text),
        "name": "Atelier",
        "place": "Rennes",
        "language": "fr",
        "issued_on": "2026-11-11",
        "learner": "u-1014",
        "logo_kept": "logo.svg",
        "logo_choice": "keep",
        **changed,
    }


def test_a_preview_is_the_document_marked_as_one(awa: TestClient, pages: Pages) -> None:
    answer = awa.post(FORM, data=form_of(awa, action="preview", name="<b>Évil & fils</b>"))
    assert answer.status_code == 200
    assert "<b>Évil" not in answer.text
    (address,) = re.findall(r'href="([^"]*preview[^"]*pdf)"', answer.text)
    with pypdfium2.PdfDocument(awa.get(address).content) as document:
        text = " ".join(page.get_textpage().get_text_range() for page in document)
        count = len(document)
    assert "<b>Évil & fils</b>" in text
    assert text.count("APERÇU") == count
    assert "05:50:12" in text
    (picture,) = re.findall(r'src="([^"]*preview[^"]*png)"', answer.text)
    assert awa.get(picture).content.startswith(b"\x89PNG")
    # It is for whom it was made.
    assert pages.browser(BENOIT).get(picture).status_code == 404
    assert not (pages.home.attestations).exists()


def test_a_live_preview_answers_with_addresses_or_what_is_wrong(awa: TestClient) -> None:
    made = awa.post(FORM, data=form_of(awa, action="live", language="en"))
    assert awa.get(made.json()["picture"]).status_code == 200
    nobody = awa.post(FORM, data=form_of(awa, action="live", learner="u-0001"))
    assert (nobody.status_code, "aperçu" in nobody.json()["error"]) == (422, True)
    footer = awa.post(FORM, data=form_of(awa, action="live", footer="\n" * 3 + "Ligne\n" * 10))
    assert footer.json() == {"error": load_words("fr").text("preview_footer")}


def test_of_images_that_are_sent_the_picture_is_kept(awa: TestClient, pages: Pages) -> None:
    picture = (pages.home.assets / "stamp.png").read_bytes()
    png = picture + b"PK\3\4 and a script"
    uploads = pages.home.assets / "uploads"
    sent = awa.post(
        FORM, data=form_of(awa, action="preview"), files={"stamp_upload": ("../../x.png", io.BytesIO(png), "text/html")}
    )
    (name,) = re.findall(r'name="stamp_kept" value="([^"]+)"', sent.text)
    assert re.fullmatch(r"uploads/[0-9a-f]{32}\.png", name)
    kept = (pages.home.assets / name).read_bytes()
    assert kept.startswith(b"\x89PNG")
    assert b"script" not in kept
    assert awa.get(f"{FORM}/image/{name.replace('/', '~2F')}").content == kept
    for wrong in (b"<script>alert(1)</script>", png[:500], b"GIF89a" + b"\0" * 50, b"\x89PNG\r\n\x1a\n" * 400_000):
        answer = awa.post(
            FORM, data=form_of(awa, action="make"), files={"logo_upload": ("logo.png", io.BytesIO(wrong))}
        )
        assert answer.status_code == 422
        assert load_words("fr").text("form_bad_image") in answer.text.replace("&#39;", "'")
    assert [path.name for path in uploads.iterdir()] == [Path(name).name]


def test_a_kept_image_that_is_gone_is_said_before_anything_is_made(awa: TestClient, pages: Pages) -> None:
    gone = "uploads/" + "0" * 32 + ".png"
    words = load_words("fr").text("form_image_gone")
    answer = awa.post(FORM, data=form_of(awa, action="make", logo_kept=gone))
    assert answer.status_code == 422
    assert text_of(words) in text_of(answer.text)
    assert awa.post(FORM, data=form_of(awa, action="live", logo_kept=gone)).json() == {"error": words}
    assert awa.post(FORM, data=form_of(awa, action="live", logo_kept=gone, logo_choice="none")).status_code == 200
    assert not pages.home.background_runs.exists()


def test_images_cannot_fill_the_disk_nor_the_processor(
    awa: TestClient, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SENT_IMAGES", RateLimitItemPerHour(2, 1, namespace="test_sent_images"))
    png = (pages.home.assets / "stamp.png").read_bytes()
    decoded = []

    def check(*said: Any) -> CheckedImage:
        decoded.append(said)
        return check_image(*said)

    monkeypatch.setattr(uploads, "check_image", check)

    def sent(content: bytes) -> int:
        files = {"stamp_upload": ("x.png", io.BytesIO(content))}
        return int(awa.post(FORM, data=form_of(awa, action="preview"), files=files).status_code)

    kept = {path.name for path in (pages.home.assets / "uploads").glob("*")}
    # What follows the end of a PNG is no part of the picture, but makes it another file.
    assert sent(png + b"1") == 200
    assert sent(b"no image") == 422
    # Counted before anything is decoded.
    assert sent(png + b"2") == 429
    assert sent(png + b"1") == 200
    assert len(decoded) == 2
    added = {path.name for path in (pages.home.assets / "uploads").glob("*")} - kept
    assert len(added) == 1
    for name in added:
        (pages.home.assets / "uploads" / name).unlink()


def test_one_preview_a_person_is_under_way_and_nobody_is_refused_for_another(
    awa: TestClient, pages: Pages, administrator: TestClient
) -> None:
    previews = pages.app.state.previews
    data, of_administrator = form_of(awa, action="live"), form_of(administrator, action="live")
    with previews.slot(f"preview {AWA}"):
        refused = awa.post(FORM, data=data)
        assert (refused.status_code, refused.json()) == (429, {"error": load_words("fr").text("preview_busy")})
        assert awa.post(FORM, data={**data, "action": "preview"}).status_code == 429
        assert administrator.post(FORM, data=of_administrator).status_code == 200
        # OK is no preview.
        assert awa.post(FORM, data={**data, "action": "make", "issued_on": "no day"}).status_code == 422
    assert awa.post(FORM, data=data).status_code == 200


def test_what_was_stopped_is_told_as_it_is(awa: TestClient, pages: Pages) -> None:
    asked_at = datetime.now(UTC)
    run_id = f"{asked_at:%Y%m%dT%H%M%S%f}-{'0' * 16}"
    place = pages.home.background_runs / run_id
    place.mkdir(parents=True)
    order = {"run_id": run_id, "kind": "export", "asked_by": AWA, "asked_at": f"{asked_at:%Y-%m-%dT%H:%M:%SZ}"}
    try:
        for recipients, goes_on in (([], True), ([AWA], False)):
            config = {"sessions": [SESSION], "recipients": recipients}
            (place / "order.json").write_text(json.dumps({**order, "config": config}), encoding="utf-8")
            page = text_of(awa.get(f"/exports/{run_id}").text)
            assert ("reprendra au redémarrage" in page) is goes_on
            assert ("ne reprendra pas" in page) is not goes_on
            # A second message may be one too many.
            assert ("peut-être déjà parti" in page) is not goes_on
    finally:
        shutil.rmtree(pages.home.background_runs)


def test_what_was_typed_outlives_a_run_that_failed(awa: TestClient, pages: Pages) -> None:
    asked_at = datetime.now(UTC)
    run_id = f"{asked_at:%Y%m%dT%H%M%S%f}-{'0' * 16}"
    place = pages.home.background_runs / run_id
    place.mkdir(parents=True)
    typed = {"place": "Saint-Malo", "footer": "", "issued_on": "2026-11-09", "force": True}
    order = {"run_id": run_id, "kind": "attestations", "asked_by": AWA, "asked_at": f"{asked_at:%Y-%m-%dT%H:%M:%SZ}"}
    try:
        (place / "order.json").write_text(
            json.dumps({**order, "session_id": SESSION, "config": typed}), encoding="utf-8"
        )
        (link,) = re.findall(r'<a class="button" href="([^"]+)">Recommencer', awa.get(f"{FORM}/runs/{run_id}").text)
        form = awa.get(link).text
        assert re.search(r'name="place"[^>]* value="Saint-Malo"', form)
        assert re.search(r'name="issued_on"[^>]* value="2026-11-09"', form)
        assert re.search(r'<textarea id="footer"[^>]*></textarea>', form)
        # What was not typed then is as the settings have it; another session's run fills no form.
        assert re.search(r'name="capacity"[^>]* value="Directrice"', form)
        other = pages.browser(ADMINISTRATOR).get(f"/sessions/S-2026-CYB-09/attestations?run={run_id}").text
        assert "Saint-Malo" not in other
    finally:
        shutil.rmtree(pages.home.background_runs)


def test_what_is_wrong_in_the_form_is_said_beside_its_field(awa: TestClient, pages: Pages) -> None:
    answer = awa.post(FORM, data=form_of(awa, action="make", issued_on="31/11/2026", place="x" * 2001))
    assert answer.status_code == 422
    assert 'id="issued_on-wrong"' in answer.text
    assert 'id="place-wrong"' in answer.text
    assert not pages.home.background_runs.exists()


def test_attestations_may_be_switched_off(demo_home: Path, tmp_path: Path) -> None:
    off = 'offered = false\ncontact = "la scolarité <scolarite@exemple.fr>"'
    with pages_of(demo_home, tmp_path) as pages:
        browser = pages.browser(AWA)
        assert '<form class="two"' in browser.get(FORM).text
        # At once, without a restart.
        settings = pages.home.settings_file
        settings.write_text(settings.read_text(encoding="utf-8").replace("offered = true", off), encoding="utf-8")
        page = browser.get(FORM)
        assert "Demandez-les à : la scolarité <scolarite@exemple.fr>" in text_of(page.text).replace("\u202f", " ")
        assert '<form class="two"' not in page.text
        assert browser.post(FORM, data={"csrf_token": token_of(page.text), "action": "make"}).status_code == 403
        # Who never decided on it has not switched them on.
        settings.write_text(settings.read_text(encoding="utf-8").replace(off, ""), encoding="utf-8")
        assert '<form class="two"' not in browser.get(FORM).text


def test_the_statistics_count_what_the_export_would_hold(
    pages: Pages, administrator: TestClient, awa: TestClient
) -> None:
    def count(browser: TestClient, query: str = "") -> str:
        return text_of(browser.get(f"/statistics/count?{query}").text)

    with pages.warehouse() as warehouse:
        every = one(warehouse, "select count(*) from fct_opco_connections")
        of_awa = one(
            warehouse,
            "select count(*) from fct_opco_connections where session_id in "
            "(select session_id from bridge_session_instructors where user_id = 'u-0003')",
        )
        of_month = one(
            warehouse,
            "select count(*) from fct_opco_connections where connected_on between '2026-10-01' and '2026-10-31' "
            "and user_id = 'u-1014' and session_id = $s",
            s=SESSION,
        )
    assert f"contiendrait {every} lignes" in count(administrator)
    assert f"contiendrait {of_awa} lignes" in count(awa)
    narrowed = f"date_from=2026-10-01&date_to=2026-10-31&users=u-1014&sessions={SESSION}"
    assert f"contiendrait {of_month} lignes" in count(awa, narrowed)
    # A value of a custom field, and two of one field and another field's.
    with pages.warehouse() as warehouse:
        held = (
            "select count(*) from fct_opco_connections where user_id in "
            "(select user_id from bridge_learner_custom_fields where title = 'OPCO' and value in ('Akto', 'Atlas'))"
        )
        of_field = one(warehouse, held)
        of_fields = one(warehouse, held + " and \"Site_cf-07\" = 'Rennes'")
    opcos = "where=cf-03%3DAkto&where=cf-03%3DAtlas"
    assert f"contiendrait {of_field} lignes" in count(administrator, opcos)
    assert 0 < of_fields < of_field
    assert f"contiendrait {of_fields} lignes" in count(administrator, f"{opcos}&where=cf-07%3DRennes")
    assert "n’existe plus dans les données" in count(administrator, "where=cf-03%3Dakto")
    assert "pas un jour du calendrier" in count(awa, "date_from=2026-02-30")
    assert "se termine avant de commencer" in count(awa, "date_from=2026-10-02&date_to=2026-10-01")
    # Nobody who was chosen is left out in silence.
    assert "plus de 100 choix" in count(awa, "&".join(f"users=u-{number}" for number in range(1000, 1101)))
    assert awa.get(f"/statistics/count?sessions={OF_BENOIT}").status_code == 404


def test_people_are_found_among_ones_own(administrator: TestClient, awa: TestClient) -> None:
    def found(browser: TestClient, kind: str, search: str) -> set[str]:
        page = browser.get("/statistics/matches", params={"kind": kind, "q": search}).text
        return set(re.findall(r'name="\w+" value="([^"]+)"', page))

    assert found(awa, "users", "benhaddou") == {"u-1014"}
    assert found(awa, "users", "CELIK etienne") == found(awa, "users", "çelik") == {"u-1007"}
    # A learner of another instructor's session alone.
    assert found(administrator, "users", "grosjean") == {"u-1020"}
    # As people say it, first name first.
    assert found(awa, "users", "Étienne Çelik") == {"u-1007"}
    assert found(awa, "users", "Étienne Grosjean") == set()
    assert found(awa, "users", "grosjean") == set()
    assert OF_BENOIT not in found(awa, "sessions", "manager")
    # Values of custom fields, by value or title; of others' learners alone, none.
    assert found(administrator, "where", "opco akto") == {"cf-03=Akto"}
    assert found(administrator, "where", "agefice") == {"cf-03=AGEFICE"}
    assert found(awa, "where", "agefice") == set()
    assert awa.get("/statistics/matches?kind=dim_learners&q=a").status_code == 404


def test_more_matches_than_are_shown_are_spoken_of(administrator: TestClient) -> None:
    def shown(*chosen: str) -> tuple[list[str], str]:
        asked = {"kind": "users", "q": "a", "chosen": list(chosen)}
        page = administrator.get("/statistics/matches", params=asked).text
        return re.findall(r'name="users" value="([^"]+)"', page), text_of(page)

    first, said = shown()
    assert len(first) == 8
    assert "Les 8 premiers résultats. Précisez" in said
    # What is chosen already makes room for others.
    following, _ = shown(*first)
    assert len(following) == 8
    assert not set(first) & set(following)


def test_the_form_of_the_statistics_works_by_buttons(awa: TestClient) -> None:
    data = {"csrf_token": token_of(awa.get("/statistics").text), "action": "search", "q_users": "benhaddou"}
    moved = awa.post("/statistics", data={**data, "users": ["u-1014"], "date_from": "2026-09-01"})
    assert moved.status_code == 303
    assert "csrf_token" not in moved.headers["location"]
    page = awa.get(moved.headers["location"]).text
    assert '<input type="checkbox" name="users" value="u-1014" checked>' in page
    assert 'value="2026-09-01"' in page


def test_pages_hold_no_script_and_no_style_of_their_own(administrator: TestClient) -> None:
    for address in ("/", "/sessions", f"/sessions/{SESSION}", FORM, "/statistics?q_users=a", "/rejected-rows"):
        page = administrator.get(address).text
        assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page), address
        assert len(re.findall(r"<h1[ >]", page)) == 1, address
        assert all("<caption" in table for table in re.findall(r"<table.*?</table>", page, re.DOTALL)), address
        labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', page))
        for tag in re.findall(r"<(?:input|select|textarea)[^>]*>", page):
            if 'type="hidden"' not in tag and " id=" in tag:
                assert re.search(r' id="([^"]+)"', tag)[1] in labelled, (address, tag)  # type: ignore[index]


def test_static_files_are_known_by_their_content(administrator: TestClient) -> None:
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', administrator.get("/").text):
        assert re.search(r"\?v=[0-9a-f]{12}$", address)
        answer = administrator.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


def test_the_dashboard_says_how_fresh_each_source_is(pages: Pages, awa: TestClient) -> None:
    assert "Sources" not in text_of(awa.get("/").text)
    settings = pages.home.settings_file.read_text(encoding="utf-8")
    pages.home.settings_file.write_text(f"{settings}\n[sources.moodle-log]\n", encoding="utf-8")
    try:
        assert "moodle-log aucune activité · jamais lue" in text_of(awa.get("/").text)
        deliver(sources_folder(pages.home), {"moodle-log": ListSource()}, home=pages.home.folder, started_at=START)
        shown = text_of(awa.get("/").text)
        assert "moodle-log dernière activité le 02/11/2026 05:00 · lue le 02/11/2026 05:00" in shown
    finally:
        pages.home.settings_file.write_text(settings, encoding="utf-8")
