"""Google's Gemini models as a provider of Tornado Router."""

from __future__ import annotations

from collections.abc import Mapping

from tornado_router.provider import Provider, hookimpl
from tornado_router_google.provider import GoogleProvider

__all__ = ["GoogleProvider", "register_providers"]

TORNADO_ROUTER_API = 1


@hookimpl
def register_providers() -> Mapping[str, type[Provider]]:
    """Offers `type = "google"`."""
    return {"google": GoogleProvider}
