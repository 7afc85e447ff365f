"""What is known of a model, for clients that list models. What is not known is not there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from tornado_router.config.options import TargetOptions
from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.bridges import serves
from tornado_router.http.services import Serving
from tornado_router.routing.pattern_table import PatternTable
from tornado_router.routing.routes import Target


class ModelFacts(NamedTuple):
    """What is known of one model.

    Attributes:
        context_window: of the target whose is the largest, as a longer prompt goes there; or None.
        max_output_tokens: the same of a response.
        input_modalities: that one of its targets, at least, can read; none if that is not known.
        endpoints: by which it can be called.
        prices: US dollars for a million tokens, by kind; None if it has none, or its targets
            have different ones.
    """

    context_window: int | None
    max_output_tokens: int | None
    input_modalities: tuple[str, ...]
    endpoints: tuple[str, ...]
    prices: dict[str, Any] | None


class ModelFactsReader:
    """Reads the facts of the models of one configuration.

    Args:
        serving: the configuration.
    """

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._tables = PatternTable(serving.config.targets)

    def read(self, name: str) -> ModelFacts:
        """The facts of a model by its name."""
        targets = self._serving.router.served(name)
        options = [self._options(target) for target in targets]
        known = {kind for item in options for kind in item.input_modalities}
        return ModelFacts(
            max((item.context_window or 0 for item in options), default=0) or None,
            max((item.max_output_tokens or 0 for item in options), default=0) or None,
            tuple(kind for kind in MODALITIES if kind in known),
            self._endpoints(targets),
            self._prices(targets),
        )

    def _options(self, target: Target) -> TargetOptions:
        return self._tables.find(f"{target.provider}/{target.model}") or _UNKNOWN

    def _endpoints(self, targets: Sequence[Target]) -> tuple[str, ...]:
        names = {target.provider for target in targets}
        found = [self._serving.providers[name].provider for name in names]
        providers = [provider for provider in found if provider is not None]
        return tuple(
            name for name in ENDPOINTS if any(serves(provider, name) for provider in providers)
        )

    def _prices(self, targets: Sequence[Target]) -> dict[str, Any] | None:
        found = [self._serving.prices.find(target.provider, target.model) for target in targets]
        texts = {price.prices if price else "" for price in found}
        text = texts.pop() if len(texts) == 1 else ""
        return orjson.loads(text) if text else None


MODALITIES = ("text", "image", "audio", "file")

_UNKNOWN = TargetOptions()
