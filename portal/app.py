"""The web application: the pages behind their gates, downloads by signed link, and a health check."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount

from orchestration.defs.attestations.issuing import document_limits
from orchestration.home.paths import Home
from orchestration.home.settings import Settings
from orchestration.runs.background import BackgroundRuns
from portal import access, audit, errors, hooks, security
from portal.failed_runs import FailedRuns
from portal.identity import pages as identity_pages
from portal.identity.service import Identity
from portal.issues import Issues
from portal.media import media_type
from portal.pages import attestations, dashboard, documents, exports, issues, learners, sessions
from portal.prepared import prepare
from portal.previews import Previews
from portal.published import PublishedWarehouse
from portal.rendering import STATIC
from portal.security import client_of
from reports.delivery.links import DOWNLOAD, BadLinkError, Signer
from reports.delivery.store import Delivery, DeliveryStore

logger = logging.getLogger("portal")

SECONDS_BETWEEN_CLEANINGS = 3600
# The address is a key to personal data: nothing may keep it, pass it on, or show what it leads to inside a page.
LINK_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
NO_SUCH_LINK = """\
<!DOCTYPE html>
<html lang="fr">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Lien non valable</title></head>
<body style="max-width:36em;margin:15vh auto;padding:0 1.5em;color:#1c2733;font:16px/1.6 system-ui,sans-serif">
<h1 style="font-size:1.3em">Ce lien n’est pas valable, ou ne l’est plus.</h1>
<p>Demandez-en un nouveau à la personne qui vous l’a envoyé.</p>
<p lang="en">This link is not valid, or is no longer. Ask the person who sent it for a new one.</p>
</body>
</html>
"""


def make_app(home: Home, settings: Settings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Starlette:
    """Return the application that answers below the path of the setting portal.base_url.

    Raises UserError when settings that belong together are not together, OpcoError when a route does not say who may
    use it.
    """
    identity = Identity.of(home, settings, now=now)
    store, signer = DeliveryStore(home.deliveries), Signer(identity.secret)

    def download_delivery(request: Request) -> Response:
        try:
            delivery, content = _find(store, signer, request.path_params["token"], now())
        except BadLinkError as error:
            logger.warning("refused a link from %s: %s", client_of(request), error)
            return _no_such_link()
        is_part = "range" in request.headers
        part = " (a part)" if is_part else ""
        logger.info("%s of delivery %s to %s%s", request.method, delivery.delivery_id, client_of(request), part)
        if request.method == "GET":
            # Before it is sent, as all that the log holds.
            audit.record(
                request,
                "link_downloaded",
                delivery_id=delivery.delivery_id,
                file=delivery.file_name,
                sha256=delivery.sha256,
                recipients=list(delivery.recipients),
                is_part=is_part,
            )
        return FileResponse(
            content,
            headers={**LINK_HEADERS, "ETag": f'"{delivery.sha256}"'},
            filename=delivery.file_name,
            media_type=media_type(delivery.file_name),
        )

    def no_such_link(request: Request) -> Response:
        del request
        return _no_such_link()

    def health(request: Request) -> Response:
        del request
        return JSONResponse({"status": "ok"})

    routes = [
        access.route(f"/{DOWNLOAD}/{{token}}", download_delivery, who=access.public),
        # What is below it and no link gets the answer of a link that is none.
        access.route(f"/{DOWNLOAD}/{{path:path}}", no_such_link, who=access.public),
        access.route("/health", health, who=access.public),
        access.files("/static", STATIC, "static"),
        *identity_pages.routes(),
        *dashboard.routes(),
        *sessions.routes(),
        *learners.routes(),
        *issues.routes(),
        *attestations.routes(),
        *documents.routes(),
        *exports.routes(),
        *hooks.routes(home, now),
    ]
    path = urlsplit(identity.base_url).path.rstrip("/")
    app = Starlette(
        routes=[Mount(path, routes=routes)] if path else routes,
        middleware=security.middleware(identity.base_url, identity.secret, settings.portal.trusted_proxies),
        exception_handlers=errors.handlers(),
        lifespan=_lifespan,
    )
    app.state.home, app.state.settings, app.state.now = home, settings, now
    app.state.nouns = tuple(settings.platform.model_dump(exclude_none=True).items())
    app.state.identity = identity
    app.state.deliveries = store
    app.state.warehouse = PublishedWarehouse(home.warehouse, prepare)
    app.state.issues = Issues(home.attestations)
    app.state.runs = BackgroundRuns(home, settings.runs)
    app.state.failed_runs = FailedRuns(home)
    app.state.previews = Previews(document_limits(settings))
    access.declared_routes(app.routes)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    cleaning = asyncio.create_task(_clean(app.state.deliveries, app.state.now))
    # What was stopped with the machine goes on.
    threading.Thread(target=_resume, args=[app.state.runs], daemon=True).start()
    app.state.failed_runs.latest(wait=0)
    try:
        yield
    finally:
        cleaning.cancel()
        app.state.previews.close()
        await run_in_threadpool(app.state.identity.outbox.finish)
        app.state.warehouse.close()


def _resume(runs: BackgroundRuns) -> None:
    try:
        if begun := runs.resume():
            logger.info("began %d stopped runs again", begun)
    except OSError:
        logger.exception("stopped runs could not be begun again")


async def _clean(store: DeliveryStore, now: Callable[[], datetime]) -> None:
    while True:
        try:
            forgotten = await run_in_threadpool(store.forget_expired, now())
        except OSError:
            # Links are checked by themselves; the copies are tried again later.
            logger.exception("expired deliveries could not be deleted")
        else:
            if forgotten:
                logger.info("deleted %d expired deliveries", forgotten)
        await asyncio.sleep(SECONDS_BETWEEN_CLEANINGS)


def _find(store: DeliveryStore, signer: Signer, token: str, now: datetime) -> tuple[Delivery, Path]:
    return store.find(signer.read(token, now))


def _no_such_link() -> Response:
    return HTMLResponse(NO_SUCH_LINK, status_code=404, headers=LINK_HEADERS)
