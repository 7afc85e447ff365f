"""Chooses what the examples of a running router ask for: models that it serves."""

from __future__ import annotations

from collections.abc import Mapping

from tornado_router.endpoints import (
    AUDIO_TRANSCRIPTIONS,
    AUDIO_TRANSLATIONS,
    EMBEDDINGS,
    ENDPOINTS,
    MODERATIONS,
    RERANK,
    Endpoint,
)
from tornado_router.errors import ApiError
from tornado_router.routing.routes import Router

_WORDS = {
    AUDIO_TRANSCRIPTIONS.name: "transcribe",
    AUDIO_TRANSLATIONS.name: "whisper",
    EMBEDDINGS.name: "embed",
    MODERATIONS.name: "moderation",
}
"""What is in the names of models for these endpoints, and in no others."""

_OTHER_WORDS = ("audio", "dall-e", "image", "realtime", RERANK.name, "sora", "tts", "whisper")
"""What is in the names of models that make or read something other than text."""


def example_models(router: Router) -> Mapping[str, str]:
    """A model for the examples of each endpoint, by its name, and for counting its tokens.

    The one that they have anyway, if the router serves it; else the first that is meant for the
    endpoint, by its name; else the first that is able. An endpoint without any is left out.
    """
    chosen = {}
    for endpoint in ENDPOINTS.values():
        models = _able(router, endpoint)
        if models:
            meant = (model for model in models if _is_meant_for(endpoint, model))
            chosen[endpoint.name] = next(meant, models[0])
            if endpoint.count_name:
                chosen[endpoint.count_name] = chosen[endpoint.name]
    return chosen


def _able(router: Router, endpoint: Endpoint) -> list[str]:
    """The models that can be asked for there; first, if it is one, that of the examples."""
    usual = [body["model"] for body in endpoint.documentation.examples.values()][:1]
    names = [*usual, *(name for model in usual for name in router.alike(f"/{model}"))]
    return [name for name in names if _is_able(router, endpoint, name)]


def _is_able(router: Router, endpoint: Endpoint, model: str) -> bool:
    try:
        router.route(model, endpoint.name)
    except ApiError:
        return False
    return True


def _is_meant_for(endpoint: Endpoint, model: str) -> bool:
    word = _WORDS.get(endpoint.name)
    if word:
        return word in model
    return not any(other in model for other in (*_WORDS.values(), *_OTHER_WORDS))
