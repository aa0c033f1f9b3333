"""The two journeys of an instructor, by buttons alone: from the session to the documents, and to the statistics."""

from __future__ import annotations

import csv
import io
import re
import shutil
import time
import zipfile

import dagster as dg
import pytest
from starlette.testclient import TestClient

from orchestration.runs.jobs import open_instance
from reports.issuing.manifest import read_manifest
from reports.issuing.naming import session_folder
from reports.issuing.removal import Removal, remove_documents
from reports.issuing.verify import verify
from tests.commands import Opco, result_of
from tests.portal.pages_home import AWA, BENOIT, SESSION, TOMASZ, Pages, one, text_of, token_of
from warehouse.files import sha256_of

pytestmark = pytest.mark.xdist_group("demo")

WAIT_SECONDS = 240


def over(browser: TestClient, address: str) -> str:
    """Return the page of a run once it is over, reloaded as its own head says."""
    for _ in range(WAIT_SECONDS * 2):
        page = browser.get(address).text
        if 'http-equiv="refresh"' not in page:
            return page
        assert (
            'data-over="no"' in browser.get(f"{address}/progress").text or "http-equiv" not in browser.get(address).text
        )
        time.sleep(0.5)
    raise AssertionError(page)


def test_from_the_session_to_the_documents(pages: Pages) -> None:
    browser = pages.browser(AWA)
    session = browser.get("/sessions").text
    (address,) = re.findall(rf'href="(/sessions/{SESSION})"', session)
    (form,) = set(re.findall(r'href="([^"]+/attestations)"', browser.get(address).text))
    page = browser.get(form).text
    sent = {
        name: value.replace("&#39;", "'")
        for name, value in re.findall(r'<input[^>]* name="(\w+)" type="(?:text|date)"[^>]* value="([^"]*)"', page)
    }
    sent |= {"csrf_token": token_of(page), "language": "fr", "place": "Fougères", "action": "make"}
    sent |= {"logo_kept": "logo.svg", "logo_choice": "keep", "stamp_kept": "stamp.png", "stamp_choice": "keep"}
    begun = browser.post(form, data=sent)
    assert begun.status_code == 303
    run = begun.headers["location"]
    # A second OK leads to the same run; the session's page tells of it.
    assert browser.post(form, data=sent).headers["location"] == run
    assert run in browser.get(address).text
    # One with other inputs is told that they are not those of the run.
    refused = browser.post(form, data={**sent, "place": "Brest"}).headers["location"]
    assert refused == f"{run}?refused=yes"
    assert "n’a pas été pris en compte" in text_of(browser.get(refused).text)
    assert pages.browser(TOMASZ).get(run).status_code == 404

    done = over(browser, run)
    assert "Les attestations sont prêtes (version 1)." in text_of(done)
    (zip_address,) = re.findall(r'href="([^"]+/zip)"', done)
    downloaded = browser.get(zip_address)
    assert downloaded.headers["content-disposition"] == f'attachment; filename="attestations-{SESSION}-issue-1.zip"'
    file = pages.home.folder / "downloaded.zip"
    file.write_bytes(downloaded.content)
    found = verify(file)
    assert (found.is_sound, found.documents) == (True, 13)
    made = read_manifest(session_folder(pages.home.attestations, SESSION) / "issue-1")
    assert made.making is not None
    assert (made.making.by, made.making.way, made.differs_from_settings) == (AWA, "page", ())
    with pages.warehouse() as warehouse:
        total = one(
            warehouse, "select sum(retained_seconds) from fct_learner_sessions where session_id = $s", s=SESSION
        )
    assert found.total_seconds == total

    # One learner's PDF is the one in the ZIP; the list and the dashboard know of the issue.
    session = browser.get(address).text
    pdf = re.findall(r'href="([^"]+/documents/[^"]+\.pdf)"', session)[0]
    with zipfile.ZipFile(io.BytesIO(downloaded.content)) as archive:
        assert browser.get(pdf).content == archive.read(pdf.rsplit("/", 1)[1])
    assert browser.get(f"{address}/issues/1/documents/manifest.json").status_code == 404
    assert "Version 1 du 11/11/2026" in text_of(browser.get("/sessions").text)
    assert SESSION not in browser.get("/").text

    # Nothing changed: the issue stays in force.
    again = browser.post(form, data={**sent, "csrf_token": token_of(browser.get(form).text)}).headers["location"]
    assert "Rien n’a changé depuis la version 1" in text_of(over(browser, again))

    # Documents that were removed are not offered any more; what stands in the folder is what is shown.
    folder = pages.home.attestations / SESSION / "issue-1"
    manifest = (folder / "manifest.json").read_text(encoding="utf-8")
    (folder / "manifest.json").write_text(manifest.replace('"2026-11-11"', '"2026-11-12"'), encoding="utf-8")
    assert "Établie le 12/11/2026" in text_of(browser.get(f"{address}/issues/1").text)
    remove_documents(folder, Removal("2026-11-12T08:00:00Z", "root"))
    session, issue = browser.get(address).text, browser.get(f"{address}/issues/1").text
    assert "Retiré le 12/11/2026" in text_of(session)
    assert "ont été retirés du serveur le 12/11/2026" in text_of(issue)
    assert not re.findall(r'href="[^"]+(?:/zip|\.pdf)"', session + issue)
    shutil.rmtree(folder)
    assert browser.get(f"{address}/issues/1").status_code == 404
    assert "Version 1" not in text_of(browser.get(address).text)


