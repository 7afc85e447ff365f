"""Renews the tables of docs/providers.md that providers declare in code.

python -m tools.providers           writes the tables; the rest of the page is written by hand
python -m tools.providers --check   fails if the page is not what it would write

A table stands between `<!-- made: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from tools.pages import FOLDER, write_or_check
from tornado_router.provider import Call, Provider, UpstreamRequest
from tornado_router_anthropic import AnthropicProvider
from tornado_router_google import GoogleProvider
from tornado_router_openai.presets import PRESETS
from tornado_router_openai.provider import OpenAI

_PLACE = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_TYPES: Mapping[str, type[Provider]] = {
    "anthropic": AnthropicProvider,
    "google": GoogleProvider,
    "openai": OpenAI,
    **PRESETS,
}
_OPTIONS = {"api_key": "a-key-of-no-account"}
_AZURE = {"base_url": "https://resource.openai.azure.com/openai/v1"}


def page(text: str) -> str:
    """The whole page.

    Args:
        text: the page as it is, which says where each table has its place.
    """
    return _PLACE.sub(lambda place: f"{place[1]}{_TABLES[place[2]]()}\n{place[3]}", text)


def _unsupported() -> str:
    rows = ["| `type` | hints | approximations | losses |", "|---|---|---|---|"]
    for name, kind in sorted(_TYPES.items()):
        provider = kind(name, {**_OPTIONS, **(_AZURE if name == "azure" else {})})
        fields = provider.endpoints["chat.completions"].unsupported_fields
        if fields:
            rows.append(f"| `{name}` | {' | '.join(_cells(fields))} |")
    return "\n".join(rows)


def _cells(fields: Mapping[str, str]) -> Iterator[str]:
    for kind in ("hint", "approximation", "loss"):
        yield ", ".join(f"`{name}`" for name in sorted(fields) if fields[name] == kind)


def _efforts() -> str:
    rows = [
        "| `type` | model | " + " | ".join(f"`{effort}`" for effort in _EFFORTS) + " |",
        "|---" * (len(_EFFORTS) + 2) + "|",
    ]
    for kind, model in _THINKERS:
        provider = _TYPES[kind](kind, _OPTIONS)
        cells = [_effort(provider, model, effort) for effort in _EFFORTS]
        rows.append(f"| `{kind}` | `{model}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def _effort(provider: Provider, model: str, effort: str) -> str:
    """What is sent for an effort, by a request that is made for it."""
    message = {"role": "user", "content": "Hello"}
    body = {"model": model, "messages": [message], "reasoning_effort": effort}
    call = Call("id", "chat.completions", model, body, orjson.dumps(body), False, "adapt")
    request = provider.endpoints["chat.completions"].build_request(call)
    return _asked(request) + (" *" if call.dropped else "")


def _asked(request: UpstreamRequest) -> str:
    assert isinstance(request.body, bytes)
    sent: dict[str, Any] = orjson.loads(request.body)
    thinking = sent.get("thinking") or {}
    google = (sent.get("generationConfig") or {}).get("thinkingConfig") or {}
    budget = thinking.get("budget_tokens", google.get("thinkingBudget"))
    effort = (sent.get("output_config") or {}).get("effort")
    level = effort or google.get("thinkingLevel") or sent.get("reasoning_effort")
    if budget is not None:
        return f"{budget} tokens"
    words = [f"{thinking['type']}"] if thinking else []
    return ", ".join([*words, *([f"`{level}`"] if level else [])]) or "–"


_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_THINKERS = (
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-6"),
    ("anthropic", "claude-opus-5"),
    ("anthropic", "claude-opus-5-5"),
    ("google", "gemini-2.5-flash"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-3-pro-preview"),
    ("google", "gemini-3.8-flash"),
    ("openai", "gpt-4o"),
    ("openai", "o3"),
    ("openai", "gpt-5"),
    ("openai", "gpt-5.1"),
    ("openai", "gpt-5.6"),
)

_TABLES: Mapping[str, Callable[[], str]] = {"efforts": _efforts, "unsupported": _unsupported}


if __name__ == "__main__":
    text = (FOLDER / "providers.md").read_text("utf-8")
    write_or_check("providers.md", page(text), "tools.providers")
