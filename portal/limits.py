"""How often the same thing may be tried."""

from __future__ import annotations

import ipaddress
import math
import time

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.exceptions import HTTPException
from starlette.requests import Request

from portal.security import client_of

# Somebody else who asks for a person's links is not to keep that person from asking; a mailbox is not to be flooded.
LINKS_PER_ADDRESS_AND_CLIENT = RateLimitItemPerMinute(5, 15, namespace="links_per_address_and_client")
LINKS_PER_ADDRESS = RateLimitItemPerMinute(15, 15, namespace="links_per_address")
# A whole organisation may come from one address on a Monday morning.
LINKS_PER_CLIENT = RateLimitItemPerMinute(60, 15, namespace="links_per_client")
SIGN_INS_PER_CLIENT = RateLimitItemPerMinute(120, 15, namespace="sign_ins_per_client")
# Each is a process, even while it waits for its turn.
STARTED_RUNS = RateLimitItemPerMinute(20, 10, namespace="started_runs")
EMAILED_EXPORTS = RateLimitItemPerHour(10, 1, namespace="emailed_exports")

# Each is decoded, and takes its place on the disk for months at least.
SENT_IMAGES = RateLimitItemPerHour(60, 1, namespace="sent_images")


class Limits:
    """The tries of one running portal. They are forgotten when it ends: nobody outside can end it."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def hit(self, limit: RateLimitItem, who: str) -> None:
        """Count a try of `who`. Raises HTTPException 429, saying when to come back, when it is one too many."""
        if not self._limiter.hit(limit, who):
            reset = self._limiter.get_window_stats(limit, who).reset_time
            seconds = max(1, math.ceil(reset - time.time()))
            raise HTTPException(429, headers={"Retry-After": str(seconds)})


def check(request: Request, limit: RateLimitItem) -> None:
    """Count a try of the person who signed in, or else of the client. Errors as `Limits.hit`."""
    person = getattr(request.state, "person", None)
    limits: Limits = request.app.state.identity.limits
    limits.hit(limit, person.email if person else network_of(request))


def network_of(request: Request) -> str:
    """Return the client's address; of IPv6 the /64 network, in which one machine has any number of addresses."""
    host = client_of(request)
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return host
