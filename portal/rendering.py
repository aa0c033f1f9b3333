"""From a template and its values to an answer in the reader's language. Everything is escaped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from portal.security import csrf_token
from portal.wording import Words, load_words, preferred_language
from reports.language import DASH

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"


def words_of(request: Request) -> Words:
    """Return the words of the language that the browser asks for, with the platform's nouns."""
    nouns: tuple[tuple[str, str], ...] = getattr(request.app.state, "nouns", ())
    return load_words(preferred_language(request.headers.get("accept-language")), nouns)


def address(request: Request, name: str, /, query: Mapping[str, Any] | None = None, **path: Any) -> str:
    """Return the path of the route `name`, with a query where one is given; what is None in it is left out."""
    found = str(request.app.url_path_for(name, **path))
    parameters = {key: value for key, value in (query or {}).items() if value not in (None, "", ())}
    return f"{found}?{urlencode(parameters, doseq=True)}" if parameters else found


def page(
    request: Request, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """Return a template as an answer."""
    words = words_of(request)

    def url(name: str, /, query: Mapping[str, Any] | None = None, **path: Any) -> str:
        return address(request, name, query, **path)

    def static(file: str) -> str:
        return address(request, "static", {"v": _digest(file)}, path=file)

    content = (
        _templates()
        .get_template(template)
        .render(
            {
                "request": request,
                "person": getattr(request.state, "person", None),
                "words": words,
                "t": words.text,
                "n": words.counted,
                "url": url,
                "static": static,
                "csrf_token": _Token(request),
                **values,
            }
        )
    )
    all_headers = {"Content-Language": words.language, "Vary": "Accept-Language, Cookie", **(headers or {})}
    return HTMLResponse(content, status_code=status, headers=all_headers)


class _Token:
    """The form token of a visitor, made where a form asks for it: it needs a cookie."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def __str__(self) -> str:
        return csrf_token(self._request)


@cache
def _digest(file: str) -> str:
    return hashlib.sha256((STATIC / file).read_bytes()).hexdigest()[:12]


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["dash"] = DASH
    return environment
