"""Bounds how often passwords may be tried, by network and by account."""

from __future__ import annotations

import hashlib
import ipaddress
from functools import lru_cache

from tornado_router.config.options import AuthOptions
from tornado_router.error_codes import Refusal
from tornado_router.limits.holders import HolderKind
from tornado_router.limits.kinds import Rates
from tornado_router.limits.limiter import Demand, Limiter, LimiterAwayError, LimitReachedError
from tornado_router.limits.retry_after import duration, retry_headers

NETWORKS_AT_ONCE = 10
"""One account may be tried from so many networks as often as from each of them."""


class Throttle:
    """Counts each try before it costs any work; one too many is refused.

    Every method raises an ApiError: 429, there were too many; 503, the limits are unavailable.

    Args:
        limiter: counts.
        options: the most tries in a minute.
    """

    def __init__(self, limiter: Limiter, options: AuthOptions) -> None:
        self._limiter = limiter
        self._options = options

    async def arrival(self, network: str) -> None:
        """Counts a try to sign in or to register, whatever was sent."""
        await self._count(self._of(network))

    async def sign_in(self, network: str, email: str) -> None:
        """Counts a try to sign in to one account, which has arrived.

        By network, so that one client cannot lock others out; and in all, so that many networks
        together guess no password either.
        """
        account = hashlib.sha256(email.encode()).hexdigest()[:32]
        most = self._options.attempts_per_account
        await self._count(
            Rates(HolderKind.SIGN_IN.id(account, network), requests=most),
            Rates(HolderKind.SIGN_IN.id(account), requests=most * NETWORKS_AT_ONCE),
        )

    async def proof(self, network: str, user_id: int) -> None:
        """Counts a try of a signed-in user to confirm the password."""
        most = self._options.attempts_per_account
        await self._count(self._of(network), Rates(HolderKind.PROOF.id(user_id), requests=most))

    def _of(self, network: str) -> Rates:
        return Rates(HolderKind.NETWORK.id(network), requests=self._options.attempts_per_address)

    async def _count(self, *rates: Rates) -> None:
        try:
            lease = await self._limiter.admit(Demand("", rates))
        except LimitReachedError as reached:
            wait = reached.retry_after or 1.0
            raise Refusal.too_many_attempts(
                wait=duration(wait), headers=retry_headers(wait)
            ) from None
        except LimiterAwayError:
            raise Refusal.limits_unavailable() from None
        self._limiter.settle(lease, 0, 0)


@lru_cache(maxsize=1024)
def network_of(address: str) -> str:
    """What one customer of a network has: an IPv4 address, or the whole /64 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # a Unix socket has none
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
