"""Makes docs/matrix.md: what of each API reaches each provider, as the code does it.

python -m tools.matrix           writes the page
python -m tools.matrix --check   fails if the page is not what it would write

Each line is a request of its own, translated as a call would be: what the page states is what was
left out of it and reported, or why it was refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tools.pages import write_or_check
from tornado_router.endpoints import CHAT_COMPLETIONS, ENDPOINTS, MESSAGES, RESPONSES
from tornado_router.endpoints.bridges import BRIDGES, Bridge
from tornado_router.errors import ApiError
from tornado_router.plugins.registry import load_plugins
from tornado_router.provider import Call, Provider, dump_json
from tornado_router.testing.corpus import PDF, PNG, SCHEMA

MODELS = {
    "openai": "gpt-5.1",
    "anthropic": "claude-sonnet-4-5",
    "google": "gemini-2.5-pro",
    "mistral": "mistral-large-latest",
    "groq": "openai/gpt-oss-120b",
    "deepseek": "deepseek-chat",
    "vllm": "any",
    "echo": "echo",
}
"""The columns: a provider type, and a model of it. Types that are not here are like `vllm`."""

CARRIED, ADAPTED, REFUSED = "✓", "adapted", "refused"

_PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_IMAGE, _FILE = PNG.partition(",")[2], PDF.partition(",")[2]
_PIXEL = {"type": "base64", "media_type": "image/png", "data": _IMAGE}
_PAGES = {"type": "base64", "media_type": "application/pdf", "data": _FILE}
_CHAT_TOOL = {"type": "function", "function": {"name": "f", "parameters": _PARAMETERS}}
_TOOL = {"name": "f", "description": "F.", "input_schema": _PARAMETERS}
_FUNCTION = {"type": "function", "name": "f", "parameters": _PARAMETERS, "strict": True}
_CACHED = {"type": "ephemeral"}

Rows = Mapping[str, Mapping[str, Any]]


def _says(*parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


CHAT_ROWS: Rows = {
    "tools": {"tools": [_CHAT_TOOL]},
    "a forced tool": {
        "tools": [_CHAT_TOOL],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
    },
    "`parallel_tool_calls: false`": {"tools": [_CHAT_TOOL], "parallel_tool_calls": False},
    "an image": {"messages": _says({"type": "image_url", "image_url": {"url": PNG}})},
    "a PDF": {"messages": _says({"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}})},
    "`response_format` with a schema": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "s", "schema": SCHEMA, "strict": True},
        }
    },
    "`reasoning_effort`": {"reasoning_effort": "low"},
    "`temperature`": {"temperature": 0.5},
    "`stop`": {"stop": ["x"]},
    "`seed`": {"seed": 1},
    "`logprobs`": {"logprobs": True},
    "`n: 2`": {"n": 2},
    "penalties": {"presence_penalty": 0.5},
    "`logit_bias`": {"logit_bias": {"1": 1}},
    "`user`, `metadata`, `store`": {"user": "u", "metadata": {"a": "b"}, "store": False},
    "`prompt_cache_key`": {"prompt_cache_key": "k"},
    "`verbosity`": {"verbosity": "low"},
}

MESSAGE_ROWS: Rows = {
    "`system`": {"system": [{"type": "text", "text": "Be brief."}]},
    "`system` in mid-conversation": {
        "messages": [*_says({"type": "text", "text": "Hi"}), {"role": "system", "content": "Go."}]
    },
    "tools": {"tools": [_TOOL]},
    "a forced tool": {"tools": [_TOOL], "tool_choice": {"type": "tool", "name": "f"}},
    "`disable_parallel_tool_use`": {
        "tools": [_TOOL],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    },
    "the vendor's own tools": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    "an image": {"messages": _says({"type": "image", "source": _PIXEL})},
    "a PDF": {"messages": _says({"type": "document", "source": _PAGES})},
    "`output_config.format`": {
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}
    },
    "`thinking`": {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096},
    "`output_config.effort`": {"output_config": {"effort": "low"}},
    "`temperature`": {"temperature": 0.5},
    "`top_k`": {"top_k": 5},
    "`stop_sequences`": {"stop_sequences": ["x"]},
    "`cache_control`": {
        "messages": _says({"type": "text", "text": "Hi", "cache_control": _CACHED})
    },
    "`metadata.user_id`": {"metadata": {"user_id": "u"}},
    "`context_management`": {
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}
    },
    "`mcp_servers`": {"mcp_servers": [{"type": "url", "name": "m", "url": "https://example.com"}]},
}

RESPONSE_ROWS: Rows = {
    "`instructions`": {"instructions": "Be brief."},
    "functions": {"tools": [_FUNCTION]},
    "a forced function": {"tools": [_FUNCTION], "tool_choice": {"type": "function", "name": "f"}},
    "`parallel_tool_calls: false`": {"tools": [_FUNCTION], "parallel_tool_calls": False},
    "namespaces": {
        "tools": [{"type": "namespace", "name": "n", "description": "N.", "tools": [_FUNCTION]}]
    },
    "custom tools": {"tools": [{"type": "custom", "name": "c", "format": {"type": "text"}}]},
    "the vendor's own tools": {"tools": [{"type": "web_search"}]},
    "an image": {"input": _says({"type": "input_image", "image_url": PNG, "detail": "auto"})},
    "a PDF": {"input": _says({"type": "input_file", "file_data": PDF, "filename": "a.pdf"})},
    "`text.format` with a schema": {
        "text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA, "strict": True}}
    },
    "`reasoning.effort`": {"reasoning": {"effort": "low"}},
    "`include: [reasoning.encrypted_content]`": {"include": ["reasoning.encrypted_content"]},
    "`temperature`": {"temperature": 0.5},
    "`max_output_tokens`": {"max_output_tokens": 64},
    "`top_logprobs`": {"top_logprobs": 1, "include": ["message.output_text.logprobs"]},
    "`text.verbosity`": {"text": {"verbosity": "low"}},
    "`store`, `metadata`, `user`": {"store": False, "metadata": {"a": "b"}, "user": "u"},
    "`prompt_cache_key`": {"prompt_cache_key": "k"},
    "`truncation: auto`": {"truncation": "auto"},
}

TABLES: Mapping[str, tuple[Mapping[str, Any], Rows]] = {
    CHAT_COMPLETIONS.name: ({"messages": [{"role": "user", "content": "Hi"}]}, CHAT_ROWS),
    MESSAGES.name: (
        {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 64},
        MESSAGE_ROWS,
    ),
    RESPONSES.name: ({"input": "Hi"}, RESPONSE_ROWS),
}

HEAD = """# What reaches whom

