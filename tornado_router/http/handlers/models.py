"""`GET /v1/models` and `GET /v1/models/{id}`: what can be asked for."""

from __future__ import annotations

from tornado_router.calls.admission import may_use
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.objects.service import Model, ModelList
from tornado_router.routing.routes import model_not_found


class ModelsHandler(BaseHandler):
    """Every model that can be asked for by name."""

    async def get(self) -> None:
        """Lists those that the key may use."""
        assert self.key is not None, "models are never open"
        key = self.key
        router, created = self.services.serving.router, self.services.process.started
        models = [model for model in router.models() if may_use(model.name, key)]
        self.write_json(ModelList(data=[Model.of(model, created) for model in models]))


class ModelHandler(BaseHandler):
    """One model; its id may hold slashes."""

    async def get(self, name: str) -> None:
        """Describes it.

        Raises:
            ApiError: 404 if there is none of that name, or the key may not use it.
        """
        assert self.key is not None, "models are never open"
        model = self.services.serving.router.model(name)
        if not may_use(name, self.key):
            raise model_not_found(name)
        self.write_json(Model.of(model, self.services.process.started))
