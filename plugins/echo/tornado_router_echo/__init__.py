"""A provider that works offline, by repeating the last message: for a first try, and for tests."""

from __future__ import annotations

from collections.abc import Mapping

from tornado_router.provider import Provider, hookimpl
from tornado_router_echo.provider import EchoProvider

__all__ = ["EchoProvider", "register_providers"]

TORNADO_ROUTER_API = 1


@hookimpl
def register_providers() -> Mapping[str, type[Provider]]:
    """Offers `type = "echo"`."""
    return {"echo": EchoProvider}
