"""The web application: downloads by signed link, and a health check."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mimetypes
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from reports.delivery.links import DOWNLOAD, BadLinkError, Signer
from reports.delivery.store import Delivery, DeliveryStore

logger = logging.getLogger("portal")

SECONDS_BETWEEN_CLEANINGS = 3600
MEDIA_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".parquet": "application/vnd.apache.parquet",
}
# The address is a key to personal data: nothing may keep it, pass it on, or show what it leads to inside a page.
HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
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


def make_app(
    store: DeliveryStore, signer: Signer, base_url: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Starlette:
    """Return the application that answers below the path of `base_url`."""

    async def download(request: Request) -> Response:
        who = request.client.host if request.client else "unknown"
        try:
            delivery, content = await run_in_threadpool(_find, store, signer, request.path_params["token"], now())
        except BadLinkError as error:
            logger.warning("refused a link from %s: %s", who, error)
            return _no_such_link()
        part = request.headers.get("range")
        logger.info("%s of delivery %s to %s%s", request.method, delivery.delivery_id, who, " (a part)" if part else "")
        return FileResponse(
            content,
            headers={**HEADERS, "ETag": f'"{delivery.sha256}"'},
            filename=delivery.file_name,
            media_type=_media_type(delivery.file_name),
        )

    async def health(request: Request) -> Response:
        del request
        return JSONResponse({"status": "ok"}, headers=HEADERS)

    async def refuse(request: Request, error: Exception) -> Response:
        # An address that is no link gets the answer of a link that is none.
        del request
        if isinstance(error, HTTPException) and error.status_code != 404:
            return Response(status_code=error.status_code, headers={**HEADERS, **(error.headers or {})})
        return _no_such_link()

    async def clean() -> None:
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

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        cleaning = asyncio.create_task(clean())
        try:
            yield
        finally:
            cleaning.cancel()

    routes = [Route(f"/{DOWNLOAD}/{{token}}", download), Route("/health", health)]
    path = urlsplit(base_url).path.rstrip("/")
    return Starlette(
        routes=[Mount(path, routes=routes)] if path else routes,
        exception_handlers={HTTPException: refuse},
        lifespan=lifespan,
    )


def _find(store: DeliveryStore, signer: Signer, token: str, now: datetime) -> tuple[Delivery, Path]:
    return store.find(signer.read(token, now))


def _no_such_link() -> Response:
    return HTMLResponse(NO_SUCH_LINK, status_code=404, headers=HEADERS)


def _media_type(file_name: str) -> str:
    suffix = Path(file_name).suffix.lower()
    return MEDIA_TYPES.get(suffix) or mimetypes.guess_type(file_name)[0] or "application/octet-stream"
