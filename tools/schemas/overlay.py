"""Facts about the vendors' APIs that the types of their packages do not carry, with sources.

"docstring" is the docstring of the field in the package; "OpenAPI" the description that
OpenAI publishes at https://github.com/openai/openai-openapi; "API" what the live service answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bound:
    """Keywords that are laid over a field.

    Attributes:
        schemas: the schemas that hold the field.
        field: its name; `logit_bias.*` is each value of a map.
        keywords: JSON Schema keywords to add.
        source: where the fact comes from.
        definition: the entry of `$defs` that holds the field; empty for the body itself.
    """

    schemas: tuple[str, ...]
    field: str
    keywords: Mapping[str, Any]
    source: str
    definition: str = ""


@dataclass(frozen=True)
class Optional:
    """Fields that the types call required and the API does not."""

    schema: str
    definition: str
    fields: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class ExtraType:
    """A JSON type that a field has on the wire, and that the package's type leaves out."""

    schema: str
    definition: str
    field: str
    type: str
    source: str


@dataclass(frozen=True)
class ExtraField:
    """A field that the API takes, and that the package's types do not have, or no longer."""

    schemas: tuple[str, ...]
    field: str
    value: Mapping[str, Any]
    source: str


_CHAT = "chat.completions.request"
_TEXT = "completions.request"
_RESPONSES = "responses.request"
_TOKEN_MAKERS = (_CHAT, _TEXT)
_SAMPLERS = (_CHAT, _TEXT, _RESPONSES)
_WITH_METADATA = (
    _CHAT,
    _RESPONSES,
    "batches.request",
    "fine_tuning.jobs.request",
    "vector_stores.request",
)
_MESSAGES = "messages.request"
_COUNT = "messages.count_tokens.request"
_IMAGES = ("images.generations.request", "images.edits.request")
_RECORDINGS = ("audio.transcriptions.request", "audio.translations.request")

_PENALTY = {"minimum": -2, "maximum": 2}
_NAME = {"maxLength": 64, "pattern": "^[a-zA-Z0-9_-]+$"}
_NAME_SOURCE = "docstring: a-z, A-Z, 0-9, underscores and dashes, with a maximum length of 64"
_UNLIMITED = {"x-unlimited": True}
"""Of a bound that clients of LM Studio and llama.cpp set to -1 for none: all profiles but OpenAI's
own take that, too. https://lmstudio.ai/docs/app/api/endpoints/openai."""

_LIFETIME = {"minimum": 3600, "maximum": 2592000}
_LIFETIME_SOURCE = "docstring: between 3600 (1 hour) and 2592000 (30 days)"

