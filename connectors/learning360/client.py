"""Calls to 360Learning's API v2: one token, pages by the `Link` header, waiting where the server asks for it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx2

from connectors.retries import asked_wait
from warehouse.errors import OpcoError, UserError

HOSTS = {"eu": "https://app.360learning.com", "us": "https://app.us.360learning.com"}
"""Where the platform of a region answers."""

TOKEN = "/api/v2/oauth2/token"  # noqa: S105 (a path)
VERSION = {"360-api-version": "v2.0"}
TRIES = 6
LONGEST_WAIT_SECONDS = 60
LONGEST_ASKED_WAIT_SECONDS = 600
"""A server that asks for more than this has a bad night: the pull stops, and the next one begins anew."""

CONNECT_SECONDS, READ_SECONDS = 8, 60
PAGES_WITHOUT_NEWS = 10
"""So many pages in a row with a `next` and without an object that is new are no list that ends."""

_Answer = tuple[httpx2.Response, Any]
"""An answer, and what its JSON holds where it is one of success."""

LINK = re.compile(r"<([^>]*)>([^<]*)")
RELATION = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)


class AnswerError(OpcoError):
    """What the API answers cannot be used, or it does not answer, after all tries."""


class _PassingError(Exception):
    """A fault that may be gone at the next try: what it is, and the seconds that the server asks to wait."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


@dataclass
class Calls:
    """How many calls were made: for tokens, for pages, and for what had to be asked again."""

    tokens: int = 0
    pages: int = 0
    repeated: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.tokens + self.pages + self.repeated


