"""The portal in a real browser: the journeys of an instructor from sign-in to the files, at every width, by everybody.

A picture of each page is left in the folder that the variable OPCO_SCREENSHOTS names, if it names one.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from reports.issuing.verify import verify
from tests.commands import OPCO
from tests.mail import PASSWORD, USER, MailBox, free_port, mail_server
from warehouse.project import PROJECT_DIR

SESSION, NAME = "S-2026-MGMT-09", "Manager à distance, septembre 2026"
INSTRUCTOR = "benoit.chastagnier@trois-rives.example"
# An address gets five links in a quarter of an hour.
ANOTHER = "awa.n-diaye@trois-rives.example"
ADMINISTRATOR = "direction@exemple.fr"
# How long anything may take on a machine that is busy with others.
SECONDS = 180
# Playwright waits five seconds for what is expected, unless it is told.
expect.set_options(timeout=SECONDS * 1000)
PAGES = {
    "dashboard": "/",
    "sessions": "/sessions",
    "session": f"/sessions/{SESSION}",
    "flag": f"/sessions/{SESSION}/flags/overlap",
    "learners": "/learners?proof=consultation",
    "learner": "/learners/u-1014",
    "learner-rows": "/learners/u-1014/rows?day=2026-10-08",
    "attestations": f"/sessions/{SESSION}/attestations",
    "issue": f"/sessions/{SESSION}/issues/1",
    "documents": f"/sessions/{SESSION}/documents?funder=agefice&what_if=yes",
    "statistics": "/statistics?q_users=an&sessions=" + SESSION,
    "rejected-rows": "/rejected-rows",
    "sign-in": "/sign-in",
    "nothing": "/nothing",
}
LOOKS = {
    "desk": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", "locale": "fr-FR"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark", "locale": "en-GB"},
    "phone": {"viewport": {"width": 375, "height": 800}, "color_scheme": "light", "locale": "fr-FR"},
}


@dataclass(frozen=True)
class Portal:
    """A portal that runs, and the mail that it sent."""

    home: Path
    url: str
    mailbox: MailBox


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """`opco serve` on the demo campus, as somebody would set it up today."""
    home = tmp_path_factory.mktemp("portal")
    shutil.copy(PROJECT_DIR / "demo" / "opco.toml", home)
    shutil.copytree(PROJECT_DIR / "demo" / "assets", home / "assets")
    port = free_port()
    with mail_server(tmp_path_factory.mktemp("mail")) as mailbox:
        url = f"http://127.0.0.1:{port}/opco"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OPCO_")},
            "OPCO_EMAIL__HOST": "127.0.0.1",
            "OPCO_EMAIL__PORT": str(mailbox.port),
            "OPCO_EMAIL__USER": USER,
            "OPCO_EMAIL__PASSWORD": PASSWORD,
            "OPCO_EMAIL__SENDER": "portail@exemple.fr",
            "OPCO_EMAIL__ALLOWED_RECIPIENTS": "trois-rives.example",
            "OPCO_PORTAL__BASE_URL": url,
            "OPCO_PORTAL__SECRET": "0123456789abcdef" * 2,
            "OPCO_PORTAL__ADMINISTRATORS": ADMINISTRATOR,
            "SSL_CERT_FILE": str(mailbox.authority),
        }
        for command in (["build", "--raw", str(PROJECT_DIR / "demo" / "raw")], ["attest", SESSION]):
            subprocess.run([str(OPCO), *command, "--home", str(home)], check=True, env=environment, capture_output=True)
        command = [str(OPCO), "serve", "--home", str(home), "--port", str(port)]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
            try:
                for _ in range(SECONDS * 5):
                    try:
                        urllib.request.urlopen(f"{url}/health", timeout=5).close()
                        break
                    except OSError:
                        assert server.poll() is None, server.stderr and server.stderr.read()
                        time.sleep(0.2)
                yield Portal(home, url, mailbox)
            finally:
                server.send_signal(signal.SIGTERM)
                _, output = server.communicate(timeout=SECONDS)
        assert "Traceback" not in output, output


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("There is no Chromium here: run make acceptance, which installs it.")
    with sync_playwright() as playwright:
        # As root, as in most containers, it has no sandbox.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(browser: Browser, complaints: list[str], **options: object) -> BrowserContext:
    """Return a new browser of somebody; what its console complains of is collected."""
    context = browser.new_context(accept_downloads=True, **options)  # type: ignore[arg-type]
    context.set_default_timeout(SECONDS * 1000)

    def heard(said: ConsoleMessage) -> None:
        # A preview asked for while the page before still has one is refused, and the page asks again.
        if said.type == "error" and " 404 " not in said.text and " 429 " not in said.text:
            complaints.append(said.text)

    def listen(page: Page) -> None:
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", heard)

    context.on("page", listen)
    return context


def signed_in(context: BrowserContext, portal: Portal, email: str) -> Page:
    """Sign in by the link that is sent, as people do."""
    page = context.new_page()
    before = len(portal.mailbox.messages)
    page.goto(portal.url + "/")
    page.locator("#email").fill(email)
    page.locator("main button").click()
    for _ in range(SECONDS * 10):
        if len(portal.mailbox.messages) > before:
            break
        time.sleep(0.1)
    message = portal.mailbox.messages[-1]
    body = message.get_body(("plain",))
    assert body is not None
    (link,) = re.findall(rf"{re.escape(portal.url)}/sign-in/link/\S+", body.get_content())
    page.goto(link)
    page.locator("main button").click()
    expect(page.locator("h1")).to_have_text(re.compile("Tableau de bord|Dashboard"))
    return page


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_from_sign_in_to_a_verified_zip(portal: Portal, chromium: Browser, tmp_path: Path, javascript: bool) -> None:
    complaints: list[str] = []
    context = opened(chromium, complaints, java_script_enabled=javascript, locale="fr-FR")
    page = signed_in(context, portal, INSTRUCTOR)
    page.get_by_role("link", name="Sessions de programme").click()
    page.get_by_role("link", name=NAME).click()
    page.get_by_role("link", name="Générer les attestations").click()
    page.get_by_label("Fait à").fill(f"Fougères {'avec' if javascript else 'sans'}")
    if not javascript:
        page.get_by_role("button", name="Voir l’aperçu").click()
        expect(page.get_by_label("Fait à")).to_have_value("Fougères sans")
    expect(page.locator("#preview-picture img")).to_be_visible()
    page.get_by_role("button", name="OK, générer les attestations").click()
    # The session's documents were made in the name of another place.
    expect(page.locator("#foresight")).to_contain_text("Fait à")
    page.get_by_role("button", name="Confirmer et générer").click()
    expect(page.get_by_role("link", name=re.compile("Télécharger le ZIP"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("Télécharger le ZIP")).click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    found = verify(file)
    assert (found.is_sound, found.documents) == (True, 13)
    with duckdb.connect(str((portal.home / "var/published/opco.duckdb").resolve()), read_only=True) as warehouse:
        total = warehouse.execute(
            "select sum(retained_seconds) from fct_learner_sessions where session_id = $s", {"s": SESSION}
        ).fetchall()
    assert [(found.total_seconds,)] == total
    context.close()
    assert complaints == []


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_from_sign_in_to_a_file_of_statistics(
    portal: Portal, chromium: Browser, tmp_path: Path, javascript: bool
) -> None:
    complaints: list[str] = []
    context = opened(chromium, complaints, java_script_enabled=javascript, locale="fr-FR")
    page = signed_in(context, portal, INSTRUCTOR)
    page.get_by_role("navigation").get_by_role("link", name="Exporter").click()
    group = page.locator('[data-kind="users"]')
    group.get_by_role("searchbox").press_sequentially("benhaddou")
    if not javascript:
        group.get_by_role("button", name="Rechercher").click()
    group.locator(".matches").get_by_role("checkbox").check()
    page.get_by_label("Du", exact=True).fill("2026-09-16")
    if javascript:
        expect(page.locator("#count")).to_contain_text("1 apprenant,")
    else:
        page.get_by_role("button", name="Actualiser").click()
    (count,) = re.findall(r"contiendrait (\d+) lignes", page.locator("#count").inner_text())
    expect(page.locator("#xlsx-hint")).to_be_visible()
    expect(page.locator("#csv-hint")).to_be_hidden()
    page.get_by_label("Format", exact=True).select_option("csv")
    expect(page.locator("#csv-hint")).to_be_visible()
    # The file comes as the answer: the form stays where it is.
    with page.expect_download() as download:
        page.get_by_role("button", name="Télécharger maintenant").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    with file.open(encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.reader(stream, delimiter=";"))
    assert len(lines) == int(count) + 1
    assert {line[0] for line in lines[1:]} == {"Benhaddou"}
    if javascript:
        # In the form stands what was asked for, and the number of lines is that of it.
        page.reload()
        expect(group.get_by_role("checkbox", name="Benhaddou")).to_be_checked()
        expect(page.get_by_label("Du", exact=True)).to_have_value("2026-09-16")
        expect(page.locator("#count")).to_contain_text(f"contiendrait {count} lignes, 1 apprenant,")
    context.close()
    assert complaints == []


def test_a_link_to_the_statistics_comes_by_mail(portal: Portal, chromium: Browser, tmp_path: Path) -> None:
    complaints: list[str] = []
    context = opened(chromium, complaints, locale="fr-FR")
    page = signed_in(context, portal, INSTRUCTOR)
    page.goto(f"{portal.url}/statistics?sessions={SESSION}")
    page.get_by_role("button", name="Recevoir par e-mail").click()
    expect(page.get_by_text(f"Un lien vers le fichier a été envoyé à {INSTRUCTOR}")).to_be_visible()
    body = portal.mailbox.messages[-1].get_body(("plain",))
    assert body is not None
    (link,) = re.findall(rf"{re.escape(portal.url)}/download/\S+", body.get_content())
    with urllib.request.urlopen(link, timeout=SECONDS) as answer:
        content = answer.read()
    # A workbook, which the page offers first.
    assert content.startswith(b"PK")
    context.close()
    assert complaints == []


def test_the_preview_is_of_what_stands_in_the_form(portal: Portal, chromium: Browser) -> None:
    context = opened(chromium, [], locale="fr-FR")
    page = signed_in(context, portal, ANOTHER)
    page.goto(f"{portal.url}/sessions/{SESSION}/attestations")
    ready = re.compile("à jour")
    expect(page.locator("#preview-said")).to_have_text(ready)
    page.get_by_label("Fait à").fill("Vannes")
    page.get_by_role("link", name="Retour à la session").click()
    previewed: list[str] = []
    page.on("request", lambda sent: previewed.append(sent.post_data or "") if sent.method == "POST" else None)
    page.go_back()
    # The browser puts back what was typed; the preview is made after that, not before.
    expect(page.get_by_label("Fait à")).to_have_value("Vannes")
    expect(page.locator("#preview-said")).to_have_text(ready)
    assert "Vannes" in previewed[-1]
    # Where none can be made, the page says so.
    context.clear_cookies()
    page.get_by_label("Fait à").fill("Lorient")
    expect(page.locator("#preview-said")).to_have_text(re.compile("pas pu être fait"))
    context.close()


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_fits_and_is_fit_for_everybody(portal: Portal, chromium: Browser, look: str) -> None:
    """No page is wider than its window, and axe-core finds nothing against WCAG 2.2 AA."""
    complaints: list[str] = []
    # Looking from outside puts a script into the page, which its policy rightly refuses to others.
    context = opened(chromium, complaints, bypass_csp=True, **LOOKS[look])
    signed_in(context, portal, ADMINISTRATOR).close()
    folder = os.environ.get("OPCO_SCREENSHOTS")
    page = context.new_page()
    faults = []
    for name, address in PAGES.items():
        page.goto(portal.url + address)
        if name == "attestations":
            expect(page.locator("#preview-picture img")).to_be_visible()
            page.wait_for_load_state("networkidle")
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            faults.append(f"{name}: wider than {look}")
        found = Axe().run(
            page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
        )
        assert len(found.response["passes"]) > 10
        for violation in found.response["violations"]:
            nodes = "; ".join(" ".join(node["target"]) for node in violation["nodes"][:3])
            faults.append(f"{name}: {violation['id']} ({violation['help']}): {nodes}")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{folder}/{name}-{look}.png", full_page=True)
    context.close()
    assert faults == []
    assert complaints == []


def test_by_keyboard_alone(portal: Portal, chromium: Browser) -> None:
    context = opened(chromium, [], locale="fr-FR")
    page = signed_in(context, portal, ANOTHER)
    page.goto(f"{portal.url}/sessions")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Aller au contenu"
    page.keyboard.press("Enter")
    assert page.locator(":focus").get_attribute("id") == "main"
    page.keyboard.press("Tab")
    page.keyboard.type("septembre")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("1 session")
    page.get_by_role("link", name=NAME).focus()
    assert page.locator(":focus").evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(NAME)
    context.close()
