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

from orchestration.settings import Settings
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


@dataclass(frozen=True)
class Provider:
    """The provider, and this portal as its client."""

    client: StarletteOAuth2App
    issuer: str

    @classmethod
    def of(cls, settings: Settings) -> Provider | None:
        """Return the provider that the settings name, or None. Raises UserError when its client is not named."""
        said = settings.portal
        if said.openid_issuer is None:
            return None
        if said.openid_client_id is None or said.openid_client_secret is None:
            raise UserError(
                "The setting portal.openid_issuer needs portal.openid_client_id and the variable "
                "OPCO_PORTAL__OPENID_CLIENT_SECRET beside it."
            )
        return cls(
            OAuth().register(
                NAME,
                client_id=said.openid_client_id,
                client_secret=said.openid_client_secret.get_secret_value(),
                server_metadata_url=f"{said.openid_issuer}/.well-known/openid-configuration",
                client_kwargs={
                    "scope": " ".join(said.openid_scopes),
                    "code_challenge_method": "S256",
                    "timeout": TIMEOUT_SECONDS,
                },
            ),
            said.openid_issuer,
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
        if claims.get("email_verified") is not True:
            raise NotProvenError(f"the address of {claims.get('sub')!r} is not verified")
        try:
            return checked_address(str(claims.get("email", "")), "The address").lower()
        except UserError as error:
            raise NotProvenError(str(error)) from error

    async def _claims(self, token: dict[str, Any]) -> dict[str, Any]:
        """Return what the provider says of the person: in the ID token, or beside it."""
        claims: dict[str, Any] = dict(token["userinfo"])
        if "email" not in claims and "userinfo_endpoint" in self.client.server_metadata:
            more = await self.client.userinfo(token=token)
            if more.get("sub") != claims["sub"]:
                raise ValueError("the provider's two answers are of two people")
            claims = {**more, **claims}
        return claims

    async def _check_provider(self) -> None:
        """Load what the provider says of itself, once. Raises ValueError when it is another than the one named."""
        said = await self.client.load_server_metadata()
        if str(said.get("issuer", "")).rstrip("/") != self.issuer:
            raise ValueError(f"it calls itself {said.get('issuer')!r}, not {self.issuer!r}")
        # Of what it can sign with, only signatures that nobody but the provider can make.
        named = said.get("id_token_signing_alg_values_supported") or ["RS256"]
        said["id_token_signing_alg_values_supported"] = [name for name in named if name in ASYMMETRIC]
