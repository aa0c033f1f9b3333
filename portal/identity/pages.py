"""The pages of signing in and out."""

from __future__ import annotations

import logging
from urllib.parse import unquote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from portal import access, limits
from portal.identity.openid import NotProvenError
from portal.identity.person import may_sign_in, person_of
from portal.identity.service import Identity
from portal.identity.store import LINK_LIFETIME
from portal.rendering import page, words_of
from portal.security import client_of
from reports.delivery.recipients import checked_address
from warehouse.errors import UserError

logger = logging.getLogger("portal")


def routes() -> list[access.GuardedRoute]:
    """Return the routes of signing in and out."""
    return [
        access.route("/sign-in", sign_in, who=access.public),
        access.route("/sign-in", send_link, who=access.public, methods=["POST"]),
        access.route("/sign-in/link/{key}", sign_in_link, who=access.public),
        access.route("/sign-in/link/{key}", use_link, who=access.public, methods=["POST"]),
        access.route("/sign-in/provider", to_provider, who=access.public),
        access.route("/sign-in/provider/back", from_provider, who=access.public),
        access.route("/sign-out", sign_out, who=access.public, methods=["POST"]),
        access.route("/sign-out-everywhere", sign_out_everywhere, who=access.signed_in, methods=["POST"]),
    ]


def sign_in(request: Request) -> Response:
    """Ask for an address, or lead to the provider: whatever the settings allow."""
    return _form(request, local_page(request, request.query_params.get("next", "")))


