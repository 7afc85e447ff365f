"""Requests that real clients send, and requests that are wrong: the corpus of the validation tests.

A label in capitals says why a good request is here: FUTURE has what OpenAI does not document yet,
VENDOR what only other vendors take.
"""

from __future__ import annotations

from typing import Any

USER = {"role": "user", "content": "hi"}


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [USER], **fields}


def talk(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages), **fields}


def note(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": list(messages) or [USER], **fields}


TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "d",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}

GOOD: dict[str, dict[str, Any]] = {
    "chat.completions.request": {
        "minimal": chat(),
        "all sampling": chat(
            temperature=0.7,
            top_p=1,
            n=2,
            stop=["a", "b"],
            seed=5,
            max_tokens=10,
            logprobs=True,
            top_logprobs=3,
            logit_bias={"50256": -100},
            presence_penalty=0.1,
            frequency_penalty=0,
            user="u",
        ),
        "nulls (JavaScript clients)": chat(
            temperature=None,
            stop=None,
            tools=None,
            tool_choice=None,
            stream_options=None,
            response_format=None,
            seed=None,
            logit_bias=None,
            user=None,
            parallel_tool_calls=None,
            max_tokens=None,
            n=None,
            top_logprobs=None,
            functions=None,
        ),
        "stream": chat(stream=True, stream_options={"include_usage": True}),
        "stream false": chat(stream=False),
        "stream null": chat(stream=None),
        "tools": chat(tools=[TOOL], tool_choice="auto", parallel_tool_calls=False),
        "tool_choice named": chat(
            tools=[TOOL], tool_choice={"type": "function", "function": {"name": "get_weather"}}
        ),
        "tools empty": chat(tools=[], tool_choice="none"),
        "tool_choice of allowed tools": chat(
            tools=[TOOL],
            tool_choice={
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": "get_weather"}}],
                },
            },
        ),
        "tool_choice of a custom tool": chat(
            tools=[{"type": "custom", "custom": {"name": "sh"}}],
            tool_choice={"type": "custom", "custom": {"name": "sh"}},
        ),
        "FUTURE tool_choice of a vendor's tool": chat(
            tools=[{"type": "web_search"}], tool_choice={"type": "web_search"}
        ),
        "tool strict null, params missing": chat(
            tools=[{"type": "function", "function": {"name": "x", "strict": None}}]
        ),
        "tool round trip": talk(
            USER,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": "{}"},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "15C"},
        ),
        "assistant without content key": talk(
            USER,
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "g", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "x"}]},
        ),
        "echoed answer (refusal, annotations, audio null)": talk(
            USER,
            {
                "role": "assistant",
                "content": "x",
                "refusal": None,
                "annotations": [],
                "audio": None,
                "function_call": None,
                "tool_calls": None,
            },
            USER,
        ),
        "vision": talk(
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what"},
                    {
                        "type": "image_url",
                        "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"},
                    },
                ],
            }
        ),
        "audio in": talk(
            {
                "role": "user",
                "content": [
                    {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}
                ],
            },
            modalities=["text", "audio"],
            audio={"voice": "alloy", "format": "wav"},
        ),
        "file": talk(
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}
        ),
        "json_schema": chat(
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"type": "object"}, "strict": True},
            }
        ),
        "json_object": chat(response_format={"type": "json_object"}),
        "developer": talk({"role": "developer", "content": "d"}, USER),
        "legacy functions": chat(
            functions=[{"name": "f", "parameters": {}}], function_call={"name": "f"}
        ),
        "legacy function role": talk(USER, {"role": "function", "name": "f", "content": "1"}),
        "extra top_k": chat(top_k=40, repetition_penalty=1.1, min_p=0.05),
        "openrouter reasoning/provider": chat(
            reasoning={"effort": "high"}, provider={"order": ["x"]}, transforms=["middle-out"]
        ),
        "qwen enable_thinking": chat(
            enable_thinking=True, chat_template_kwargs={"enable_thinking": False}
        ),
        "anthropic cache_control in part": talk(
            {
                "role": "system",
                "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
            },
            USER,
        ),
        "cache_control on tool": chat(tools=[{**TOOL, "cache_control": {"type": "ephemeral"}}]),
        "reasoning_content echoed (deepseek)": talk(
            USER, {"role": "assistant", "content": "x", "reasoning_content": "y"}, USER
        ),
        "vllm guided": chat(guided_json={"type": "object"}, guided_choice=["a"], ignore_eos=True),
        "metadata": chat(metadata={"a": "b"}, store=True),
        "service tier": chat(service_tier="flex"),
        "reasoning effort": chat(reasoning_effort="minimal", verbosity="low"),
        "web search": chat(web_search_options={"search_context_size": "low"}),
        "custom tool": chat(tools=[{"type": "custom", "custom": {"name": "x"}}]),
        "prediction": chat(prediction={"type": "content", "content": "abc"}),
        "int temperature": chat(temperature=1),
        "user name": talk({"role": "user", "name": "bob", "content": "x"}),
        "empty content string": talk({"role": "user", "content": ""}),
        "unicode": {"model": "模型", "messages": [{"role": "user", "content": "привет"}]},
        "FUTURE effort value": chat(reasoning_effort="ultra"),
        "FUTURE service tier": chat(service_tier="warp"),
        "FUTURE part type video_url": talk(
            {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "x"}}]}
        ),
        "FUTURE tool type": chat(tools=[{"type": "web_search"}]),
        "FUTURE response_format": chat(response_format={"type": "grammar", "grammar": "x"}),
        "FUTURE audio format": talk(
            {
                "role": "user",
                "content": [
                    {"type": "input_audio", "input_audio": {"data": "AA", "format": "ogg"}}
                ],
            }
        ),
        "FUTURE modality": chat(modalities=["text", "image"]),
        "VENDOR stop 6": chat(stop=["1", "2", "3", "4", "5", "6"]),
        "VENDOR image in tool message": talk(
            USER,
            {
                "role": "tool",
                "tool_call_id": "c",
                "content": [{"type": "image_url", "image_url": {"url": "x"}}],
            },
        ),
        "VENDOR image in assistant": talk(
            USER,
            {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            USER,
        ),
        "VENDOR thinking part": talk(
            USER,
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "x", "signature": "s"},
                    {"type": "text", "text": "y"},
                ],
            },
            USER,
        ),
        "VENDOR tool name with dot": chat(
            tools=[{"type": "function", "function": {"name": "ns.get"}}]
        ),
    },
    "embeddings.request": {
        "string": {"model": "e", "input": "x"},
        "list": {"model": "e", "input": ["x", "y"]},
        "tokens": {"model": "e", "input": [1, 2]},
        "token lists": {"model": "e", "input": [[1, 2], [3]]},
        "base64": {"model": "e", "input": "x", "encoding_format": "base64", "dimensions": 256},
        "nulls": {
            "model": "e",
            "input": "x",
            "encoding_format": None,
            "dimensions": None,
            "user": None,
        },
        "cohere extra": {"model": "e", "input": "x", "input_type": "query", "truncate": "END"},
    },
    "responses.request": {
        "string": {"model": "m", "input": "hi"},
        "messages": {"model": "m", "input": [{"role": "user", "content": "hi"}]},
        "typed message": {
            "model": "m",
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "x"},
                        {"type": "input_image", "image_url": "data:..", "detail": "auto"},
                    ],
                }
            ],
        },
        "function round trip": {
            "model": "m",
            "input": [
                {"role": "user", "content": "x"},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "1"},
            ],
            "tools": [
                {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
            ],
        },
        "output message echoed": {
            "model": "m",
            "input": [
                {"role": "user", "content": "x"},
                {
                    "type": "message",
                    "id": "msg_1",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "y", "annotations": []}],
                },
                {"role": "user", "content": "z"},
            ],
        },
        "output message echoed without type": {
            "model": "m",
            "input": [
                {"role": "assistant", "content": [{"type": "output_text", "text": "y"}]},
                {"role": "user", "content": "z"},
            ],
        },
        "items as Codex sends them": {
            "model": "m",
            "input": [
                {"type": "reasoning", "summary": [], "encrypted_content": "x"},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "y"}],
                },
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""},
                {"type": "function_call_output", "call_id": "c", "output": "1"},
                {"type": "web_search_call", "action": {"type": "search", "query": "q"}},
            ],
        },
        "image without detail": {
            "model": "m",
            "input": [
                {
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA"}],
                }
            ],
        },
        "reference without type": {"model": "m", "input": [{"id": "msg_1"}]},
        "assistant without type": {
            "model": "m",
            "input": [{"role": "assistant", "content": "x"}, {"role": "user", "content": "x"}],
        },
        "reasoning item": {
            "model": "m",
            "input": [
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {"role": "user", "content": "x"},
            ],
        },
        "stream and text format": {
            "model": "m",
            "input": "x",
            "stream": True,
            "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}},
            "reasoning": {"effort": "low", "summary": "auto"},
            "store": False,
            "include": ["reasoning.encrypted_content"],
        },
        "previous response": {
            "model": "m",
            "input": "x",
            "previous_response_id": "resp_1",
            "instructions": None,
            "metadata": None,
        },
        "tools": {
            "model": "m",
            "input": "x",
            "tools": [
                {"type": "web_search"},
                {"type": "file_search", "vector_store_ids": ["v"]},
                {"type": "code_interpreter", "container": {"type": "auto"}},
                {"type": "mcp", "server_label": "a", "server_url": "https://x"},
            ],
            "tool_choice": "auto",
        },
        "function tool without strict (LiteLLM)": {
            "model": "m",
            "input": "x",
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        },
        "FUTURE item": {"model": "m", "input": [{"type": "hologram", "data": 1}]},
        "FUTURE tool": {"model": "m", "input": "x", "tools": [{"type": "quantum_search"}]},
    },
    "completions.request": {
        "minimal": {"model": "m", "prompt": "x"},
        "list": {"model": "m", "prompt": ["x", "y"], "stream": True},
        "tokens": {"model": "m", "prompt": [[1, 2]]},
        "echo": {"model": "m", "prompt": "x", "max_tokens": 0, "echo": True, "logprobs": 1},
    },
    "rerank.request": {
        "cohere": {"model": "m", "query": "x", "documents": ["a", "b"], "top_n": 1},
        "jina": {
            "model": "m",
            "query": "x",
            "documents": [{"text": "a"}, {"image": "https://example.com/cat.png"}],
            "return_documents": True,
        },
    },
    "images.generations.request": {
        "minimal": {"prompt": "x"},
        "full": {
            "prompt": "x",
            "model": "gpt-image-1",
            "n": 1,
            "size": "1024x1024",
            "quality": "high",
            "response_format": "b64_json",
        },
        "FUTURE size": {"prompt": "x", "model": "m", "size": "2048x1152"},
        "FUTURE quality": {"prompt": "x", "quality": "ultra"},
    },
    "audio.speech.request": {
        "minimal": {"model": "tts-1", "input": "x", "voice": "alloy"},
        "voice": {
            "model": "m",
            "input": "x",
            "voice": "my-voice-7",
            "response_format": "wav",
            "speed": 1.5,
        },
        "FUTURE format": {"model": "m", "input": "x", "voice": "a", "response_format": "ogg"},
    },
    "messages.request": {
        "minimal": note(),
        "all options": note(
            system="s",
            temperature=0.5,
            top_p=1,
            top_k=5,
            stop_sequences=["a"],
            metadata={"user_id": "{}"},
            service_tier="auto",
            stream=True,
            thinking={"type": "enabled", "budget_tokens": 1024},
            output_config={"effort": "low", "format": {"type": "json_schema", "schema": {}}},
        ),
        "nulls (JavaScript clients)": note(system=None, tools=None, stream=None, thinking=None),
        "a loop of tools": note(
            USER,
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "t", "signature": "s"},
                    {"type": "redacted_thinking", "data": "d"},
                    {"type": "text", "text": "x"},
                    {"type": "tool_use", "id": "t1", "name": "n", "input": {"a": [1]}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t1",
                        "is_error": True,
                        "content": [
                            {"type": "text", "text": "x"},
                            {
                                "type": "image",
                                "source": {
                                    "type": "base64",
                                    "media_type": "image/png",
                                    "data": "iVBORw0KGgo=",
                                },
                            },
                        ],
                    },
                    {"type": "text", "text": "y"},
                ],
            },
            tools=[{"name": "n", "description": "d", "input_schema": {"type": "object"}}],
            tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        ),
        "documents": note(
            {
                "role": "user",
                "content": [
                    {
                        "type": "document",
                        "title": "t",
                        "source": {"type": "text", "media_type": "text/plain", "data": "x"},
                        "citations": {"enabled": True},
                    },
                    {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
                ],
            }
        ),
        "a system message between": note(USER, {"role": "system", "content": "x"}, USER),
        "FUTURE betas": note(
            {"role": "user", "content": [{"type": "smell", "smell": 1}]},
            context_management={"edits": [{"type": "clear_thinking_20251015"}]},
            tools=[{"type": "advisor_20260301", "name": "advisor"}],
            thinking={"type": "adaptive", "deep": True},
        ),
    },
    "messages.count_tokens.request": {
        "minimal": {"model": "m", "messages": [USER]},
        "with all that counts": {
            "model": "m",
            "messages": [USER],
            "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
            "tools": [{"name": "n", "input_schema": {"type": "object"}}],
        },
    },
    "moderations.request": {
        "minimal": {"input": "x"},
        "list": {"input": ["x"], "model": "omni-moderation-latest"},
        "multimodal": {
            "input": [
                {"type": "text", "text": "x"},
                {"type": "image_url", "image_url": {"url": "x"}},
            ]
        },
    },
    "batches.request": {
        "minimal": {
            "input_file_id": "f",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
    },
}

