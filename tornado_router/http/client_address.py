"""The address of a client, where proxies stand before the router."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from tornado.httputil import HTTPServerRequest

from tornado_router.errors import Fault

CACHED = 1024
"""So many addresses are remembered as parsed: each request needs one, which takes 5 us."""


def client_address(peer: str, forwarded_for: Sequence[str], trusted: tuple[str, ...]) -> str:
    """The address of a client.

    Each proxy appends the address that its request came from to `X-Forwarded-For`. What is before
    the last address that no trusted proxy wrote, the client may have made up.

    Args:
        peer: the other end of the connection.
        forwarded_for: each `X-Forwarded-For` header of the request, in order.
        trusted: addresses and networks of proxies, as `[server] trusted_proxies` has them.
    """
    if not trusted:
        return peer
    addresses = [item.strip() for header in forwarded_for for item in header.split(",")]
    while addresses and is_trusted(peer, trusted):
        address = _without_port(addresses.pop())
        if _parse(address) is None:
            break  # not an address
        peer = address
    return peer


@lru_cache(maxsize=CACHED)
def is_trusted(address: str, trusted: tuple[str, ...]) -> bool:
    """Whether an address is one of the proxies in `[server] trusted_proxies`."""
    parsed = _parse(address)
    if parsed is None:
        return False
    return any(parsed in ipaddress.ip_network(text) for text in trusted)


def address_of(request: HTTPServerRequest, trusted: tuple[str, ...]) -> str:
    """The address that a request came from; see `client_address`."""
    if not trusted:
        return request.remote_ip or ""
    forwarded_for = request.headers.get_list("X-Forwarded-For")
    return client_address(request.remote_ip or "", forwarded_for, trusted)


def check_proxies(trusted: tuple[str, ...]) -> list[Fault]:
    """The faults of `[server] trusted_proxies`."""
    faults = []
    for index, text in enumerate(trusted):
        where = f"server.trusted_proxies[{index}]"
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            message = f"is not an address or a network such as 10.0.0.0/8: {text!r}"
            faults.append(Fault(where, message))
            continue
        if "/" in text and network.network_address != ipaddress.ip_interface(text).ip:
            message = (
                f"has bits set after its prefix: {text!r}; for the whole network, write {network}"
            )
            faults.append(Fault(where, message))
    return faults


def _without_port(address: str) -> str:
    """`1.2.3.4:5678` and `[2001:db8::1]:443` as some proxies write them, without what is added."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


@lru_cache(maxsize=CACHED)
def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed  # a server that listens on both sees ::ffff:10.0.0.1