def send_link(request: Request) -> Response:
    """Send a link to the address if it is that of somebody: the answer, and its time, do not tell whether it is."""
    identity: Identity = request.app.state.identity
    mail = identity.mail
    if mail is None:
        raise HTTPException(404)
    form = request.state.form
    wanted = local_page(request, str(form.get("next", "")))
    typed = str(form.get("email", "")).strip()
    try:
        email = checked_address(typed, "The address").lower()
    except UserError:
        return _form(request, wanted, typed=typed[:320], status=422)
    limits.check(request, limits.LINKS_PER_CLIENT)
    identity.limits.hit(limits.LINKS_PER_ADDRESS_AND_CLIENT, f"{email} {limits.network_of(request)}")
    identity.limits.hit(limits.LINKS_PER_ADDRESS, email)
    client = client_of(request)
    words = words_of(request)
    base = str(request.url_for("sign_in").path)

    def find_and_send() -> None:
        with request.app.state.warehouse.cursor() as db:
            person = person_of(db, email, identity.administrators)
            is_welcome = person is not None and may_sign_in(db, person)
        if person is None or not is_welcome:
            logger.info("no sign-in link for an address that is nobody's here, asked by %s", client)
            return
        key = identity.store.keep_link(email, wanted, identity.now())
        identity.audit.add("sign_in_link_sent", email=email, client=client)
        minutes = int(LINK_LIFETIME.total_seconds() // 60)
        origin = urlsplit(identity.base_url)
        link = f"{origin.scheme}://{origin.netloc}{base}/link/{key}"
        text = words.text("sign_in_mail_text", link=link, minutes=minutes, portal=identity.base_url)
        mail.send(email, words.text("sign_in_mail_subject"), text)

    identity.outbox.add(find_and_send)
    return page(request, "sign_in_sent.html", email=email)


def sign_in_link(request: Request) -> Response:
    """Show the button that uses the link: whatever merely follows links, as mail scanners do, does not use it."""
    identity: Identity = request.app.state.identity
    limits.check(request, limits.SIGN_INS_PER_CLIENT)
    link = identity.store.link(request.path_params["key"], identity.now())
    if link is None:
        raise HTTPException(410, "link_over")
    return page(request, "sign_in_link.html", email=link.email)


def use_link(request: Request) -> Response:
    """Sign in by the link, which is then used up."""
    identity: Identity = request.app.state.identity
    limits.check(request, limits.SIGN_INS_PER_CLIENT)
    link = identity.store.use_link(request.path_params["key"], identity.now())
    if link is None:
        raise HTTPException(410, "link_over")
    return _welcome(request, link.email, "link", link.next_page)


async def to_provider(request: Request) -> Response:
    """Lead to the provider."""
    identity: Identity = request.app.state.identity
    if identity.provider is None:
        raise HTTPException(404)
    limits.check(request, limits.SIGN_INS_PER_CLIENT)
    request.session["next"] = local_page(request, request.query_params.get("next", ""))
    return await identity.provider.begin(request, _callback_url(request))


async def from_provider(request: Request) -> Response:
    """Sign in by what the provider says, if it vouches for an address that is known here."""
    identity: Identity = request.app.state.identity
    if identity.provider is None:
        raise HTTPException(404)
    limits.check(request, limits.SIGN_INS_PER_CLIENT)
    wanted = request.session.pop("next", "")
    try:
        email = await identity.provider.proven_email(request)
    except NotProvenError as error:
        # Part of it is what the address says: one line stays one line.
        reason = " ".join(str(error).split())[:300]
        logger.warning("a sign-in by the provider failed, from %s: %s", client_of(request), reason)
        raise HTTPException(403, "not_proven") from error
    return await run_in_threadpool(_welcome, request, email, "provider", local_page(request, wanted))


def sign_out(request: Request) -> Response:
    """End the stay of this browser."""
    identity: Identity = request.app.state.identity
    email = identity.email(request)
    if email:
        identity.audit.add("signed_out", email=email, client=client_of(request))
    return _farewell(request)


def sign_out_everywhere(request: Request) -> Response:
    """End all stays of the person, in every browser."""
    identity: Identity = request.app.state.identity
    email = request.state.person.email
    identity.audit.add("signed_out_everywhere", email=email, client=client_of(request))
    identity.store.end_stays_of(email)
    return _farewell(request)


def local_page(request: Request, wanted: str) -> str:
    """Return `wanted` if it is a page of this portal, else its first page: nobody is led away by our own link."""
    first = request.url_for("sign_in").path.removesuffix("sign-in")
    parts = urlsplit(wanted)
    is_local = (
        not parts.scheme
        and not parts.netloc
        and wanted.startswith(first)
        # Browsers take any number of slashes for two.
        and not wanted.startswith("//")
        and not {".", ".."} & set(unquote(parts.path).split("/"))
        and wanted.isprintable()
        and "\\" not in wanted
        and len(wanted) <= 2000
    )
    return wanted if is_local else first


def _form(request: Request, wanted: str, typed: str = "", status: int = 200) -> Response:
    identity: Identity = request.app.state.identity
    return page(
        request,
        "sign_in.html",
        status=status,
        next=wanted,
        typed=typed,
        by_link=identity.mail is not None,
        by_provider=identity.provider is not None,
    )


def _welcome(request: Request, email: str, way: str, wanted: str) -> Response:
    """Begin a stay for an address that was proven. Raises HTTPException 403 when there is nothing for it here."""
    identity: Identity = request.app.state.identity
    with request.app.state.warehouse.cursor() as db:
        person = person_of(db, email, identity.administrators)
        if person is None or not may_sign_in(db, person):
            logger.warning("nothing to see for an address that was proven by %s, from %s", way, client_of(request))
            raise HTTPException(403, "nothing_to_see")
    identity.audit.add("signed_in", email=email, client=client_of(request), way=way)
    answer = RedirectResponse(wanted, 303)
    identity.begin_stay(request, answer, email, way)
    return answer


def _farewell(request: Request) -> Response:
    answer = RedirectResponse(request.url_for("sign_in").path, 303)
    request.app.state.identity.end_stay(request, answer)
    return answer


def _callback_url(request: Request) -> str:
    origin = urlsplit(request.app.state.identity.base_url)
    return f"{origin.scheme}://{origin.netloc}{request.url_for('from_provider').path}"
