"""The provider: what its table may hold, its URLs, and the headers of every request."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from tornado_router.provider import (
    ApiError,
    OptionError,
    PassThrough,
    Provider,
    Translator,
    UpstreamRequest,
    UpstreamResponse,
    header_value,
    header_values,
)
from tornado_router_google.chat import ChatCompletions
from tornado_router_google.embeddings import Embeddings
from tornado_router_google.errors import read_error
from tornado_router_google.images import Images
from tornado_router_google.transcription import Transcriptions

_VERSION = re.compile(r"/v[0-9]+[a-z0-9]*$")

DEFAULT_BASE_URL = "https://generativelanguage.googleapis.com/v1beta"


class GoogleProvider(Provider):
    """The Gemini API, or Vertex AI by `base_url`: https://ai.google.dev/api."""

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        "chat.completions": (
            "stream",
            "tools",
            "parallel_tools",
            "images",
            "audio",
            "files",
            "json_object",
            "json_schema",
            "logprobs",
            "n",
            "reasoning",
        ),
        "embeddings": (),
        "audio.transcriptions": (),
        "images.generations": (),
    }
    remembers: ClassVar[bool] = True
    otel_provider_name = "gcp.gemini"
    options_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "api_key": {
                "type": "string",
                "writeOnly": True,
                "description": "Sent as `x-goog-api-key`.",
            },
            "access_token": {
                "type": "string",
                "writeOnly": True,
                "description": "Sent as `Authorization: Bearer`, for Vertex AI without an API key.",
            },
            "base_url": {
                "type": "string",
                "pattern": "^https?://[^/]",
                "examples": ["https://generativelanguage.googleapis.com"],
                "default": DEFAULT_BASE_URL,
                "description": "What stands before `/models/MODEL`: the Gemini API with its "
                "version, or `https://LOCATION-aiplatform.googleapis.com/v1/projects/PROJECT"
                "/locations/LOCATION/publishers/google`.",
            },
            "headers": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "writeOnly": True,
                "description": "More headers for every request.",
            },
        },
    }

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name, options)
        if not options.keys() & {"api_key", "access_token", "base_url", "headers"}:
            raise OptionError("api_key", "is needed for Google's own API")
        self.base_url: str = options.get("base_url", DEFAULT_BASE_URL).rstrip("/")
        self.on_vertex = "/publishers/" in self.base_url
        if self.on_vertex:
            self.otel_provider_name = "gcp.vertex_ai"
        self.headers = _headers(options)
        self.endpoints: dict[str, Translator] = {
            "chat.completions": ChatCompletions(self),
            "embeddings": Embeddings(self),
            "audio.transcriptions": Transcriptions(self),
            "images.generations": Images(self),
        }

    def url(self, model: str, method: str) -> str:
        """Where a method of a model is; the model may be a path, such as `tunedModels/mine`.

        Raises:
            ApiError: 404 for a name that would lead to another place.
        """
        if any(part in ("", ".", "..") for part in model.split("/")):
            raise ApiError(
                404, "There is no model of this name.", param="model", code="model_not_found"
            )
        path = model if "/" in model else f"models/{model}"
        return f"{self.base_url}/{quote(path, safe='/@')}:{method}"

    def probe(self) -> UpstreamRequest | None:
        """https://ai.google.dev/api/models#method:-models.list, which Vertex AI has elsewhere."""
        if self.on_vertex:
            return None
        return UpstreamRequest(f"{self.base_url}/models?pageSize=1", b"", self.headers, "GET")

    def pass_through(self, request: PassThrough) -> UpstreamRequest | None:
        """The same path of the Gemini API. Vertex AI shares its host with all of Google Cloud."""
        if self.on_vertex:
            return None
        return request.to(_VERSION.sub("", self.base_url), self.headers)

    def parse_error(self, response: UpstreamResponse) -> ApiError:
        """The error behind a response whose status is not a success."""
        return read_error(self.name, response)


def _headers(options: Mapping[str, Any]) -> dict[str, str]:
    """https://ai.google.dev/gemini-api/docs/api-key, and Google Cloud's bearer tokens."""
    headers = {"Content-Type": "application/json"}
    key = header_value("api_key", options.get("api_key", ""), key=True)
    token = header_value("access_token", options.get("access_token", ""), key=True)
    if key:
        headers["x-goog-api-key"] = key
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers | header_values("headers", options.get("headers", {}))
