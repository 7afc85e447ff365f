"""The blocks that Anthropic's messages are made of: found, and estimated in tokens.

Only what the schema knows is certain about them, so nothing here relies on more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tornado_router.endpoints.estimates import IMAGE_TOKENS, estimate_tokens

PDF_PAGE_TOKENS = 3000
"""Of a page, which is read as text and as an image:
https://platform.claude.com/docs/en/build-with-claude/pdf-support."""

PDF_PAGE_BYTES = 100_000
"""Of a page of a document, in base64; a guess."""

IMAGE_MOST_TOKENS = 1600
"""Of an image of the usual sizes: https://platform.claude.com/docs/en/build-with-claude/vision."""

_BYTES_PER_TOKEN = 3.0
_CLAUDES_BYTES_PER_TOKEN = 2.4
"""Of JSON with English, code and names, for counts that rather err high. Claude's tokens are
shorter than others'."""

_MESSAGE_TOKENS = 8
"""Of what stands around each message and tool."""

Block = Mapping[str, Any]

_MEDIA = ("image", "document", "container_upload")
_PROMPT_FIELDS = ("system", "messages", "tools")


def blocks_of(holder: Mapping[str, Any]) -> list[Block]:
    """The blocks of a message or of a tool's result; none if its content is a text."""
    content = holder.get("content")
    if not isinstance(content, list):
        return []
    return [block for block in content if isinstance(block, dict)]


def all_blocks(body: Mapping[str, Any]) -> Iterator[Block]:
    """The blocks of all messages of a request."""
    for message in body["messages"]:
        yield from blocks_of(message)


def media_of(body: Mapping[str, Any]) -> list[Block]:
    """The blocks that are not text: images, and documents that are not given as text."""
    media = []
    for block in all_blocks(body):
        kind = block.get("type")
        if kind == "tool_result":
            media += [part for part in blocks_of(block) if _is_medium(part)]
        elif kind in _MEDIA and _is_medium(block):
            media.append(block)
    return media


def estimate_prompt(body: Mapping[str, Any]) -> int:
    """A guess at the tokens of a request, media included."""
    tokens = sum(estimate_tokens(body.get(name)) for name in _PROMPT_FIELDS)
    return tokens + sum(map(_media_tokens, media_of(body)))


def count_high(raw: bytes, body: Mapping[str, Any], model: str) -> int:
    """An estimate of the tokens of a request that rather errs high: of all that is in it.

    Args:
        raw: the request.
        body: the same.
        model: the vendor's own name of the model.
    """
    size, tokens = len(raw), 0
    for block in media_of(body):
        data = _source(block).get("data")
        size -= len(data) if isinstance(data, str) else 0
        is_image = block["type"] == "image"
        tokens += IMAGE_MOST_TOKENS if is_image else _media_tokens(block)
    for block in all_blocks(body):
        hidden = block.get("signature") or block.get("data")  # of thoughts: no text
        size -= len(hidden) if isinstance(hidden, str) else 0
    per_token = _CLAUDES_BYTES_PER_TOKEN if "claude" in model else _BYTES_PER_TOKEN
    parts = len(body["messages"]) + len(body.get("tools") or ())
    return math.ceil(max(size, 0) / per_token) + tokens + _MESSAGE_TOKENS * parts


def _is_medium(block: Block) -> bool:
    kind = block.get("type")
    is_text = kind == "document" and _source(block).get("type") in ("text", "content")
    return kind in _MEDIA and not is_text


def _media_tokens(block: Block) -> int:
    if block["type"] == "image":
        return IMAGE_TOKENS
    data = _source(block).get("data")
    pages = -(-len(data) // PDF_PAGE_BYTES) if isinstance(data, str) else 1
    return PDF_PAGE_TOKENS * pages


def _source(block: Block) -> Mapping[str, Any]:
    source = block.get("source")
    return source if isinstance(source, dict) else {}
