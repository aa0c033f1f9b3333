"""Links: signed, good for one delivery and until one instant."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from itsdangerous import BadData, URLSafeSerializer

SALT = "opco.delivery"
"""Keeps what is signed here apart from whatever else the same secret may sign one day."""


DOWNLOAD = "download"
"""Where below its address the portal answers links."""


class BadLinkError(Exception):
    """A link that leads nowhere; its text says why, for the log alone."""


@dataclass(frozen=True)
class Link:
    """What a link says: which delivery, the checksum of its file, and until when it holds."""

    delivery_id: str
    sha256: str
    expires_at: datetime


def download_url(base_url: str, token: str) -> str:
    """Return the address under which the portal at `base_url` answers `token`."""
    return f"{base_url}/{DOWNLOAD}/{token}"


@dataclass(frozen=True)
class Signer:
    """Signs links with `secret`; another secret knows none of them."""

    secret: str = field(repr=False)

    def token(self, link: Link) -> str:
        """Return the link as one piece of a URL's path."""
        payload = [link.delivery_id, link.sha256, int(link.expires_at.timestamp())]
        return str(self._serializer().dumps(payload))

    def read(self, token: str, now: datetime) -> Link:
        """Return what `token` says. Raises BadLinkError for one that is forged or expired at `now`."""
        try:
            delivery_id, sha256, seconds = self._serializer().loads(token)
        except BadData as error:
            raise BadLinkError("forged") from error
        link = Link(delivery_id, sha256, datetime.fromtimestamp(seconds, UTC))
        if now >= link.expires_at:
            raise BadLinkError(f"expired at {link.expires_at:%Y-%m-%dT%H:%M:%SZ}, delivery {delivery_id}")
        return link

    def _serializer(self) -> URLSafeSerializer:
        signing = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        return URLSafeSerializer(self.secret, salt=SALT, signer_kwargs=signing)