class Client:
    """The API of one platform.

    `name` is that of the source, for messages; `secret_variable` the one that the secret comes from. `transport` and
    `sleep` stand in for the network and the clock in tests. Neither the secret nor a token is in any message.
    """

    def __init__(
        self,
        *,
        region: str,
        client_id: str,
        client_secret: str,
        secret_variable: str,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.host = HOSTS[region]
        self.calls = Calls()
        self._credentials = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
        }
        self._secret_variable = secret_variable
        self._token: str | None = None
        self._was_answered = False
        self._sleep = sleep
        self._http = httpx2.Client(
            transport=transport,
            timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            headers={**VERSION, "Accept": "application/json", "User-Agent": "opco"},
            # The token goes to this host, and to no other.
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def pages(
        self, path: str, scope: str, filters: Mapping[str, str] | None = None, *, is_missing_empty: bool = False
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the pages of a list, to its end.

        `scope` is the one that the call needs. With `is_missing_empty` what is not there (404) has no page.

        Raises UserError for what the person who set it up can cure, AnswerError for a list that does not come whole.
        """
        url = str(httpx2.URL(self.host + path, params=dict(filters or {})))
        seen_urls: set[str] = set()
        seen_ids: set[str] = set()
        without_news = 0
        while url:
            seen_urls.add(url)
            answer = self._page(url, scope, is_missing_empty=is_missing_empty)
            if answer is None:
                return
            rows, following = answer
            yield rows
            ids = {str(row["_id"]) for row in rows if "_id" in row}
            has_news = bool(ids - seen_ids) or (bool(rows) and not ids)
            without_news = 0 if has_news else without_news + 1
            seen_ids |= ids
            if not following:
                return
            if urlsplit(following)[:2] != urlsplit(self.host)[:2]:
                raise AnswerError(
                    f"{self._where(path)} names a next page on another host, {urlsplit(following).netloc}: the token "
                    "is not sent there. Nothing was delivered."
                )
            if following in seen_urls or without_news >= PAGES_WITHOUT_NEWS:
                raise AnswerError(f"The pages of {self._where(path)} never end. Nothing was delivered.")
            url = following

    def _page(self, url: str, scope: str, *, is_missing_empty: bool) -> tuple[list[dict[str, Any]], str | None] | None:
        """Return the objects of a page and the URL of the next one; None where there is no such page."""
        path = urlsplit(url).path
        where = self._where(path)
        is_renewed = False
        while True:
            if self._token is None:
                self._token = self._new_token()
            self.calls.pages += 1
            response, content = self._tried(path, lambda: self._asked_page(url))
            if response.status_code == httpx2.codes.UNAUTHORIZED and not is_renewed:
                # The hour of the token is over.
                self._token, is_renewed = None, True
                self.calls.pages -= 1
                self.calls.repeated += 1
                continue
            if response.status_code == httpx2.codes.UNAUTHORIZED:
                raise UserError(f"{where} refuses a new token: {self._said(response)}. Nothing was delivered.")
            if response.status_code == httpx2.codes.FORBIDDEN:
                raise ScopeError(scope, f"{where} needs the scope {scope}: {self._said(response)}")
            if response.status_code == httpx2.codes.NOT_FOUND and is_missing_empty:
                return None
            if response.status_code != httpx2.codes.OK:
                raise AnswerError(
                    f"{where} answers {response.status_code}: {self._said(response)}. Nothing was delivered."
                )
            return content, _next(url, response)

    def _asked_page(self, url: str) -> _Answer:
        response = self._sent("GET", url, headers={"Authorization": f"Bearer {self._token}"})
        if response.status_code != httpx2.codes.OK:
            return response, None
        content = _json(response)
        if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
            raise _PassingError("an answer that is no list of objects")
        return response, content

    def _new_token(self) -> str:
        self.calls.tokens += 1
        response, content = self._tried(TOKEN, self._asked_token)
        if response.status_code in (httpx2.codes.BAD_REQUEST, httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            raise UserError(
                f"{self.host} refuses client_id and secret: {self._said(response)}. Look at client_id and region in "
                f"opco.toml and at the variable {self._secret_variable}. Nothing was delivered."
            )
        if response.status_code != httpx2.codes.OK:
            raise AnswerError(
                f"{self._where(TOKEN)} answers {response.status_code}: {self._said(response)}. Nothing was delivered."
            )
        return str(content["access_token"])

    def _asked_token(self) -> _Answer:
        response = self._sent("POST", self.host + TOKEN, json=self._credentials)
        if response.status_code != httpx2.codes.OK:
            return response, None
        content = _json(response)
        if not isinstance(content, dict) or not isinstance(content.get("access_token"), str):
            raise _PassingError("an answer without a token")
        return response, content

    def _sent(self, method: str, url: str, **more: Any) -> httpx2.Response:
        """Return the answer of one try. Raises _PassingError for what may be gone at the next one."""
        try:
            response = self._http.request(method, url, **more)
        except httpx2.TransportError as error:
            what = f"no answer ({type(error).__name__})"
            if not self._was_answered and isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
                # A wrong name, a closed way out: waiting does not cure it.
                raise UserError(
                    f"{self.host} cannot be reached: {self._without_secrets(str(error) or type(error).__name__)}. Look "
                    "at region in opco.toml, and at this machine's way to the internet. Nothing was delivered."
                ) from None
            raise _PassingError(what) from None
        self._was_answered = True
        if response.status_code == httpx2.codes.TOO_MANY_REQUESTS or response.status_code >= 500:
            raise _PassingError(
                f"{response.status_code}: {self._said(response)}", asked_wait(response.headers.get("retry-after"))
            )
        return response

    def _tried(self, path: str, ask: Callable[[], _Answer]) -> _Answer:
        """Return what a call gives, at the latest at the sixth try."""
        for number in range(TRIES):
            try:
                return ask()
            except _PassingError as error:
                wait = min(2**number, LONGEST_WAIT_SECONDS) if error.wait is None else error.wait
                if number == TRIES - 1 or wait > LONGEST_ASKED_WAIT_SECONDS:
                    tries = "6 tries" if number else "one try"
                    asked = f" and asks to wait {wait:,.0f} seconds" if wait > LONGEST_ASKED_WAIT_SECONDS else ""
                    raise AnswerError(
                        f"{self._where(path)} gives {error} after {tries}{asked}. Nothing was "
                        "delivered; pull again later."
                    ) from None
                self.calls.repeated += 1
                self._sleep(wait)
        raise AssertionError

    def _where(self, path: str) -> str:
        return f"{self.host}{path}"

    def _said(self, response: httpx2.Response) -> str:
        """Return what an error says, in either of the API's two shapes; of other answers what they are."""
        try:
            error = response.json()["error"]
            text = f"{error['code']}, {error['message']}" if isinstance(error, Mapping) else str(error)
        except (ValueError, TypeError, KeyError):
            kind = response.headers.get("content-type", "").partition(";")[0]
            text = f"an answer of the type {kind}" if kind else "an empty answer"
        return self._without_secrets(text)[:300]

    def _without_secrets(self, text: str) -> str:
        for secret in (self._credentials["client_secret"], self._token):
            if secret:
                text = text.replace(secret, "…")
        return text


class ScopeError(UserError):
    """A scope that the credentials do not have."""

    def __init__(self, scope: str, message: str) -> None:
        super().__init__(f"{message}. Give it to the credentials in 360Learning. Nothing was delivered.")
        self.scope = scope


def _json(response: httpx2.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        kind = response.headers.get("content-type", "").partition(";")[0] or "of no type"
        raise _PassingError(f"an answer that is no JSON ({kind})") from None


def _next(url: str, response: httpx2.Response) -> str | None:
    """Return the URL of the next page, which the server may write in whole or from its root or its folder on."""
    for target, parameters in LINK.findall(response.headers.get("link", "")):
        found = RELATION.search(parameters)
        if found and "next" in (found[1] or found[2]).lower().split():
            return str(urljoin(url, f"/{target}" if target.startswith("api/") else target))
    return None
