"""Connections to vendors: the one place of the router that opens a socket to one.

`client` sends requests and reads responses. What it needs from aiohttp beyond its public
interface is in `aiohttp_internals`, and nowhere else.
"""

from tornado_router.calls.upstream.client import Upstream

__all__ = ["Upstream"]
