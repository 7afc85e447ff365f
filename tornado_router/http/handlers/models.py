"""`GET /v1/models` and `GET /v1/models/{id}`: what can be asked for.

OpenAI's and Anthropic's APIs have the same paths; Anthropic's clients send `anthropic-version`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.missing_model import missing_model
from tornado_router.calls.permissions import may_use
from tornado_router.endpoints import ANTHROPIC
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.handlers.management import integer
from tornado_router.http.model_facts import ModelFactsReader
from tornado_router.http.objects.service import (
    AnthropicModel,
    AnthropicModelPage,
    Model,
    ModelList,
)
from tornado_router.http.services import Services, Serving
from tornado_router.observability.redaction import printable_name
from tornado_router.routing import routes
from tornado_router.routing.routes import model_not_found

PAGE, LARGEST_PAGE = 20, 1000
"""Models of a page: https://platform.claude.com/docs/en/api/models/list."""


class _ModelHandler(BaseHandler):
    """Answers in the form of the API whose client asks."""

    def initialize(self, services: Services) -> None:
        """Sees by a header which API is meant."""
        if "Anthropic-Version" in self.request.headers:
            self.dialect = ANTHROPIC
        super().initialize(services)

    @property
    def is_anthropics(self) -> bool:
        """Whether the client speaks Anthropic's API."""
        return self.dialect is ANTHROPIC

    def in_anthropics_form(self, names: Sequence[str]) -> list[AnthropicModel]:
        """The objects of models."""
        started, facts = self.services.process.started, ModelFactsReader(self.services.serving)
        return [AnthropicModel.of(name, started, facts.read(name).context_window) for name in names]

    def in_openais_form(self, models: Sequence[routes.Model]) -> list[Model]:
        """The same in the form of OpenAI's API, whose clients pass over fields of others."""
        started, facts = self.services.process.started, ModelFactsReader(self.services.serving)
        return [Model.of(model, started, facts.read(model.name)) for model in models]


class ModelsHandler(_ModelHandler):
    """Every model that can be asked for by name."""

    async def get(self) -> None:
        """Lists those that the key may use, and can pay for.

        Raises:
            ApiError: 400, there is no such page.
        """
        assert self.key is not None, "models are never open"
        key, serving = self.key, self.services.serving
        models = [
            model
            for model in serving.router.models()
            if may_use(model.name, key) and _can_pay(serving, key, model.name)
        ]
        if self.is_anthropics:
            self.write_json(self._page([model.name for model in models]))
        else:
            self.write_json(ModelList(data=self.in_openais_form(models)))

    def _page(self, names: Sequence[str]) -> AnthropicModelPage:
        """The page that the query asks for."""
        query = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        limit = integer(query, "limit", PAGE)
        if limit is None or not 1 <= limit <= LARGEST_PAGE:
            raise Invalid.invalid_value(f"must be from 1 to {LARGEST_PAGE}", param="limit")
        start, end = 0, len(names)
        for param in ("after_id", "before_id"):
            if param in query and query[param] not in names:
                raise Invalid.invalid_value("there is no such model", param=param)
        if "after_id" in query:
            start = names.index(query["after_id"]) + 1
        if "before_id" in query:
            end = names.index(query["before_id"])
            shown, has_more = names[max(start, end - limit) : end], end - limit > start
        else:
            shown, has_more = names[start : start + limit], start + limit < end
        return AnthropicModelPage(
            data=self.in_anthropics_form(shown),
            has_more=has_more,
            first_id=shown[0] if shown else None,
            last_id=shown[-1] if shown else None,
        )


class ModelHandler(_ModelHandler):
    """One model; its id may hold slashes."""

    async def get(self, name: str) -> None:
        """Describes it.

        Raises:
            ApiError: 404 if there is none of that name, or the key may not use it; 403, it has no
                price, and the key pays.
        """
        assert self.key is not None, "models are never open"
        key, serving = self.key, self.services.serving
        if not may_use(name, key):
            raise model_not_found(name)
        if not serving.router.served(name):
            raise missing_model(serving.router, name, key)
        if not _can_pay(serving, key, name):
            raise Refusal.model_not_priced(model=printable_name(name))
        if self.is_anthropics:
            (shown,) = self.in_anthropics_form([name])
            self.write_json(shown)
        else:
            (model,) = self.in_openais_form([serving.router.model(name)])
            self.write_json(model)


def _can_pay(serving: Serving, key: Key, name: str) -> bool:
    """Whether a target of a model has a price, if the key needs one."""
    if not key.purses or serving.config.pricing.unpriced != "refuse":
        return True
    targets = serving.router.served(name)
    return any(serving.prices.find(target.provider, target.model) for target in targets)
