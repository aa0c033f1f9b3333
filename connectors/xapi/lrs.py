"""An LRS, asked for its statements: every page, or none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from time import sleep
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

from connectors.retries import asked_wait
from connectors.settings import variable_of_secret
from connectors.xapi.files import Told
from warehouse.errors import OpcoError, UserError

VERSION = "1.0.3"
PAGE_SIZE = 500
TRIES = 6
LONGEST_WAIT_SECONDS = 60.0
EMPTY_PAGES = 20
"""How many empty pages in a row may point to a further one."""
TIMEOUT = httpx2.Timeout(60, connect=8)


class _UnfitAnswerError(Exception):
    """An answer that may be better at the next try; `wait` is the number of seconds that the server asks for."""

    def __init__(self, said: str, wait: float | None = None) -> None:
        super().__init__(said)
        self.wait = wait


@dataclass(frozen=True)
class Page:
    """One page: its statements, where the next one is, and up to when the LRS is sure to have all."""

    statements: list[Any]
    more: str
    consistent_through: str | None


@dataclass(frozen=True)
class Lrs:
    """An LRS at `endpoint`. Messages never hold the password; `source` is the name of its section [sources.NAME].

    `tries` is how often a request is made that fails in a way that may pass, once the LRS has answered at all; `sleep`
    waits a number of seconds.
    """

    endpoint: str
    username: str | None
    password: str | None
    source: str
    tries: int = TRIES
    sleep: Callable[[float], None] = field(default_factory=lambda: sleep)
    on_progress: Callable[[str], None] = lambda _step: None
    _client: httpx2.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check that there is a password, where there is a user."""
        if self.username and not self.password:
            raise UserError(f"{self._place} needs the password of {self.username}: set {self._variable}.")
        sign_in = (self.username, self.password or "") if self.username else None
        headers = {"X-Experience-API-Version": VERSION, "Accept": "application/json"}
        client = httpx2.Client(auth=sign_in, headers=headers, timeout=TIMEOUT, follow_redirects=False)
        object.__setattr__(self, "_client", client)

    def __enter__(self) -> Lrs:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        self._client.close()

    def consistent_through(self) -> str | None:
        """Return the instant up to which the LRS says that it has every statement; None where it does not say.

        It is the first question of a pull: who does not answer at all is asked once.
        """
        return self._page(f"{self.endpoint}/statements", {"limit": "1"}, is_first=True).consistent_through

    def statements(self, since: str | None = None, until: str | None = None) -> Iterator[Told]:
        """Yield every statement stored after `since` and up to `until` (texts of instants), whatever the order.

        Raises:
            UserError: `more` leads to another host; the LRS refuses.
            OpcoError: an answer stays unfit, or the pages do not end.
        """
        bounds = {"since": since, "until": until}
        parameters = {"ascending": "true", "limit": str(PAGE_SIZE)} | {key: one for key, one in bounds.items() if one}
        yield from self._all(parameters)

    def newest(self, pages: int) -> Iterator[Told]:
        """Yield the statements of the first pages, the newest first where the LRS keeps the order."""
        yield from self._all({"limit": str(PAGE_SIZE)}, pages)

    def _all(self, parameters: Mapping[str, str], pages: int | None = None) -> Iterator[Told]:
        address, number, empty, asked = f"{self.endpoint}/statements", 0, 0, set[str]()
        shown = set[bytes]()
        while pages is None or len(asked) < pages:
            asked.add(address)
            page = self._page(address, parameters if len(asked) == 1 else {})
            told = [json.dumps(statement) for statement in page.statements]
            if told:
                digest = hashlib.sha256("\n".join(told).encode()).digest()
                if digest in shown:
                    raise OpcoError(f"{self._place} gives the same page again and again. Nothing was delivered.")
                shown.add(digest)
            empty = 0 if told else empty + 1
            for text in told:
                number += 1
                yield Told(number, text)
            self.on_progress(f"{number:,} statements read")
            if not page.more:
                return
            address = self._next(page.more)
            if address in asked:
                raise OpcoError(f"{self._place} leads back to a page it gave before (more). Nothing was delivered.")
            if empty > EMPTY_PAGES:
                raise OpcoError(f"{self._place} gives empty pages without end (more). Nothing was delivered.")

    def _next(self, more: str) -> str:
        """Return the address of the next page: on the host that was asked, or the password would go elsewhere."""
        own = urlsplit(self.endpoint)
        found = urlsplit(urljoin(f"{own.scheme}://{own.netloc}/", more))
        if found.hostname != own.hostname or found.scheme not in ("http", "https"):
            raise UserError(
                f"{self._place} says that its next page is on another host, {found.hostname}: it was not asked there, "
                "as the password would go with it. Nothing was delivered. Set the LRS's own address right."
            )
        # Behind a proxy an LRS may not know its own scheme and port.
        return found._replace(scheme=own.scheme, netloc=own.netloc, fragment="").geturl()

    def _page(self, address: str, parameters: Mapping[str, str], *, is_first: bool = False) -> Page:
        for number in range(self.tries):
            try:
                return self._asked(address, parameters)
            except httpx2.TransportError as error:
                if is_first and isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
                    raise UserError(
                        f"{self._place} cannot be reached: {_said(error)}. "
                        f"Check the setting sources.{self.source}.endpoint."
                    ) from None
                unfit = _UnfitAnswerError(_said(error))
            except _UnfitAnswerError as error:
                unfit = error
            if number + 1 < self.tries:
                wait = min(2.0**number if unfit.wait is None else unfit.wait, LONGEST_WAIT_SECONDS)
                self.on_progress(f"{unfit}: once more in {wait:.0f} s")
                self.sleep(wait)
        tried = "" if self.tries == 1 else f" ({self.tries} tries)"
        raise OpcoError(
            f"{self._place} does not answer as an LRS does: {unfit}{tried}. Nothing was delivered. If it stays so, "
            f"check the setting sources.{self.source}.endpoint."
        )

    def _asked(self, address: str, parameters: Mapping[str, str]) -> Page:
        # Parameters, even none, would take the place of what `more` has.
        answer = self._client.get(address, params=dict(parameters) or None)
        code = answer.status_code
        if code in (401, 403):
            who = f"the user {self.username}" if self.username else "who gives no name"
            raise UserError(
                f"{self._place} refuses {who} ({code}). Check the setting sources.{self.source}.username, the password "
                f"in {self._variable}, and that the user may read statements."
            )
        if code == 429 or code >= 500:
            raise _UnfitAnswerError(f"it answers {code}", asked_wait(answer.headers.get("Retry-After")))
        if code != 200:
            where = f" to {answer.headers['Location']}" if "Location" in answer.headers else ""
            raise UserError(
                f"{self._place} answers {code}{where} instead of statements. "
                f"Check the setting sources.{self.source}.endpoint: the statements are at ENDPOINT/statements."
            )
        try:
            content = json.loads(answer.content)
        except ValueError:
            kind = answer.headers.get("Content-Type", "").partition(";")[0]
            raise _UnfitAnswerError("a page of HTML" if "html" in kind else "JSON that is cut, or none") from None
        statements = content.get("statements") if isinstance(content, dict) else None
        more = content.get("more") or "" if isinstance(content, dict) else ""
        if not isinstance(statements, list) or not isinstance(more, str):
            raise _UnfitAnswerError("JSON without a list of statements")
        return Page(statements, more, answer.headers.get("X-Experience-API-Consistent-Through"))

    @property
    def _place(self) -> str:
        return f"The LRS {self.endpoint}"

    @property
    def _variable(self) -> str:
        return variable_of_secret(self.source, "password")


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
