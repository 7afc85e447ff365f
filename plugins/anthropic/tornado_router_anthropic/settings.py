"""The options of one provider, as the translation needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tornado_router_anthropic.models import Model, facts_of

NO_SAMPLING_SINCE = "2026-10-21"
"""API versions from this on know no sampling parameters, for any model:
https://platform.claude.com/docs/en/api/versioning."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One `[providers.NAME]`, without its secrets.

    Attributes:
        name: the NAME, for messages.
        version: of the API.
        max_tokens: sent when the client sets no limit; None for the default of the model.
        reasoning_content: whether clients are shown the model's thoughts.
        facts: what the operator knows of models, by the beginning of their names.
    """

    name: str
    version: str = "2023-06-01"
    max_tokens: int | None = None
    reasoning_content: bool = False
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def model(self, name: str) -> Model:
        """What a model takes."""
        model = facts_of(name, self.facts)
        if self.version >= NO_SAMPLING_SINCE and model.sampling != "none":
            return replace(model, sampling="none")
        return model
