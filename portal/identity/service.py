"""The portal's knowledge of people, put together from the settings."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from orchestration.home.audit import AuditLog
from orchestration.home.paths import Home
from orchestration.home.settings import Settings
from portal.identity.openid import Provider
from portal.identity.outbox import Outbox, SignInMail
from portal.identity.person import Person, person_of
from portal.identity.store import FILE, IdentityStore
from portal.limits import Limits
from portal.published import Reading
from portal.security import cookie_name, is_https
from warehouse.errors import UserError

logger = logging.getLogger("portal")

STAY = "stay"


@dataclass(frozen=True)
class Identity:
    """Who may come in, by which ways, and who is in. `mail` and `provider` are None where that way is closed."""

    base_url: str
    secret: str = field(repr=False)
    administrators: frozenset[str]
    store: IdentityStore
    audit: AuditLog
    limits: Limits
    mail: SignInMail | None
    outbox: Outbox
    provider: Provider | None
    now: Callable[[], datetime]

    @classmethod
    def of(cls, home: Home, settings: Settings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Identity:
        """Return the identity of the portal of `home`.

        Raises UserError when settings that belong together are not together.
        """
        portal = settings.portal
        if portal.base_url is None or portal.secret is None:
            raise UserError("The portal needs the setting portal.base_url and the variable OPCO_PORTAL__SECRET.")
        secret = portal.secret.get_secret_value()
        return cls(
            base_url=portal.base_url,
            secret=secret,
            administrators=frozenset(address.lower() for address in portal.administrators),
            store=IdentityStore(
                home.portal / FILE,
                secret,
                idle=timedelta(minutes=portal.idle_minutes),
                longest=timedelta(hours=portal.session_hours),
            ),
            audit=AuditLog.of(home, now),
            limits=Limits(),
            mail=SignInMail.of(settings) if portal.sign_in_links else None,
            outbox=Outbox(),
            provider=Provider.of(settings),
            now=now,
        )

    def new_key(self) -> str:
        """Return a key that nobody can guess."""
        return secrets.token_urlsafe(24)

    def email(self, request: Request) -> str | None:
        """Return the address that was proven for the stay that the request belongs to, if it is in one."""
        key = request.cookies.get(self._cookie)
        return self.store.email_of_stay(key, self.now()) if key else None

    def person(self, request: Request, reading: Reading) -> Person | None:
        """Return who asks, as the build knows them; None when not signed in, or nobody any more."""
        email = self.email(request)
        if not email:
            return None
        return reading.once(("person", email), lambda db: person_of(db, email, self.administrators))

    def begin_stay(self, request: Request, response: Response, email: str, way: str) -> None:
        """Begin a new stay for `email`, end the one before it in this browser, and say so in `response`."""
        self._end(request)
        response.set_cookie(
            self._cookie,
            self.store.begin_stay(email, way, self.now()),
            max_age=int(self.store.longest.total_seconds()),
            path="/",
            secure=is_https(self.base_url),
            httponly=True,
            samesite="lax",
        )

    def end_stay(self, request: Request, response: Response) -> None:
        """End the stay that the request belongs to."""
        self._end(request)
        response.delete_cookie(self._cookie, path="/", secure=is_https(self.base_url), httponly=True, samesite="lax")

    def _end(self, request: Request) -> None:
        if key := request.cookies.get(self._cookie):
            self.store.end_stay(key)
        # Its forms end with it.
        request.session.clear()

    @property
    def _cookie(self) -> str:
        return cookie_name(self.base_url, STAY)
