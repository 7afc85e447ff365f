"""The prompt cache: the marks of a whole request.

Claude caches what is marked: https://platform.claude.com/docs/en/build-with-claude/prompt-caching.
OpenAI caches by itself, and a `prompt_cache_key` says that a prefix comes again. So, for a client
that sends one, the end of the instructions is marked, which the tools stand before, and that of the
conversation, which the next turn goes on from. A prefix that is too short to be cached does no harm
there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tornado_router.provider import Params
from tornado_router_anthropic.content import Block, text_blocks, with_known_ttl

MAX_MARKS = 4
"""A request with more is refused; that of the whole request is one of them."""

_FIELD = "cache_control"
_THOUGHTS = ("thinking", "redacted_thinking")
"""Types of blocks that take no mark."""


def set_marks(body: dict[str, Any], params: Params) -> None:
    """Has the vendor cache what the client wants cached, in its own or in OpenAI's words.

    | OpenAI's field | here |
    |---|---|
    | `prompt_cache_breakpoint` of a part | `cache_control` of the block |
    | `prompt_cache_options.mode` `implicit` | `cache_control` of the request, as OpenAI does it |
    | `prompt_cache_options.ttl` | `ttl` of each mark that has none; `30m` becomes `1h` |
    | `prompt_cache_key` | marks, where there is none |
    """
    own = params.take("cache_control")
    if isinstance(own, Mapping) and own:
        body[_FIELD] = with_known_ttl(own)
    options = params.take("prompt_cache_options")
    if not isinstance(options, Mapping):
        options = {}
    if options.get("mode") == "implicit":
        body.setdefault(_FIELD, {"type": "ephemeral"})
    if params.take("prompt_cache_key"):
        mark_prefix(body)
    marked = list(_marked(body))
    if options.get("ttl"):
        for holder in (body, *marked):
            if _FIELD in holder and "ttl" not in holder[_FIELD]:
                holder[_FIELD] = with_known_ttl({**holder[_FIELD], "ttl": options["ttl"]})
    _keep_few(marked, MAX_MARKS - (_FIELD in body))


def _keep_few(marked: list[Block], most: int) -> None:
    """Keeps the first mark, whose prefix other conversations share, and the last ones.

    OpenAI, too, heeds the latest where there are more than it takes.
    """
    if len(marked) > most:
        for block in marked[1 : len(marked) - most + 1]:
            del block[_FIELD]


def _marked(body: Mapping[str, Any]) -> Iterator[Block]:
    """The blocks with marks, in order, those within the results of tools among them."""
    for block in _blocks(body):
        inner = block.get("content") if block.get("type") == "tool_result" else None
        if isinstance(inner, list):
            yield from (part for part in inner if _FIELD in part)
        if _FIELD in block:
            yield block


def mark_prefix(body: dict[str, Any]) -> None:
    """Marks what the next request begins with, unless the client has set marks of its own."""
    if _FIELD in body or any(_marked(body)):
        return
    if body.get("system"):
        body["system"] = _listed(body["system"])
        _mark(body["system"])
    elif body.get("tools"):
        _mark(body["tools"])
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            message["content"] = _listed(message["content"])
            _mark(message["content"])
            return


def _blocks(body: Mapping[str, Any]) -> Iterator[Block]:
    yield from body.get("tools") or ()
    yield from _listed(body.get("system") or [])
    for message in body["messages"]:
        yield from _listed(message["content"])


def _listed(content: str | list[Block]) -> list[Block]:
    return text_blocks(content) if isinstance(content, str) else content


def _mark(blocks: list[Block]) -> None:
    if blocks and blocks[-1].get("type") not in _THOUGHTS:
        blocks[-1] = {**blocks[-1], _FIELD: {"type": "ephemeral"}}