<!-- Made by `python -m tools.matrix` from the translations; do not edit. -->

Three APIs, and any provider behind each. Where a provider has the API itself, bytes pass through
and only the model's name changes: **native**. Elsewhere a [bridge](endpoints.md#bridges) leads to
chat completions, and the provider's plugin goes on from there.

The tables show what becomes of a feature with `unsupported = "adapt"`, the default:

- ✓ it reaches the vendor, in whatever form the vendor has for it;
- *adapted*: it is left out or done as near as can be, and named in `x-router-dropped-params`;
- *refused*: a 400 names the field, as the client would get something else.

[Providers](providers.md) says how to choose otherwise. Other types with OpenAI's API are nearly
like `vllm`; `azure` and `xai` have `responses` themselves.
"""

LOSSES = """Fields that are lost on the way, or some of their values or parts are, each with the
gravest of what becomes of it. The provider behind the bridge may lose more. Fields that no API
knows yet are left out and reported by the bridges from `messages` and `responses`, and refused by
the others."""


def page() -> str:
    """The whole page."""
    plugins = load_plugins()
    providers = {name: _made(name, plugins.types[name]) for name in MODELS}
    lines = [HEAD, f"| | {' | '.join(f'`{name}`' for name in MODELS)} |"]
    lines.append(f"|---|{'---|' * len(MODELS)}")
    for endpoint in TABLES:
        ways = [_way(provider, endpoint) for provider in providers.values()]
        lines.append(f"| `{endpoint}` | {' | '.join(ways)} |")
    for endpoint, (base, rows) in TABLES.items():
        lines += ["", f"## `{endpoint}`", ""]
        lines.append(f"| | {' | '.join(f'`{name}`' for name in MODELS)} |")
        lines.append(f"|---|{'---|' * len(MODELS)}")
        for title, fields in rows.items():
            cells = [
                _fate(provider, endpoint, {"model": MODELS[name], **base, **fields})
                for name, provider in providers.items()
            ]
            lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join([*lines, *_losses()]) + "\n"


def _losses() -> Iterator[str]:
    """What each bridge declares to lose."""
    yield from ("", "## Bridges", "", LOSSES, "")
    yield from ("| from | to | left out | as near as can be | refused |", "|---|---|---|---|---|")
    for bridge in BRIDGES:
        lost = bridge.unsupported_fields
        cells = [
            ", ".join(f"`{name}`" for name in sorted(lost) if lost[name] == kind)
            for kind in ("hint", "approximation", "loss")
        ]
        yield f"| `{bridge.source}` | `{bridge.target}` | {' | '.join(cells)} |"


def _made(name: str, kind: type[Provider]) -> Provider:
    """A provider of a type, with as few options as it takes."""
    return kind(name, {"api_key": "k"} if "api_key" in kind.options_schema["properties"] else {})


def _way(provider: Provider, endpoint: str) -> str:
    if provider.supports(endpoint):
        return "native"
    return "bridged" if _bridge(provider, endpoint) else "none"


def _fate(provider: Provider, endpoint: str, body: Mapping[str, Any]) -> str:
    """What becomes of a request."""
    ENDPOINTS[endpoint].validator().check(body)
    call = Call("req_1", endpoint, body["model"], body, dump_json(body), False, "adapt")
    call.takes_cache_marks = provider.takes_cache_marks(call.model)
    try:
        left_out = list(_sent(provider, call))
    except ApiError:
        return REFUSED
    return ADAPTED if left_out else CARRIED


def _sent(provider: Provider, call: Call) -> Iterator[str]:
    """Translates a call as far as it goes; gives what was left out."""
    if not provider.supports(call.endpoint):
        bridge = _bridge(provider, call.endpoint)
        assert bridge is not None
        asked, call = call, bridge.call(call)
        yield from asked.dropped
    translator = provider.endpoints.get(call.endpoint)
    if translator is not None:  # else it is served in this process
        translator.build_request(call)
        yield from call.dropped


def _bridge(provider: Provider, endpoint: str) -> Bridge | None:
    for bridge in BRIDGES:
        if bridge.source == endpoint and provider.supports(bridge.target):
            return bridge
    return None


if __name__ == "__main__":
    write_or_check("matrix.md", page(), "tools.matrix")
