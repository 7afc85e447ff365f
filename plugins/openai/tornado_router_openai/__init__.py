"""OpenAI, and every vendor that speaks its format, as a provider of Tornado Router."""

from __future__ import annotations

from collections.abc import Mapping

from tornado_router.provider import Provider, hookimpl
from tornado_router_openai.chat_rules import ChatRules
from tornado_router_openai.presets import PRESETS
from tornado_router_openai.provider import OpenAI, OpenAIProvider

__all__ = ["ChatRules", "OpenAI", "OpenAIProvider", "register_providers"]

TORNADO_ROUTER_API = 1


@hookimpl
def register_providers() -> Mapping[str, type[Provider]]:
    """Offers `type = "openai"`, and a type for each vendor that is known to speak its format."""
    return {"openai": OpenAI, **PRESETS}
