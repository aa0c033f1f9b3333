"""What every request and every answer passes: hosts, sizes, origins, form tokens, headers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from itsdangerous import Signer
from starlette.datastructures import FormData, Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

logger = logging.getLogger("portal")

MAX_BODY_BYTES = 6 * 1024 * 1024
"""Two images of 2 MiB and the other fields of a form."""
MAX_FILES, MAX_FIELDS = 4, 1000
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
TOKEN_FIELD, TOKEN_HEADER = "csrf_token", "x-csrf-token"
FORM_EXPIRED = "form_expired"
"""The detail of a refusal for want of a valid form token."""

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # With no-referrer, browsers would say "Origin: null" of our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
MOST_PEERS_NAMED = 100
YEAR_SECONDS = 31_536_000


def middleware(base_url: str, secret: str, trusted_proxies: Sequence[str]) -> list[Middleware]:
    """Return what stands before the routes, outermost first.

    `base_url` is the address under which people reach the portal, `trusted_proxies` are the addresses and networks
    whose X-Forwarded-For is believed.
    """
    return [
        Middleware(SecurityHeaders, is_https=is_https(base_url)),
        Middleware(UntrustedProxies, trusted_proxies=trusted_proxies),
        Middleware(ProxyHeadersMiddleware, trusted_hosts=list(trusted_proxies)),
        Middleware(KnownHost, base_url=base_url),
        Middleware(BodyLimit),
        # What a browser is remembered by before anyone signs in: the key of its form tokens, a sign-in under way.
        Middleware(
            SessionMiddleware,
            secret_key=secret,
            session_cookie=cookie_name(base_url, "visitor"),
            max_age=None,
            https_only=is_https(base_url),
        ),
    ]


def is_https(base_url: str) -> bool:
    """Tell whether the portal is reached over TLS."""
    return urlsplit(base_url).scheme == "https"


def cookie_name(base_url: str, name: str) -> str:
    """Return a cookie's name; over TLS one that no other host, and no plain connection, can set."""
    return f"__Host-opco_{name}" if is_https(base_url) else f"opco_{name}"


def csrf_token(request: Request) -> str:
    """Return what a form of this visitor must send back in the field `csrf_token`, or in the header X-CSRF-Token."""
    visitor = request.session.get("visitor")
    if visitor is None:
        visitor = request.session["visitor"] = request.app.state.identity.new_key()
    return _signer(request).get_signature(visitor).decode()


def add_headers(headers: MutableHeaders, *, is_https: bool) -> None:
    """Set the headers of every answer that it does not set itself."""
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if is_https:
        headers.setdefault("Strict-Transport-Security", f"max-age={YEAR_SECONDS}")


@contextlib.asynccontextmanager
async def check_form(request: Request) -> AsyncIterator[None]:
    """Read the form of an unsafe request into `request.state.form` after checking that it comes from our own pages.

    Raises HTTPException 403 when it does not. Uploads are closed on the way out.
    """
    if request.method in SAFE_METHODS:
        yield
        return
    _check_origin(request)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type in FORMS:
        async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS) as form:
            _check_token(request, request.headers.get(TOKEN_HEADER) or form.get(TOKEN_FIELD))
            request.state.form = form
            yield
    else:
        _check_token(request, request.headers.get(TOKEN_HEADER))
        request.state.form = FormData()
        yield


def _check_origin(request: Request) -> None:
    """Refuse what a browser says another site made; a client that says nothing is left to the token."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise HTTPException(403, FORM_EXPIRED)
        return
    origin = request.headers.get("origin")
    if origin is not None:
        own = urlsplit(request.app.state.identity.base_url)
        if origin != f"{own.scheme}://{own.netloc}":
            raise HTTPException(403, FORM_EXPIRED)


def _check_token(request: Request, token: object) -> None:
    visitor = request.session.get("visitor")
    if not isinstance(token, str) or not isinstance(visitor, str):
        raise HTTPException(403, FORM_EXPIRED)
    if not _signer(request).verify_signature(visitor, token.encode(errors="replace")):
        raise HTTPException(403, FORM_EXPIRED)


def _signer(request: Request) -> Signer:
    return Signer(request.app.state.identity.secret, salt="opco.portal.csrf", key_derivation="hmac")


class SecurityHeaders:
    """Sets the headers of every answer, refusals of the other layers among them."""

    def __init__(self, app: ASGIApp, is_https: bool) -> None:
        self.app = app
        self.is_https = is_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_headers(MutableHeaders(scope=message), is_https=self.is_https)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class UntrustedProxies:
    """Says once of each peer that it forwards what others ask, and is not among the trusted proxies."""

    def __init__(self, app: ASGIApp, trusted_proxies: Sequence[str]) -> None:
        self.app = app
        self.networks = [ip_network(one) for one in trusted_proxies]
        self._named: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and "x-forwarded-for" in Headers(scope=scope):
            peer = client_of(HTTPConnection(scope))
            if len(self._named) < MOST_PEERS_NAMED and peer not in self._named and not self._is_trusted(peer):
                self._named.add(peer)
                logger.warning(
                    "%s sends X-Forwarded-For and is not among portal.trusted_proxies: all who come by it count as one "
                    "client, and share its limits. If it is your proxy, name it there",
                    peer,
                )
        await self.app(scope, receive, send)

    def _is_trusted(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self.networks)


class KnownHost:
    """Answers under the portal's own host only; the health check under any, as it is asked from close by."""

    def __init__(self, app: ASGIApp, base_url: str) -> None:
        self.app = app
        address = urlsplit(base_url)
        self.health = address.path.rstrip("/") + "/health"
        self.host, self.scheme = address.hostname or "", address.scheme

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_answered = False

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal is_answered
            is_answered = True
            await self.app(scope, receive, send)

        if scope["type"] != "http" or scope["path"] == self.health:
            await answer(scope, receive, send)
            return
        # As people reach it, whatever a proxy says or leaves out: a redirection leads there.
        scope["scheme"] = self.scheme
        await TrustedHostMiddleware(answer, [self.host], www_redirect=False)(scope, receive, send)
        if not is_answered:
            host = Headers(scope=scope).get("host", "")[:100]
            logger.warning("refused the host %r: base_url names %r; a proxy has to pass Host on", host, self.host)


class TooLargeError(HTTPException):
    """A body that is larger than any form."""

    def __init__(self) -> None:
        super().__init__(413)


class BodyLimit:
    """Stops reading a body beyond `MAX_BODY_BYTES`, whether its length was announced or not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        is_too_large = not length.isdecimal() or int(length) > MAX_BODY_BYTES
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            # Raised where the body is read, so that the error page is answered as any other.
            if is_too_large:
                raise TooLargeError
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise TooLargeError
            return message

        await self.app(scope, receive_within_limit, send)


def client_of(request: HTTPConnection) -> str:
    """Return the address of the other end, as far as the trusted proxies tell it."""
    return request.client.host if request.client else "unknown"
