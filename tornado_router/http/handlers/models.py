"""`GET /v1/models` and `GET /v1/models/{id}`: what can be asked for."""

from __future__ import annotations

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.admission import may_use
from tornado_router.calls.missing_model import missing_model
from tornado_router.error_codes import Refusal
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.objects.service import Model, ModelList
from tornado_router.http.services import Serving
from tornado_router.observability.redaction import printable_name
from tornado_router.routing.routes import model_not_found


class ModelsHandler(BaseHandler):
    """Every model that can be asked for by name."""

    async def get(self) -> None:
        """Lists those that the key may use, and can pay for."""
        assert self.key is not None, "models are never open"
        key, serving = self.key, self.services.serving
        models = [
            Model.of(model, self.services.process.started)
            for model in serving.router.models()
            if may_use(model.name, key) and _can_pay(serving, key, model.name)
        ]
        self.write_json(ModelList(data=models))


class ModelHandler(BaseHandler):
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
        self.write_json(Model.of(serving.router.model(name), self.services.process.started))


def _can_pay(serving: Serving, key: Key, name: str) -> bool:
    """Whether a target of a model has a price, if the key needs one."""
    if not key.purses or serving.config.pricing.unpriced != "refuse":
        return True
    targets = serving.router.served(name)
    return any(serving.prices.find(target.provider, target.model) for target in targets)
