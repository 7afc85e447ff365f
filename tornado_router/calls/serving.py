"""What requests are served by that a router.toml decides; a reload puts another in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tornado_router.accounts.plans import Plans
from tornado_router.calls.gateway import Gateway
from tornado_router.config.reader import Config
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.routing.routes import Router
from tornado_router.validation import Validator


@dataclass(frozen=True)
class Serving:
    """Everything of one reading of a router.toml, so that no request sees parts of two.

    Attributes:
        config: the whole file.
        providers: every configured provider, by name.
        plans: of users.
        router: the names of models.
        gateway: serves calls.
        validators: of requests, by endpoint.
    """

    config: Config
    providers: Mapping[str, ConfiguredProvider]
    plans: Plans
    router: Router
    gateway: Gateway
    validators: Mapping[str, Validator]