BOUNDS = (
    # Sampling
    Bound(
        _SAMPLERS,
        "temperature",
        {"minimum": 0, "maximum": 2},
        "docstring: what sampling temperature to use, between 0 and 2",
    ),
    Bound(
        _SAMPLERS,
        "top_p",
        {"minimum": 0, "maximum": 1},
        "OpenAPI: top_p; docstring: 0.1 means only the tokens comprising the top 10%",
    ),
    Bound(_TOKEN_MAKERS, "presence_penalty", _PENALTY, "docstring: between -2.0 and 2.0"),
    Bound(_TOKEN_MAKERS, "frequency_penalty", _PENALTY, "docstring: between -2.0 and 2.0"),
    Bound(
        _TOKEN_MAKERS,
        "logit_bias.*",
        {"minimum": -100, "maximum": 100},
        "docstring: a bias value from -100 to 100",
    ),
    Bound(_TOKEN_MAKERS, "n", {"minimum": 1, "maximum": 128}, "OpenAPI: n"),
    Bound(
        _TOKEN_MAKERS, "stop", {"minItems": 1, "maxItems": 4}, "docstring: up to 4; OpenAPI: stop"
    ),
    Bound(
        _TOKEN_MAKERS,
        "seed",
        {"minimum": -(2**63), "maximum": 2**63 - 1},
        "OpenAPI: seed, an int64",
    ),
    Bound((_TEXT,), "best_of", {"minimum": 0, "maximum": 20}, "OpenAPI: best_of"),
    Bound(
        (_TEXT,),
        "logprobs",
        {"minimum": 0, "maximum": 5},
        "docstring: the maximum value for logprobs is 5",
    ),
    Bound(
        (_CHAT, _RESPONSES),
        "top_logprobs",
        {"minimum": 0, "maximum": 20},
        "docstring: an integer between 0 and 20",
    ),
    # Length
    Bound((_CHAT,), "messages", {"minItems": 1}, "OpenAPI: messages"),
    Bound((_CHAT,), "max_tokens", {"minimum": 1, **_UNLIMITED}, "API: integer_below_min_value"),
    Bound(
        (_CHAT,),
        "max_completion_tokens",
        {"minimum": 1, **_UNLIMITED},
        "API: integer_below_min_value",
    ),
    Bound(
        (_TEXT,),
        "max_tokens",
        {"minimum": 0, **_UNLIMITED},
        "OpenAPI: max_tokens; 0 with echo is of use",
    ),
    Bound((_RESPONSES,), "max_output_tokens", {"minimum": 1}, "API: integer_below_min_value"),
    Bound((_RESPONSES,), "max_tool_calls", {"minimum": 1}, "API: integer_below_min_value"),
    Bound(
        (_MESSAGES, _COUNT), "messages", {"minItems": 1}, "API: at least one message is required"
    ),
    Bound(
        (_MESSAGES,),
        "max_tokens",
        {"minimum": 0},
        "docstring: set to 0 to populate the prompt cache without generating a response",
    ),
    # Who and what
    Bound(
        _WITH_METADATA,
        "metadata",
        {"maxProperties": 16, "propertyNames": {"maxLength": 64}},
        "docstring: 16 key-value pairs; keys with a maximum length of 64 characters",
    ),
    Bound(
        _WITH_METADATA,
        "metadata.*",
        {"maxLength": 512},
        "docstring: values with a maximum length of 512 characters",
    ),
    Bound(
        (_CHAT, _RESPONSES),
        "safety_identifier",
        {"maxLength": 128},
        "docstring: with a maximum length of 128 characters",
    ),
    Bound((_CHAT,), "name", _NAME, _NAME_SOURCE, definition="FunctionDefinition"),
    Bound((_CHAT,), "name", _NAME, _NAME_SOURCE, definition="completion_create_params.Function"),
    Bound((_CHAT,), "name", _NAME, _NAME_SOURCE, definition="JSONSchema"),
    Bound(
        (_RESPONSES,),
        "name",
        _NAME,
        _NAME_SOURCE,
        definition="ResponseFormatTextJSONSchemaConfigParam",
    ),
    # Embeddings
    Bound(
        ("embeddings.request",),
        "input",
        {"minItems": 1, "maxItems": 2048},
        "docstring: any array must be 2048 dimensions or less; OpenAPI: input",
    ),
    Bound(("embeddings.request",), "dimensions", {"minimum": 1}, "OpenAPI: dimensions"),
    # Images
    Bound(
        (*_IMAGES, "images.variations.request"),
        "n",
        {"minimum": 1, "maximum": 10},
        "docstring: must be between 1 and 10",
    ),
    Bound(
        _IMAGES,
        "prompt",
        {"minLength": 1, "maxLength": 32000},
        "docstring: the maximum length is 32000 characters; API: empty_string",
    ),
    Bound(_IMAGES, "partial_images", {"minimum": 0, "maximum": 3}, "docstring: must be 0 to 3"),
    Bound(
        _IMAGES,
        "output_compression",
        {"minimum": 0, "maximum": 100},
        "docstring: the compression level (0-100%)",
    ),
    Bound(("images.edits.request",), "image", {"maxItems": 16}, "docstring: up to 16 images"),
    # Audio
    Bound(
        ("audio.speech.request",),
        "input",
        {"minLength": 1, "maxLength": 4096},
        "docstring: the maximum length is 4096 characters; API: empty_string",
    ),
    Bound(
        ("audio.speech.request",),
        "speed",
        {"minimum": 0.25, "maximum": 4},
        "docstring: from 0.25 to 4.0",
    ),
    Bound(
        _RECORDINGS,
        "temperature",
        {"minimum": 0, "maximum": 1},
        "docstring: the sampling temperature, between 0 and 1",
    ),
    Bound(
        ("audio.transcriptions.request",),
        "known_speaker_names",
        {"maxItems": 4},
        "docstring: up to 4 speakers are supported",
    ),
    Bound(
        ("audio.transcriptions.request",),
        "threshold",
        {"minimum": 0, "maximum": 1},
        "docstring: sensitivity threshold (0.0 to 1.0)",
        definition="ChunkingStrategyVadConfig",
    ),
    # Files and jobs
    Bound(
        ("batches.request",),
        "seconds",
        _LIFETIME,
        _LIFETIME_SOURCE,
        definition="OutputExpiresAfter",
    ),
    Bound(("files.request",), "seconds", _LIFETIME, _LIFETIME_SOURCE, definition="ExpiresAfter"),
    Bound(("uploads.request",), "seconds", _LIFETIME, _LIFETIME_SOURCE, definition="ExpiresAfter"),
    Bound(
        ("fine_tuning.jobs.request",),
        "suffix",
        {"maxLength": 64},
        "docstring: a string of up to 64 characters",
    ),
    Bound(
        ("vector_stores.request",),
        "max_chunk_size_tokens",
        {"minimum": 100, "maximum": 4096},
        "docstring: the minimum value is 100 and the maximum value is 4096",
        definition="StaticFileChunkingStrategyParam",
    ),
)

