"""Schemas that no type of an official package has, written by hand from the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DRAFT = "https://json-schema.org/draft/2020-12/schema"

_SPEECH_USAGE = {
    "type": "object",
    "required": ["input_tokens", "output_tokens", "total_tokens"],
    "properties": {
        "input_tokens": {"type": "integer"},
        "output_tokens": {"type": "integer"},
        "total_tokens": {"type": "integer"},
    },
}


def _case(name: str, kind: str) -> dict[str, Any]:
    """That an event of a type has to fit a definition."""
    condition = {"type": "object", "properties": {"type": {"const": kind}}, "required": ["type"]}
    return {"if": condition, "then": {"$ref": f"#/$defs/{name}"}}


_OWN: Mapping[str, Mapping[str, Any]] = {
    # https://platform.openai.com/docs/api-reference/audio/speech-audio-delta-event
    "audio.speech.event": {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"type": "string", "enum": ["speech.audio.delta", "speech.audio.done"]}
        },
        "allOf": [
            _case("SpeechAudioDeltaEvent", "speech.audio.delta"),
            _case("SpeechAudioDoneEvent", "speech.audio.done"),
        ],
        "$defs": {
            "SpeechAudioDeltaEvent": {
                "type": "object",
                "required": ["type", "audio"],
                "properties": {
                    "type": {"type": "string", "const": "speech.audio.delta"},
                    "audio": {"type": "string"},
                },
            },
            "SpeechAudioDoneEvent": {
                "type": "object",
                "required": ["type", "usage"],
                "properties": {
                    "type": {"type": "string", "const": "speech.audio.done"},
                    "usage": {"$ref": "#/$defs/SpeechUsage"},
                },
            },
            "SpeechUsage": _SPEECH_USAGE,
        },
    },
    # https://docs.cohere.com/reference/rerank and https://jina.ai/reranker
    "rerank.request": {
        "type": "object",
        "required": ["documents", "model", "query"],
        "properties": {
            "documents": {
                "type": "array",
                "minItems": 1,
                "items": {"type": ["string", "object"]},
            },
            "model": {"type": "string"},
            "query": {"type": "string", "minLength": 1},
            "max_chunks_per_doc": {"type": ["integer", "null"]},
            "max_tokens_per_doc": {"type": ["integer", "null"]},
            "rank_fields": {"type": ["array", "null"], "items": {"type": "string"}},
            "return_documents": {"type": ["boolean", "null"]},
            "top_n": {"type": ["integer", "null"], "minimum": 1},
        },
    },
    "rerank.response": {
        "type": "object",
        "required": ["results"],
        "properties": {
            "results": {"type": "array", "items": {"$ref": "#/$defs/RerankResult"}},
            "id": {"type": ["string", "null"]},
            "meta": {"type": ["object", "null"]},
            "model": {"type": ["string", "null"]},
            "usage": {"type": ["object", "null"]},
        },
        "$defs": {
            "RerankResult": {
                "type": "object",
                "required": ["index", "relevance_score"],
                "properties": {
                    "index": {"type": "integer"},
                    "relevance_score": {"type": "number"},
                    "document": {"type": ["object", "string", "null"]},
                },
            }
        },
    },
}


def own_schemas() -> dict[str, dict[str, Any]]:
    """Each by its name, as a file has it."""
    return {
        name: {"$schema": _DRAFT, "$id": f"{name}.json", **schema} for name, schema in _OWN.items()
    }
