"""Anthropic's Messages API as a provider of Tornado Router."""

from __future__ import annotations

from collections.abc import Mapping

from tornado_router.provider import Provider, hookimpl
from tornado_router_anthropic.provider import AnthropicProvider

__all__ = ["AnthropicProvider", "register_providers"]

TORNADO_ROUTER_API = 1


@hookimpl
def register_providers() -> Mapping[str, type[Provider]]:
    """Offers `type = "anthropic"`."""
    return {"anthropic": AnthropicProvider}
