"""`GET /v1/models` and `GET /v1/models/{id}`: what can be asked for."""

from __future__ import annotations

from typing import Any

from tornado_router.handlers.base import BaseHandler
from tornado_router.routing import Model


class ModelsHandler(BaseHandler):
    """Every model that can be asked for by name."""

    async def get(self) -> None:
        """Lists them."""
        models = self.services.router.models()
        self.write_json({"object": "list", "data": [_body(self, model) for model in models]})


class ModelHandler(BaseHandler):
    """One model; its id may hold slashes."""

    async def get(self, name: str) -> None:
        """Describes it.

        Raises:
            ApiError: 404 if there is none of that name.
        """
        self.write_json(_body(self, self.services.router.model(name)))


def _body(handler: BaseHandler, model: Model) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": handler.services.started,
        "owned_by": model.owner,
    }
