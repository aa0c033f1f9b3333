"""The whole portal on the demo campus, for the tests of the pages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
from starlette.applications import Starlette
from starlette.testclient import TestClient

from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from portal.app import make_app
from portal.identity.service import Identity

BASE_URL = "http://portal.exemple.fr"
SECRET = "0123456789abcdef" * 2
ADMINISTRATOR = "admin@exemple.fr"
# Instructors: of three sessions; of one of these and another; of none of them.
AWA, BENOIT = "awa.n-diaye@trois-rives.example", "benoit.chastagnier@trois-rives.example"
TOMASZ = "tomasz.wisniewski@trois-rives.example"
SESSION, OF_BENOIT = "S-2026-MGMT-09", "S-2026-MGMT-10"
# Six hours after the data.
NOW = datetime(2026, 11, 11, 0, 0, tzinfo=UTC)


class Clock:
    """The portal's clock, which moves when told."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **duration: float) -> None:
        self.time += timedelta(**duration)


@dataclass
class Pages:
    """The portal of `home`, and browsers of people who are signed in."""

    home: Home
    app: Starlette
    clock: Clock

    def browser(self, email: str, language: str = "fr") -> TestClient:
        """Return a browser in which `email` is signed in."""
        identity: Identity = self.app.state.identity
        browser = TestClient(self.app, base_url=BASE_URL, headers={"Accept-Language": language}, follow_redirects=False)
        browser.cookies.set("opco_stay", identity.store.begin_stay(email, "test", identity.now()))
        return browser

    def warehouse(self) -> duckdb.DuckDBPyConnection:
        """Return the published build."""
        return duckdb.connect(str(self.home.warehouse.resolve()), read_only=True)


@contextmanager
def pages_of(built: Path, place: Path, **options: str) -> Iterator[Pages]:
    """Serve a home of its own with the build and the settings of the home `built`."""
    for part in ("build", "published"):
        shutil.copytree(built / "var" / part, place / "var" / part, symlinks=True)
    shutil.copy(built / "opco.toml", place)
    shutil.copytree((built / "assets").resolve(), place / "assets")
    home, clock = Home(place), Clock()
    said: dict[str, str | None] = {
        "portal.plain_http": "true",
        "portal.base_url": BASE_URL,
        "portal.secret": SECRET,
        "portal.administrators": ADMINISTRATOR,
        **options,
    }
    app = make_app(home, load_settings(home, said), now=clock)
    pages = Pages(home, app, clock)
    yield pages
    app.state.previews.close()
    app.state.identity.outbox.finish()
    app.state.warehouse.close()


def token_of(page: str) -> str:
    """Return the form token of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def text_of(page: str) -> str:
    """Return what a page says, without its tags, blanks made one; what only screen readers hear included."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", re.sub(r"<head>.*?</head>", "", page, flags=re.DOTALL))).split())


def rows_of(page: str) -> list[list[str]]:
    """Return the cells of all rows of the tables of a page."""
    return [
        [text_of(cell) for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr[ >].*?</tr>", page, re.DOTALL)
    ]


def one(connection: duckdb.DuckDBPyConnection, query: str, **parameters: Any) -> Any:
    """Return the one value of a query."""
    (row,) = connection.execute(query, parameters).fetchall()
    return row[0]