def test_from_the_filters_to_the_file(pages: Pages, opco: Opco) -> None:
    browser = pages.browser(AWA)
    page = browser.get(f"/statistics?sessions={SESSION}&date_from=2026-10-01").text
    (count,) = re.findall(r"contiendrait (\d+) lignes", text_of(page))
    sent = {
        "csrf_token": token_of(page),
        "sessions": SESSION,
        "date_from": "2026-10-01",
        "date_to": "",
        "language": "fr",
    }
    answer = browser.post("/statistics", data={**sent, "format": "csv", "dialect": "excel", "action": "file"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="opco-export-2026-11-10-')
    # It is a run like any other, over from its beginning, whose page gives the file again.
    (address,) = re.findall(r'href="([^"]+/file)"', browser.get("/statistics").text)
    done = browser.get(address.removesuffix("/file")).text
    assert f"{count} lignes" in text_of(done)
    assert browser.get(address).content == answer.content
    lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert len(lines) == int(count) + 1
    # The same bytes as by the command.
    target = pages.home.folder / "by-command.csv"
    command = ["export", "--session", SESSION, "--from", "2026-10-01", "--language", "fr", "--output", str(target)]
    result_of(opco(*command, "--json", home=pages.home.folder))
    assert answer.content == target.read_bytes()
    on_record(pages, sha256_of(target))

    # It stands among the past exports of who asked, of nobody else; a file that is gone is not offered.
    assert address in browser.get("/statistics").text
    other = pages.browser(BENOIT)
    assert address not in other.get("/statistics").text
    assert other.get(address).status_code == 404
    for made in pages.home.exports.glob("*.csv"):
        made.unlink()
    assert browser.get(address).status_code == 404
    assert address not in browser.get("/statistics").text


def on_record(pages: Pages, sha256: str) -> None:
    """Wait until Dagster has the run of the page and that of the command, with the same file and the same checks."""
    for _ in range(WAIT_SECONDS * 2):
        if not list(pages.home.background_runs.glob("*/made.json")):
            break
        time.sleep(0.5)
    with open_instance(pages.home) as instance:
        runs = [one for one in instance.get_runs() if one.job_name == "export"]
        assert [one.status for one in runs] == [dg.DagsterRunStatus.SUCCESS] * 2
        told = []
        for run in runs:
            entries = [one.event_log_entry for one in instance.get_records_for_run(run.run_id).records]
            (made,) = [one.asset_materialization for one in entries if one.asset_materialization]
            checks = [one.asset_check_evaluation for one in entries if one.asset_check_evaluation]
            told.append((made.metadata["sha256"].value, {one.check_name: one.passed for one in checks}))
    assert told == [(sha256, {"lines": True, "header": True, "values": True})] * 2


def test_no_message_where_none_can_be_sent(pages: Pages) -> None:
    browser = pages.browser(AWA)
    page = browser.get("/statistics").text
    assert "Recevoir par e-mail" not in page
    assert browser.post("/statistics", data={"csrf_token": token_of(page), "action": "email"}).status_code == 403
