"""The documentation of the demo campus in a browser that is offline: it asks nothing of the web."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.commands import Opco, result_of

pytestmark = pytest.mark.xdist_group("demo")
SECONDS = 180


def test_tables_and_lineage_are_there_offline(demo_home: Path, opco: Opco) -> None:
    made = result_of(opco("docs", "--json", home=demo_home))
    page_file = Path(made["path"])
    assert page_file.with_suffix(".duckdb") == (demo_home / "var/published/opco.duckdb").resolve()
    assert made["bytes"] < 6_000_000
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = browser.new_context(offline=True)
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{page_file.as_uri()}#!/model/model.opco_warehouse.fct_program_sessions")
        expect(page.get_by_text("One row per program session with its totals").first).to_be_visible(
            timeout=SECONDS * 1000
        )
        expect(page.get_by_text("retained_seconds", exact=True).first).to_be_visible()
        expect(page.get_by_text("Portal", exact=True).first).to_be_attached()
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
