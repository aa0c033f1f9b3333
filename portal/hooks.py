"""What platforms send by themselves: `POST /hooks/NAME` for each source that takes messages; by default none does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from connectors.learning360.settings import Learning360Settings
from connectors.learning360.webhooks import MAX_BYTES, BadMessageError, Inbox, inbox_folder, verify
from connectors.settings import variable_of_secret
from orchestration.home.paths import Home
from orchestration.home.settings import home_sources
from orchestration.home.sources import with_secrets
from portal import access
from portal.security import client_of
from warehouse.errors import UserError

logger = logging.getLogger("portal")


def routes(home: Home, now: Callable[[], datetime]) -> list[access.GuardedRoute]:
    """Return the routes of the sources that take messages. Raises UserError where the secret of one is not set."""
    found = []
    for name, settings in home_sources(home).items():
        if isinstance(settings, Learning360Settings) and settings.webhook and settings.client_id:
            secret = with_secrets(name, settings).webhook_secret  # type: ignore[attr-defined]
            if secret is None:
                raise UserError(
                    f"[sources.{name}] has webhook = true, and its secret is not set: put it into the variable "
                    f"{variable_of_secret(name, 'webhook_secret')}."
                )
            found.append(_route(home, name, secret.get_secret_value(), now))
    return found


def _route(home: Home, name: str, secret: str, now: Callable[[], datetime]) -> access.GuardedRoute:
    inbox = Inbox(inbox_folder(home.folder, name))

    async def take_message(request: Request) -> Response:
        body = await request.body()
        try:
            if len(body) > MAX_BYTES:
                raise BadMessageError("more than 256 KiB")
            message_id = verify(secret, request.headers, body, now())
            # On the disk before it is answered: what is answered is sent no more.
            await run_in_threadpool(inbox.keep, message_id, body, now())
        except BadMessageError as error:
            logger.warning("refused a message for %s from %s: %s", name, client_of(request), error)
            return PlainTextResponse("refused\n", 401)
        return Response(status_code=204)

    return access.route(f"/hooks/{name}", take_message, who=access.signed, methods=["POST"], name=f"hook_{name}")
