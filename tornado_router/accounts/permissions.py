"""What an API key may be used for: models and endpoints."""

from __future__ import annotations

from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a key may be used for.

    Attributes:
        models: patterns, one of which a model's name has to match; None for any model.
        endpoints: names such as `chat.completions`; None for any.
    """

    models: tuple[str, ...] | None = None
    endpoints: tuple[str, ...] | None = None

    @classmethod
    def read(cls, text: str) -> Permissions:
        """Of the column `permissions`; a list there, as older rows have it, permits everything."""
        value = orjson.loads(text)
        if not isinstance(value, dict):
            return cls()
        models, endpoints = value.get("models"), value.get("endpoints")
        return cls(
            None if models is None else tuple(models),
            None if endpoints is None else tuple(endpoints),
        )

    def dump(self) -> str:
        """For the column."""
        return orjson.dumps({"models": self.models, "endpoints": self.endpoints}).decode()
