"""Chooses what sends the requests to a provider."""

from __future__ import annotations

from collections.abc import Mapping

from tornado_router.background.held_memory import HeldMemory
from tornado_router.calls.upstream.interface import Upstream
from tornado_router.calls.upstream.llhttp_client import LlhttpUpstream
from tornado_router.config.options import ProviderOptions
from tornado_router.config.proxy import Proxies


def open_upstream(
    name: str,
    options: ProviderOptions,
    memory: HeldMemory,
    environ: Mapping[str, str] | None = None,
) -> Upstream:
    """The connections to one provider. To be made and closed on the running event loop.

    Args:
        name: of the provider, for messages.
        options: what sends requests, time-outs, and bounds on the pool and on bodies.
        memory: what the bodies of all providers and of all clients hold together.
        environ: may name proxies.
    """
    if options.http_client == "aiohttp" or Proxies(options.proxy, environ or {}):
        # Loaded only where it is needed, as it takes 11 MB.
        from tornado_router.calls.upstream.aiohttp_client import AiohttpUpstream  # noqa: PLC0415

        return AiohttpUpstream(name, options, memory, environ)
    return LlhttpUpstream(name, options, memory)
