"""Sign-in by the organisation's OpenID Connect provider: authorization code with PKCE, state and nonce (Authlib)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth, StarletteOAuth2App
from httpx2 import HTTPError
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from orchestration.home.settings import Settings
from reports.delivery.recipients import checked_address
from warehouse.errors import OpcoError, UserError

logger = logging.getLogger("portal")

TIMEOUT_SECONDS = 10
NAME = "openid"
ASYMMETRIC = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}


class ProviderError(OpcoError):
    """The provider cannot be reached, or says what it should not."""


class NotProvenError(OpcoError):
    """The sign-in did not end with an address that the provider vouches for; its text is for the log alone."""


class Client(StarletteOAuth2App):  # type: ignore[misc]  # Authlib has no types
    """Authlib's client, which would keep the provider's keys until it ends."""

    async def parse_id_token(self, *arguments: Any, **named: Any) -> Any:
        """Check an ID token by the keys that the provider has now: one may be renewed under the same id, or have none.

        Errors as Authlib's.
        """
        await self.fetch_jwk_set(force=True)
        return await super().parse_id_token(*arguments, **named)


@dataclass(frozen=True)
class Provider:
    """The provider, and this portal as its client.

    `vouches_for_all` tells that each address of the provider counts as verified where it says nothing of that.
    """

    client: StarletteOAuth2App
    issuer: str
    vouches_for_all: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Provider | None:
        """Return the provider that the settings name, or None. Raises UserError when its client is not named."""
        portal = settings.portal
        if portal.openid_issuer is None:
            return None
        if portal.openid_client_id is None or portal.openid_client_secret is None:
            raise UserError(
                "The setting portal.openid_issuer needs portal.openid_client_id and the variable "
                "OPCO_PORTAL__OPENID_CLIENT_SECRET beside it."
            )
        return cls(
            OAuth().register(
                NAME,
                client_cls=Client,
                client_id=portal.openid_client_id,
                client_secret=portal.openid_client_secret.get_secret_value(),
                server_metadata_url=f"{portal.openid_issuer}/.well-known/openid-configuration",
                client_kwargs={
                    "scope": " ".join(portal.openid_scopes),
                    "code_challenge_method": "S256",
                    "timeout": TIMEOUT_SECONDS,
                },
            ),
            portal.openid_issuer,
            portal.openid_vouches_for_all,
        )

    async def begin(self, request: Request, callback_url: str) -> Response:
        """Return the way to the provider. Raises ProviderError when it cannot be reached."""
        try:
            await self._check_provider()
            answer: Response = await self.client.authorize_redirect(request, callback_url)
        except (HTTPError, OAuthError, RuntimeError, ValueError, KeyError) as error:
            raise ProviderError(f"The OpenID Connect provider cannot be used: {error!r}") from error
        return answer

    async def proven_email(self, request: Request) -> str:
        """Return the address that the provider's answer proves, in small letters.

        Raises NotProvenError when it proves none: refused, forged, used before, another browser's, an address that the
        provider did not verify. Raises ProviderError when the provider cannot be reached.
        """
        try:
            await self._check_provider()
            token: dict[str, Any] = await self.client.authorize_access_token(
                request,
                # Authlib leaves both to us: who says it, and to whom.
                claims_options={
                    "iss": {"essential": True, "value": self.client.server_metadata["issuer"]},
                    "aud": {"essential": True, "value": self.client.client_id},
                },
            )
            claims = await self._claims(token)
        except HTTPError as error:
            raise ProviderError(f"The OpenID Connect provider cannot be used: {error!r}") from error
        except (OAuthError, JoseError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise NotProvenError(repr(error)) from error
        if claims.get("email_verified", self.vouches_for_all) is not True:
            raise NotProvenError(f"the address of {claims.get('sub')!r} is not verified")
        try:
            return checked_address(str(claims.get("email", "")), "The address").lower()
        except UserError as error:
            raise NotProvenError(str(error)) from error

    async def _claims(self, token: dict[str, Any]) -> dict[str, Any]:
        """Return what the provider says of the person's address: all in the ID token, or else all beside it.

        What one answer says of an address does not hold for the address in the other.
        """
        claims: dict[str, Any] = dict(token["userinfo"])
        is_said = "email" in claims and "email_verified" in claims
        if not is_said and "userinfo_endpoint" in self.client.server_metadata:
            more: dict[str, Any] = dict(await self.client.userinfo(token=token))
            if more.get("sub") != claims["sub"]:
                raise ValueError("the provider's two answers are of two people")
            if "email" in more:
                return more
        return claims

    async def _check_provider(self) -> None:
        """Load what the provider says of itself, once. Raises ValueError when it is another than the one named."""
        metadata = await self.client.load_server_metadata()
        if str(metadata.get("issuer", "")).rstrip("/") != self.issuer:
            raise ValueError(f"it calls itself {metadata.get('issuer')!r}, not {self.issuer!r}")
        # Of what it can sign with, only signatures that nobody but the provider can make.
        named = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        metadata["id_token_signing_alg_values_supported"] = [name for name in named if name in ASYMMETRIC]
