"""Pure translations between endpoints, for providers that have the one and not the other.

A bridge is chosen for each target when a call is sent there: nothing above one attempt knows of
it. Where client and provider speak the same endpoint, there is none.
"""

from __future__ import annotations

from collections.abc import Callable

from tornado_router.endpoints.bridges.base import (
    Bridge,
    BridgedProvider,
    BridgedStream,
    Server,
)
from tornado_router.endpoints.bridges.chat_to_responses import ChatToResponses
from tornado_router.endpoints.bridges.completions_to_chat import CompletionsToChat
from tornado_router.endpoints.bridges.many_choices import MOST, ManyChoices
from tornado_router.endpoints.bridges.messages_to_chat import MessagesToChat
from tornado_router.endpoints.bridges.responses_to_chat import ResponsesToChat
from tornado_router.endpoints.chat_completions import CHAT_COMPLETIONS
from tornado_router.provider import Provider

__all__ = ["BRIDGES", "Bridge", "BridgedProvider", "BridgedStream", "Server", "bridged", "serves"]

BRIDGES: tuple[Bridge, ...] = (
    CompletionsToChat(),
    MessagesToChat(),
    ResponsesToChat(),
    ChatToResponses(),
)
"""Every bridge. Of several from one endpoint, the first whose target a provider has is taken."""


def serves(provider: Provider, endpoint: str) -> bool:
    """Whether a provider has an endpoint, or bridges lead to one that it has."""
    return provider.supports(endpoint) or bool(_path(endpoint, provider.supports))


def bridged(provider: Provider, endpoint: str, chat_by: str = "", choices: int = 1) -> Server:
    """What serves an endpoint: the provider itself, or what leads to another of its endpoints.

    Args:
        provider: serves it, by whatever way.
        endpoint: that the client called.
        chat_by: the endpoint by which a target takes chat completions, and all that is bridged to
            them; empty for their own. A provider that lacks it is none that this is about.
        choices: that are asked for; a provider that has one of them is asked as often.
    """
    if chat_by and endpoint != chat_by and provider.supports(chat_by):
        path = _path(endpoint, chat_by.__eq__)
    elif provider.supports(endpoint):
        path = ()
    else:
        path = _path(endpoint, provider.supports)
        assert path, "routing plans no target that cannot serve the call"
    server: Server = provider
    asks_often = 1 < choices <= MOST
    if asks_often and _has_one_choice(provider, path[-1].target if path else endpoint):
        server = ManyChoices(server)
    for bridge in reversed(path):
        server = BridgedProvider(server, bridge)
        if asks_often and bridge.source == CHAT_COMPLETIONS.name:
            server = ManyChoices(server)
    return server


def _has_one_choice(provider: Provider, endpoint: str) -> bool:
    """Whether it is the provider's own chat that lacks `n`."""
    is_chat = endpoint == CHAT_COMPLETIONS.name
    return is_chat and "n" not in provider.capabilities.get(endpoint, ())


def _path(endpoint: str, has: Callable[[str], bool]) -> tuple[Bridge, ...]:
    """The bridges from an endpoint to one that is there, one or two; none if they do not lead far.

    Args:
        endpoint: where it begins.
        has: whether an endpoint is there.
    """
    first = [bridge for bridge in BRIDGES if bridge.source == endpoint]
    for bridge in first:
        if has(bridge.target):
            return (bridge,)
    for bridge in first:
        for second in BRIDGES:
            if second.source == bridge.target and second.target != endpoint and has(second.target):
                return bridge, second
    return ()
