"""Pure translations between endpoints, for providers that have the one and not the other.

A bridge is chosen for each target when a call is sent there: nothing above one attempt knows of
it. Where client and provider speak the same endpoint, there is none.
"""

from __future__ import annotations

from tornado_router.endpoints.bridges.base import Bridge, BridgedProvider, BridgedStream
from tornado_router.endpoints.bridges.completions_to_chat import CompletionsToChat
from tornado_router.provider import Provider

__all__ = ["BRIDGES", "Bridge", "BridgedProvider", "BridgedStream", "bridged", "serves"]

BRIDGES: tuple[Bridge, ...] = (CompletionsToChat(),)
"""Every bridge. Of several from one endpoint, the first whose target a provider has is taken."""


def serves(provider: Provider, endpoint: str) -> bool:
    """Whether a provider has an endpoint, or a bridge leads to one that it has."""
    return provider.supports(endpoint) or _bridge(provider, endpoint) is not None


def bridged(provider: Provider, endpoint: str) -> Provider | BridgedProvider:
    """What serves an endpoint: the provider itself, or a bridge to another of its endpoints."""
    if provider.supports(endpoint):
        return provider
    bridge = _bridge(provider, endpoint)
    assert bridge is not None, "routing plans no target that cannot serve the call"
    return BridgedProvider(provider, bridge)


def _bridge(provider: Provider, endpoint: str) -> Bridge | None:
    for bridge in BRIDGES:
        if bridge.source == endpoint and provider.supports(bridge.target):
            return bridge
    return None
