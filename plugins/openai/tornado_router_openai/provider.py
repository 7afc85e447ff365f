"""The provider: what its table may hold, and the headers that every request carries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from tornado_router.provider import (
    OptionError,
    PassThrough,
    Provider,
    Translator,
    UpstreamRequest,
    header_value,
    header_values,
)
from tornado_router_openai.audio_texts import Transcriptions, Translations
from tornado_router_openai.caching import has_breakpoints
from tornado_router_openai.chat import ChatCompletions
from tornado_router_openai.chat_rules import ChatRules
from tornado_router_openai.embeddings import Embeddings
from tornado_router_openai.media import ImageEdits, Images, ImageVariations, Speech
from tornado_router_openai.realtime import Realtime
from tornado_router_openai.relay import Completions, Moderations
from tornado_router_openai.rerank import Rerank
from tornado_router_openai.responses import (
    InputTokens,
    Responses,
    ResponsesCompact,
    StoredResponses,
)

_OPENAI = "https://api.openai.com/v1"
_ACCOUNT = {"organization": "OpenAI-Organization", "project": "OpenAI-Project"}

_TRANSLATORS: Mapping[str, Callable[[Any], Translator]] = {
    "audio.transcriptions": Transcriptions,
    "audio.translations": Translations,
    "audio.speech": Speech,
    "chat.completions": ChatCompletions,
    "completions": Completions,
    "embeddings": Embeddings,
    "images.edits": ImageEdits,
    "images.generations": Images,
    "images.variations": ImageVariations,
    "moderations": Moderations,
    "realtime": Realtime,
    "rerank": Rerank,
    "responses": Responses,
    "responses.compact": ResponsesCompact,
    "responses.input_tokens": InputTokens,
}


class OpenAIProvider(Provider):
    """An API in OpenAI's format with what every vendor of it has: chat and embeddings.

    A vendor of its own name is a subclass that sets what differs; one that has `completions`,
    `moderations` or `audio.speech`, too, adds them to `capabilities`.

    Attributes:
        default_base_url: where the API is; empty if the table has to say.
        needs_key: whether the default address is of no use without a key.
        key_header: the header that carries the key; `Authorization` has `Bearer` before it.
        asks_usage: whether usage in streams has to be asked for.
        renamed: fields of a request that the vendor calls otherwise.
        probe_path: what can be read free of charge, but not with a wrong key.
        hosts_openai: whether OpenAI's own models are there, by their names, at whatever address.
        unknown_hints: fields that change nothing about the response but make the vendor refuse the
            request; left out, and reported to the client.
        takes_cache_control: whether marks of Claude's prompt cache may be sent, as the vendor
            heeds or ignores them; they are left out elsewhere, or become OpenAI's.
        no_image_fields: those of a request for images that the vendor refuses, as it decides them
            itself.
        rerank_url: where the vendor's own address has reranking, if not below it.
        reranks_texts: whether reranking takes bare texts alone, and returns no documents.
        chat: what the vendor takes otherwise of chat completions. One that wants reasoning back
            sets `remembers`, too.
        is_openai: whether this is OpenAI's own API, where a null means that a field is absent.
            Others refuse some nulls, so they are left out there.
    """

    default_base_url: ClassVar[str] = _OPENAI
    needs_key: ClassVar[bool] = True
    key_header: ClassVar[str] = "Authorization"
    asks_usage: ClassVar[bool] = True
    renamed: ClassVar[Mapping[str, str]] = {}
    probe_path: ClassVar[str] = "/models"
    hosts_openai: ClassVar[bool] = False
    unknown_hints: ClassVar[Collection[str]] = ()
    takes_cache_control: ClassVar[bool] = True
    no_image_fields: ClassVar[Collection[str]] = ()
    rerank_url: ClassVar[str] = ""
    reranks_texts: ClassVar[bool] = False
    chat: ClassVar[ChatRules] = ChatRules()

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
    }
    options_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "api_key": {
                "type": "string",
                "writeOnly": True,
                "description": "The vendor's key; left out for a server that wants none.",
            },
            "base_url": {
                "type": "string",
                "pattern": "^https?://[^/]",
                "examples": ["https://api.openai.com/v1"],
                "description": "Where the API is, with its `/v1`; by default the vendor's own.",
            },
            "organization": {
                "type": "string",
                "description": "Sent as `OpenAI-Organization`; empty for none.",
            },
            "project": {
                "type": "string",
                "description": "Sent as `OpenAI-Project`; empty for none.",
            },
            "headers": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "writeOnly": True,
                "description": "More headers for every request.",
            },
            "stream_usage": {
                "type": "boolean",
                "description": "Whether to ask for usage in streams; false for a server that "
                "refuses `stream_options`.",
            },
        },
    }

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name, options)
        base_url = options.get("base_url", self.default_base_url)
        if not base_url:
            raise OptionError("base_url", "is needed: this vendor gives every customer another")
        if self.needs_key and not {"api_key", "base_url"} & set(options):
            raise OptionError("api_key", "is needed for the vendor's own API")
        self.base_url: str = base_url.rstrip("/")
        self.is_openai = self.base_url == _OPENAI
        self.has_openai_models = self.is_openai or self.hosts_openai
        self.takes_unlimited = self.chat.takes_unlimited and not self.is_openai
        self.headers = self._headers(options)
        self.form_headers = {
            name: value for name, value in self.headers.items() if name.lower() != "content-type"
        }
        self.stream_usage: bool = options.get("stream_usage", self.asks_usage)
        self.endpoints: dict[str, Translator] = {
            name: translator(self)
            for name, translator in _TRANSLATORS.items()
            if name in self.capabilities
        }
        if "responses" in self.capabilities:
            self.endpoints["responses.stored"] = StoredResponses(self)

    def takes_cache_marks(self, model: str) -> bool:
        """OpenAI's newer models, which get them as breakpoints."""
        return self.has_openai_models and has_breakpoints(model)

    def probe(self) -> UpstreamRequest:
        """https://platform.openai.com/docs/api-reference/models/list."""
        return UpstreamRequest(self.base_url + self.probe_path, b"", self.headers, "GET")

    def pass_through(self, request: PassThrough) -> UpstreamRequest:
        """The same path behind the base URL, which has the version already."""
        below = request.path.removeprefix("/v1")
        return replace(request, path=below).to(self.base_url, self.headers)

    def _headers(self, options: Mapping[str, Any]) -> dict[str, str]:
        """https://platform.openai.com/docs/api-reference/authentication."""
        headers = {"Content-Type": "application/json"}
        key = header_value("api_key", options.get("api_key", ""), key=True)
        if key:
            scheme = "Bearer " if self.key_header == "Authorization" else ""
            headers[self.key_header] = scheme + key
        for option, name in _ACCOUNT.items():
            if options.get(option):
                headers[name] = header_value(option, options[option])
        return headers | header_values("headers", options.get("headers", {}))


