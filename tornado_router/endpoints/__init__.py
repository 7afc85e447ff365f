"""The APIs that clients speak, a module each; pure: no I/O, no await.

`base` has what an endpoint is, `dialects` the forms of errors, `openai_format` what OpenAI's
endpoints share, `bridges` the translations between endpoints. A new API is one new module here
beside its schema and a plugin's translator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tornado_router.endpoints.ask import Ask, Output
from tornado_router.endpoints.audio_speech import AUDIO_SPEECH
from tornado_router.endpoints.audio_transcriptions import AUDIO_TRANSCRIPTIONS
from tornado_router.endpoints.audio_translations import AUDIO_TRANSLATIONS
from tornado_router.endpoints.base import Encoded, Endpoint, Meter, StreamEncoder
from tornado_router.endpoints.chat_completions import CHAT_COMPLETIONS
from tornado_router.endpoints.completions import COMPLETIONS
from tornado_router.endpoints.dialects import ANTHROPIC, OPENAI, Dialect
from tornado_router.endpoints.embeddings import EMBEDDINGS
from tornado_router.endpoints.images_edits import IMAGES_EDITS
from tornado_router.endpoints.images_generations import IMAGES_GENERATIONS
from tornado_router.endpoints.images_variations import IMAGES_VARIATIONS
from tornado_router.endpoints.messages import MESSAGES
from tornado_router.endpoints.moderations import MODERATIONS
from tornado_router.endpoints.passed import KINDS, PASSED, PASSTHROUGH
from tornado_router.endpoints.realtime import REALTIME
from tornado_router.endpoints.rerank import RERANK
from tornado_router.endpoints.responses import RESPONSES, RESPONSES_COMPACT

__all__ = [
    "ANTHROPIC",
    "AUDIO_SPEECH",
    "AUDIO_TRANSCRIPTIONS",
    "AUDIO_TRANSLATIONS",
    "CHAT_COMPLETIONS",
    "COMPLETIONS",
    "EMBEDDINGS",
    "ENDPOINTS",
    "IMAGES_EDITS",
    "IMAGES_GENERATIONS",
    "IMAGES_VARIATIONS",
    "KNOWN",
    "MESSAGES",
    "MODERATIONS",
    "OPENAI",
    "PASSTHROUGH",
    "PERMISSIONS",
    "REALTIME",
    "RERANK",
    "RESPONSES",
    "RESPONSES_COMPACT",
    "Ask",
    "Dialect",
    "Encoded",
    "Endpoint",
    "Meter",
    "Output",
    "StreamEncoder",
]

_ALL: tuple[Endpoint, ...] = (
    CHAT_COMPLETIONS,
    RESPONSES,
    RESPONSES_COMPACT,
    MESSAGES,
    COMPLETIONS,
    EMBEDDINGS,
    MODERATIONS,
    AUDIO_TRANSCRIPTIONS,
    AUDIO_TRANSLATIONS,
    AUDIO_SPEECH,
    REALTIME,
    IMAGES_GENERATIONS,
    RERANK,
    IMAGES_EDITS,
    IMAGES_VARIATIONS,
)

ENDPOINTS: Mapping[str, Endpoint] = {endpoint.name: endpoint for endpoint in _ALL}
"""Every endpoint whose requests the router reads, by name."""

KNOWN: Mapping[str, Endpoint] = {**ENDPOINTS, **PASSED}
"""The same, and those whose requests are passed to a vendor as they are."""

PERMISSIONS: Sequence[str] = (*ENDPOINTS, *(kind.name for kind in KINDS), PASSTHROUGH)
"""What keys may be permitted, by name."""
