"""Connections to vendors: the one place of the router that opens a socket to one.

Two clients send requests and read responses, and `opening` chooses. `llhttp_client` is the router's
own: `connecting` makes connections, `pool` keeps them, `request_head` writes the heads of requests,
and `connection` parses into an `exchange` each. `aiohttp_client` goes through proxies, too; what it
needs from aiohttp beyond its public interface is in `aiohttp_internals`, and nowhere else.
"""

from tornado_router.calls.upstream.interface import Upstream
from tornado_router.calls.upstream.opening import open_upstream

__all__ = ["Upstream", "open_upstream"]
