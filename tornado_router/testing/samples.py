"""Requests of every endpoint: those of chat completions are in `corpus`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router import endpoints
from tornado_router.testing import corpus, media_samples
from tornado_router.testing.agent_messages import AGENT_MESSAGES
from tornado_router.testing.agent_requests import AGENT_REQUESTS
from tornado_router.testing.corpus import Sample

EMBEDDINGS = (
    Sample("a text", {"model": "m", "input": "Hello"}),
    Sample("two texts", {"model": "m", "input": ["Hello", "Goodbye"]}),
)
ODD_EMBEDDINGS = (
    Sample("tokens", {"model": "m", "input": [1, 2]}),
    Sample("lists of tokens", {"model": "m", "input": [[1, 2], [3]]}),
    Sample("base64", {"model": "m", "input": "x", "encoding_format": "base64", "dimensions": 64}),
    Sample("nulls", {"model": "m", "input": "x", "encoding_format": None, "dimensions": None}),
    Sample("others' parameters", {"model": "m", "input": "x", "input_type": "query"}),
)

_HELLO = {"role": "user", "content": "Hello"}


def _message(*messages: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 64, "messages": list(messages), **fields}


COMPLETIONS = (
    Sample("a prompt", {"model": "m", "prompt": "Hello"}),
    Sample("a prompt in a list", {"model": "m", "prompt": ["Hello"], "max_tokens": 5}),
    Sample("nulls", {"model": "m", "prompt": "x", "suffix": None, "n": None, "stop": None}),
)
ODD_COMPLETIONS = (
    Sample("two prompts", {"model": "m", "prompt": ["Hello", "Goodbye"]}),
    Sample("tokens", {"model": "m", "prompt": [1, 2]}),
    Sample("lists of tokens", {"model": "m", "prompt": [[1, 2], [3]]}),
    Sample("no prompt", {"model": "m", "prompt": None}),
    Sample("an empty list", {"model": "m", "prompt": []}),
    Sample("an empty prompt", {"model": "m", "prompt": ""}),
    Sample("an echo", {"model": "m", "prompt": "x", "echo": True, "logprobs": 2, "max_tokens": 0}),
    Sample("the prompt once more", {"model": "m", "prompt": "x", "echo": True}),
    Sample(
        "options",
        {
            "model": "m",
            "prompt": "x",
            "max_tokens": 9,
            "n": 2,
            "stop": ["y"],
            "temperature": 0.3,
            "top_p": 0.4,
            "presence_penalty": 0.5,
            "frequency_penalty": 0.6,
            "logit_bias": {"50256": -100},
            "seed": 7,
            "user": "kit-user",
        },
    ),
    Sample("a suffix", {"model": "m", "prompt": "x", "suffix": "y"}),
    Sample("candidates", {"model": "m", "prompt": "x", "n": 2, "best_of": 5}),
    Sample("log probabilities", {"model": "m", "prompt": "x", "logprobs": 3}),
    Sample("others' parameters", {"model": "m", "prompt": "x", "top_k": 40}),
)

MODERATIONS = (
    Sample("a text", {"model": "m", "input": "Hello"}),
    Sample("two texts", {"model": "m", "input": ["Hello", "Goodbye"]}),
)
ODD_MODERATIONS = (
    Sample("a text and an image", {"model": "m", "input": [corpus.text("x"), corpus.IMAGE]}),
    Sample("no input", {"model": "m", "input": []}),
    Sample("others' parameters", {"model": "m", "input": "x", "threshold": 0.5}),
)

MESSAGES = (
    Sample("a text", _message({"role": "user", "content": "Hello"})),
    Sample("a system prompt", _message(_HELLO, system="Be brief.", temperature=0.5)),
    Sample(
        "blocks of text",
        _message(
            {"role": "user", "content": [corpus.text("Hello"), corpus.text("World")]},
            system=[corpus.text("Be brief.")],
            stop_sequences=["."],
        ),
    ),
    Sample("a conversation", _message(_HELLO, {"role": "assistant", "content": "Hi."}, _HELLO)),
    Sample("nulls", _message(_HELLO, system=None, tools=None, thinking=None)),
)
_TOOL = {"name": "get_weather", "description": "Of a city.", "input_schema": corpus.SCHEMA}
_CALL = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}
_RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "15 degrees"}
_PNG = {"type": "base64", "media_type": "image/png", "data": corpus.PNG.partition(",")[2]}
_PDF = {"type": "base64", "media_type": "application/pdf", "data": corpus.PDF.partition(",")[2]}
ODD_MESSAGES = (
    Sample("a tool", _message(_HELLO, tools=[_TOOL], tool_choice={"type": "any"})),
    Sample(
        "a result of a tool",
        _message(
            _HELLO,
            {"role": "assistant", "content": [_CALL]},
            {"role": "user", "content": [_RESULT, corpus.text("And?")]},
            tools=[_TOOL],
        ),
    ),
    Sample(
        "a thought",
        _message(
            _HELLO,
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"},
                    corpus.text("Hi."),
                ],
            },
            _HELLO,
            thinking={"type": "adaptive"},
        ),
    ),
    Sample("an image", _message({"role": "user", "content": [{"type": "image", "source": _PNG}]})),
    Sample(
        "a document",
        _message({"role": "user", "content": [{"type": "document", "source": _PDF}]}),
    ),
    Sample(
        "a system message between", _message(_HELLO, {"role": "system", "content": "x"}, _HELLO)
    ),
    Sample("a tool of tomorrow", _message(_HELLO, tools=[{"type": "tomorrow", "name": "x"}])),
    Sample("a block of tomorrow", _message({"role": "user", "content": [{"type": "tomorrow"}]})),
    Sample("others' parameters", _message(_HELLO, context_management={"edits": []})),
    *AGENT_MESSAGES,
)

RESPONSES = (
    Sample("a text", {"model": "m", "input": "Hello"}),
    Sample("instructions", {"model": "m", "instructions": "Be brief.", "input": "Hello"}),
    Sample("a message", {"model": "m", "input": [{"role": "user", "content": "Hello"}]}),
    Sample(
        "parts of a text",
        {
            "model": "m",
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hello"}],
                }
            ],
            "max_output_tokens": 64,
        },
    ),
    Sample("nulls", {"model": "m", "input": "x", "instructions": None, "tools": None}),
)
_FUNCTION = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": corpus.SCHEMA,
    "strict": False,
}
ODD_RESPONSES = (
    Sample("a tool", {"model": "m", "input": "Hello", "tools": [_FUNCTION]}),
    Sample(
        "a result of a tool",
        {
            "model": "m",
            "tools": [_FUNCTION],
            "input": [
                {"role": "user", "content": "What is the weather in Paris?"},
                {
                    "type": "function_call",
                    "call_id": "call_1",
                    "name": "get_weather",
                    "arguments": '{"city":"Paris"}',
                },
                {"type": "function_call_output", "call_id": "call_1", "output": "15 degrees"},
            ],
        },
    ),
    Sample("a tool of tomorrow", {"model": "m", "input": "x", "tools": [{"type": "tomorrow"}]}),
    Sample("an item of tomorrow", {"model": "m", "input": [{"type": "tomorrow", "a": 1}]}),
    Sample("others' parameters", {"model": "m", "input": "x", "client_metadata": {"a": "b"}}),
    *AGENT_REQUESTS,
)

AUDIO_TEXTS = (
    Sample("a sound", {"model": "m", "file": "hello.wav"}),
    Sample("the model behind the sound", {"file": "hello.wav", "model": "m"}),
    Sample("a format", {"model": "m", "file": "hello.wav", "response_format": "json"}),
)
ODD_AUDIO_TEXTS = (
    Sample("bare text", {"model": "m", "file": "hello.wav", "response_format": "text"}),
    Sample("subtitles", {"model": "m", "file": "hello.wav", "response_format": "srt"}),
    Sample("subtitles for the web", {"model": "m", "file": "a.mp3", "response_format": "vtt"}),
    Sample("all of it", {"model": "m", "file": "hello.wav", "response_format": "verbose_json"}),
    Sample("a prompt", {"model": "m", "file": "x", "prompt": "Zürich", "temperature": 0.5}),
    Sample("a file of no kind", {"model": "m", "file": "noise.bin"}),
    Sample("others' parameters", {"model": "m", "file": "hello.wav", "diarize": "true"}),
)
ODD_TRANSCRIPTIONS = (
    *ODD_AUDIO_TEXTS,
    Sample("a language", {"model": "m", "file": "hello.wav", "language": "de"}),
    Sample(
        "words and segments",
        {
            "model": "m",
            "file": "hello.wav",
            "response_format": "verbose_json",
            "timestamp_granularities": ["word", "segment"],
        },
    ),
    Sample(
        "speakers",
        {
            "model": "m",
            "file": "hello.wav",
            "response_format": "diarized_json",
            "chunking_strategy": "auto",
            "known_speaker_names": ["Ada"],
            "known_speaker_references": [f"data:audio/wav;base64,{corpus.WAV}"],
        },
    ),
    Sample(
        "log probabilities",
        {
            "model": "m",
            "file": "hello.wav",
            "include": ["logprobs"],
            "chunking_strategy": {"type": "server_vad", "threshold": 0.5},
        },
    ),
)

RERANK = (
    Sample("two texts", {"model": "m", "query": "Hello", "documents": ["Hello", "Goodbye"]}),
    Sample("the best", {"model": "m", "query": "x", "documents": ["x", "y"], "top_n": 1}),
    Sample("nulls", {"model": "m", "query": "x", "documents": ["x"], "top_n": None}),
)
ODD_RERANK = (
    Sample(
        "objects",
        {"model": "m", "query": "x", "documents": [{"text": "x"}], "return_documents": True},
    ),
    Sample("an odd object", {"model": "m", "query": "x", "documents": [{"title": "x"}, ""]}),
    Sample("others' parameters", {"model": "m", "query": "x", "documents": ["x"], "top_k": 1}),
)

SAMPLES: Mapping[str, tuple[tuple[Sample, ...], tuple[Sample, ...]]] = {
    endpoints.AUDIO_TRANSCRIPTIONS.name: (AUDIO_TEXTS, ODD_TRANSCRIPTIONS),
    endpoints.AUDIO_TRANSLATIONS.name: (AUDIO_TEXTS, ODD_AUDIO_TEXTS),
    endpoints.AUDIO_SPEECH.name: (media_samples.SPEECH, media_samples.ODD_SPEECH),
    endpoints.CHAT_COMPLETIONS.name: (corpus.PLAIN, (*corpus.CAPABLE, *corpus.ODD)),
    endpoints.COMPLETIONS.name: (COMPLETIONS, ODD_COMPLETIONS),
    endpoints.EMBEDDINGS.name: (EMBEDDINGS, ODD_EMBEDDINGS),
    endpoints.IMAGES_EDITS.name: (media_samples.EDITS, media_samples.ODD_EDITS),
    endpoints.IMAGES_VARIATIONS.name: (media_samples.VARIATIONS, media_samples.ODD_VARIATIONS),
    endpoints.IMAGES_GENERATIONS.name: (media_samples.IMAGES, media_samples.ODD_IMAGES),
    endpoints.MESSAGES.name: (MESSAGES, ODD_MESSAGES),
    endpoints.MODERATIONS.name: (MODERATIONS, ODD_MODERATIONS),
    endpoints.RERANK.name: (RERANK, ODD_RERANK),
    endpoints.RESPONSES.name: (RESPONSES, ODD_RESPONSES),
    endpoints.RESPONSES_COMPACT.name: (RESPONSES[:3], RESPONSES[4:]),
}
"""By endpoint: what every provider of it serves, and what it may refuse by name."""
