"""One plain page for each thing that can go wrong: it says what to do, and nothing of the inside."""

from __future__ import annotations

import errno
import logging
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import duckdb
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from portal.identity.openid import ProviderError
from portal.rendering import page
from portal.security import FORM_EXPIRED, SAFE_METHODS, add_headers, client_of, is_https
from warehouse.errors import OpcoError

logger = logging.getLogger("portal")

SIGN_IN: Final = "sign_in"
"""The name of the sign-in page's route."""
DETAILS = frozenset({FORM_EXPIRED, "link_over", "not_proven", "nothing_to_see"})
"""What an HTTPException may say for an error that has words of its own."""
WORDED = frozenset({400, 401, 403, 404, 405, 413, 429, 500, 503, 507})
"""The statuses that have words; others get those of 400 or 500."""
FULL = (errno.ENOSPC, errno.EDQUOT)


def handlers() -> Mapping[Any, Callable[[Request, Any], Response]]:
    """Return the handlers that the application is made with."""
    return {
        HTTPException: _refused,
        ClientDisconnect: _gone,
        OSError: _failed_on_disk,
        sqlite3.OperationalError: _failed_on_disk,
        OpcoError: _not_available,
        duckdb.Error: _not_available,
        Exception: _unforeseen,
    }


def _refused(request: Request, error: HTTPException) -> Response:
    logger.info("%d to %s: %s %s", error.status_code, client_of(request), request.method, _route_of(request))
    if error.status_code == 401 and request.method in SAFE_METHODS and _wants_a_page(request):
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{request.url_for(SIGN_IN).path}?{urlencode({'next': wanted})}", 303)
    words = error.detail if error.detail in DETAILS else _worded(error.status_code)
    return _page(request, error.status_code, words, headers=dict(error.headers or {}))


def _gone(request: Request, error: Exception) -> Response:
    del error
    logger.info("%s went away during %s %s", client_of(request), request.method, _route_of(request))
    return Response(status_code=400)


def _failed_on_disk(request: Request, error: Exception) -> Response:
    number = getattr(error, "errno", None)
    if number in FULL or "disk is full" in str(error):
        logger.error("the disk is full: %s %s: %s", request.method, _route_of(request), error)
        return _page(request, 507, "507")
    return _unforeseen(request, error)


def _not_available(request: Request, error: Exception) -> Response:
    logger.error("%s %s cannot be answered now: %s", request.method, _route_of(request), error)
    kind = "provider" if isinstance(error, ProviderError) else "503"
    return _page(request, 503, kind, headers={"Retry-After": "60"})


def _unforeseen(request: Request, error: Exception) -> Response:
    reference = secrets.token_hex(4)
    logger.error("unforeseen, reference %s: %s %s", reference, request.method, _route_of(request), exc_info=error)
    answer = _page(request, 500, "500", reference=reference)
    # Starlette answers this one outside of the layers that set the headers.
    add_headers(answer.headers, is_https=is_https(request.app.state.identity.base_url))
    return answer


def _page(
    request: Request, status: int, words: str, *, headers: Mapping[str, str] | None = None, reference: str = ""
) -> Response:
    return page(request, "error.html", status=status, headers=headers, error=words, reference=reference)


def _worded(status: int) -> str:
    return str(status if status in WORDED else 500 if status >= 500 else 400)


def _route_of(request: Request) -> str:
    """Return the route, not the address: that may be a key, or name a person."""
    route = request.scope.get("route")
    return str(getattr(route, "path", "no route"))


def _wants_a_page(request: Request) -> bool:
    """Tell whether a person is looking, and not a picture or a part of a page being fetched."""
    mode = request.headers.get("sec-fetch-mode")
    return mode == "navigate" if mode else "text/html" in request.headers.get("accept", "")