_CODEX = (
    "API: OpenAI's own client leaves them out; "
    "https://github.com/openai/codex, codex-rs/protocol/src/models.rs, ResponseItem"
)

_EDITS_AS_JSON = "OpenAPI: EditImageBodyJsonParam, which names images in place of uploading them"

OPTIONAL = (
    Optional(
        _RESPONSES,
        "FunctionToolParam",
        ("parameters", "strict"),
        "API: both have defaults; "
        "https://platform.openai.com/docs/guides/function-calling?api-mode=responses",
    ),
    Optional(
        _RESPONSES,
        "ResponseInputImageParam",
        ("detail",),
        "docstring: defaults to auto; https://platform.openai.com/docs/guides/images-vision",
    ),
    Optional(_RESPONSES, "ResponseOutputTextParam", ("annotations",), _CODEX),
    Optional(_RESPONSES, "ResponseReasoningItemParam", ("id",), _CODEX),
    Optional(_RESPONSES, "ResponseFunctionWebSearchParam", ("id", "status", "action"), _CODEX),
    Optional(_RESPONSES, "LocalShellCall", ("id",), _CODEX),
    Optional("images.edits.request", "", ("image",), _EDITS_AS_JSON),
)

EXTRA_TYPES = (
    ExtraType("images.edits.request", "", "mask", "object", _EDITS_AS_JSON),
    ExtraType(
        "embeddings.response",
        "Embedding",
        "embedding",
        "string",
        "docstring of encoding_format: float or base64",
    ),
    ExtraType(
        "completions.chunk",
        "CompletionChoice",
        "finish_reason",
        "null",
        "API: null in every chunk of a choice but its last",
    ),
)

_SAMPLING = "API versions before 2026-10-21: https://platform.claude.com/docs/en/api/versioning"

_IMAGE_REFERENCE = {
    "type": "object",
    "properties": {"image_url": {"type": "string"}, "file_id": {"type": "string"}},
}

EXTRA_FIELDS = (
    ExtraField(
        ("images.edits.request",),
        "images",
        {"type": ["array", "null"], "items": _IMAGE_REFERENCE, "minItems": 1, "maxItems": 16},
        _EDITS_AS_JSON,
    ),
    ExtraField(
        (_MESSAGES,), "temperature", {"type": "number", "minimum": 0, "maximum": 1}, _SAMPLING
    ),
    ExtraField((_MESSAGES,), "top_p", {"type": "number", "minimum": 0, "maximum": 1}, _SAMPLING),
    ExtraField((_MESSAGES,), "top_k", {"type": "integer", "minimum": 0}, _SAMPLING),
)