class OpenAI(OpenAIProvider):
    """OpenAI's own API, or any that copies all of it, by `base_url`, such as LM Studio."""

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        **OpenAIProvider.capabilities,
        "audio.transcriptions": (),
        "audio.translations": (),
        "audio.speech": (),
        "images.edits": (),
        "images.generations": (),
        "images.variations": (),
        "completions": (),
        "moderations": (),
        "realtime": (),
        "rerank": (),
        "responses": (),
        "responses.compact": (),
        "responses.input_tokens": (),
    }
    chat: ClassVar[ChatRules] = ChatRules(takes_unlimited=True)
    options_schema: ClassVar[Mapping[str, Any]] = {
        **OpenAIProvider.options_schema,
        "properties": {
            **OpenAIProvider.options_schema["properties"],
            "responses": {
                "type": "boolean",
                "description": "Whether the API has `/responses`, too: if not, such calls are "
                "translated to chat completions. By default, OpenAI's own has.",
            },
        },
    }

    def supports(self, endpoint: str) -> bool:
        """Whether calls of an endpoint can be sent here: few copies of the API have all of it."""
        if endpoint == "rerank" and self.is_openai:
            return False
        if endpoint.startswith("responses") and not self.options.get("responses", self.is_openai):
            return False
        return super().supports(endpoint)