# label, the `param` of the refusal, body; all for chat.completions.request and profile "openai"
BAD: list[tuple[str, str | None, Any]] = [
    ("missing messages", "messages", {"model": "m"}),
    ("missing model", "model", {"messages": [USER]}),
    ("messages empty", "messages", {"model": "m", "messages": []}),
    ("messages string", "messages", {"model": "m", "messages": "hi"}),
    ("wrong role", "messages[0].role", talk({"role": "wizard", "content": "x"})),
    ("role missing", "messages[0].role", talk({"content": "x"})),
    ("user content null", "messages[0].content", talk({"role": "user", "content": None})),
    ("user content missing", "messages[0].content", talk({"role": "user"})),
    (
        "unknown part type",
        "messages[0].content[1].type",
        talk(
            {
                "role": "user",
                "content": [{"type": "text", "text": "x"}, {"type": "smell", "smell": 1}],
            }
        ),
    ),
    (
        "text part without text",
        "messages[0].content[0].text",
        talk({"role": "user", "content": [{"type": "text"}]}),
    ),
    (
        "image_url as string",
        "messages[0].content[0].image_url",
        talk({"role": "user", "content": [{"type": "image_url", "image_url": "http://x"}]}),
    ),
    (
        "tool message without tool_call_id",
        "messages[1].tool_call_id",
        talk(USER, {"role": "tool", "content": "x"}),
    ),
    (
        "tool_calls[0].function.arguments object",
        "messages[1].tool_calls[0].function.arguments",
        talk(
            USER,
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": {}}}
                ],
            },
        ),
    ),
    ("temperature 3", "temperature", chat(temperature=3)),
    ("temperature string", "temperature", chat(temperature="hot")),
    ("n 0", "n", chat(n=0)),
    ("top_logprobs 50", "top_logprobs", chat(logprobs=True, top_logprobs=50)),
    ("top_logprobs without logprobs", "logprobs", chat(top_logprobs=5)),
    ("max_tokens float", "max_tokens", chat(max_tokens=1.5)),
    ("stop 5", "stop", chat(stop=list("abcde"))),
    (
        "tool function without name",
        "tools[0].function.name",
        chat(tools=[{"type": "function", "function": {}}]),
    ),
    ("tool without function", "tools[0].function", chat(tools=[{"type": "function"}])),
    (
        "tool name invalid",
        "tools[0].function.name",
        chat(tools=[{"type": "function", "function": {"name": "get weather!"}}]),
    ),
    (
        "response_format without name",
        "response_format.json_schema.name",
        chat(response_format={"type": "json_schema", "json_schema": {"schema": {}}}),
    ),
    ("response_format string", "response_format", chat(response_format="json")),
    (
        "stream_options without stream",
        "stream_options",
        chat(stream_options={"include_usage": True}),
    ),
    ("stream string", "stream", chat(stream="yes")),
    ("tool_choice word", "tool_choice", chat(tools=[TOOL], tool_choice="sometimes")),
    (
        "tool_choice unknown function",
        "tool_choice.function.name",
        chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "nope"}}),
    ),
    ("tool_choice without tools", "tool_choice", chat(tool_choice="auto")),
    ("metadata not a string", "metadata.a", chat(metadata={"a": 1})),
    ("logit_bias range", "logit_bias.50", chat(logit_bias={"50": 500})),
    ("body is list", None, []),
]
