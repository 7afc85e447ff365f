"""Parts of a message: text, images and files as content blocks.

https://platform.claude.com/docs/en/build-with-claude/vision and
https://platform.claude.com/docs/en/build-with-claude/pdf-support say what there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tornado_router.provider import Params, sniffed_type

Block = dict[str, Any]

_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
CACHE_TTLS = ("5m", "1h")
_PDF = "application/pdf"
_PDF_BASE64 = "JVBERi"
"""How `%PDF-` begins in base64."""


def content_blocks(content: object, params: Params, path: str) -> list[Block]:
    """The blocks of a message's content.

    Text without a character is left out: the API refuses such a block, even one of its own.

    Args:
        content: a string, a list of parts, or None.
        params: takes note of what the vendor cannot do.
        path: of the content.
    """
    if isinstance(content, str):
        return text_blocks(content)
    blocks: list[Block] = []
    if isinstance(content, Sequence):
        for index, part in enumerate(content):
            block = _block(part, params, f"{path}[{index}]")
            if block is not None:
                add_cache_control(block, part)
                blocks.append(block)
    return blocks


def text_blocks(text: str) -> list[Block]:
    """One block of text, or none for a text of blanks."""
    return [{"type": "text", "text": text}] if text and not text.isspace() else []


def add_cache_control(block: Block, source: Mapping[str, Any]) -> None:
    """Marks a block as the end of a prefix to cache, if its source is so marked.

    Either as Anthropic has it, which OpenRouter and LiteLLM have made a convention, or by OpenAI's
    `prompt_cache_breakpoint`: https://platform.claude.com/docs/en/build-with-claude/prompt-caching.
    """
    control = source.get("cache_control")
    mark = source.get("prompt_cache_breakpoint")
    if isinstance(control, Mapping) and control:
        block["cache_control"] = with_known_ttl(control)
    elif isinstance(mark, Mapping) and mark:
        block["cache_control"] = with_known_ttl({"type": "ephemeral", "ttl": mark.get("ttl")})


def with_known_ttl(control: Mapping[str, Any]) -> dict[str, Any]:
    """A mark with a time to live that the vendor has: five minutes, or else an hour."""
    ttl = control.get("ttl")
    known = {name: value for name, value in control.items() if name != "ttl"}
    if ttl:
        known["ttl"] = ttl if ttl in CACHE_TTLS else CACHE_TTLS[-1]
    return known


def plain(blocks: list[Block]) -> str | list[Block]:
    """The shortest form of some blocks: their text, if that is all there is."""
    if len(blocks) == 1 and blocks[0]["type"] == "text" and len(blocks[0]) == 2:
        text: str = blocks[0]["text"]
        return text
    return blocks


def _block(part: Mapping[str, Any], params: Params, path: str) -> Block | None:
    match part:
        case {"type": "text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            return {"type": "text", "text": text} if text and not text.isspace() else None
        case {"type": "image_url", "image_url": {"url": str(url)} as image}:
            if image.get("detail") not in (None, "auto"):
                params.leave_out(f"{path}.image_url.detail")
            return _image(url, params, path)
        case {"type": "file", "file": dict(file)}:
            return _file(file, params, path)
    params.unsupported(path)
    return None


def _image(url: str, params: Params, path: str) -> Block | None:
    if url.startswith("https://"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    label, data = _data_url(url)
    # The API compares the label with the first bytes, and refuses the request if they differ.
    media_type = sniffed_type(data) or ("image/jpeg" if label == "image/jpg" else label)
    if media_type not in _IMAGE_TYPES:
        params.unsupported(f"{path}.image_url.url")
        return None
    return {"type": "image", "source": _base64(media_type, data)}


def _file(file: Mapping[str, Any], params: Params, path: str) -> Block | None:
    """A document of a PDF; the vendor knows nothing of a file that was uploaded to OpenAI."""
    data: str = file.get("file_data") or ""
    if not data:
        params.unsupported(f"{path}.file.file_id")
        return None
    media_type, content = _data_url(data)
    if not media_type and data.startswith(_PDF_BASE64):
        media_type, content = _PDF, data
    if media_type != _PDF:
        params.unsupported(f"{path}.file.file_data")
        return None
    block = {"type": "document", "source": _base64(_PDF, content)}
    if file.get("filename"):
        block["title"] = file["filename"]
    return block


def _base64(media_type: str, data: str) -> dict[str, str]:
    return {"type": "base64", "media_type": media_type, "data": data}


def _data_url(url: str) -> tuple[str, str]:
    """Media type and base64 data; two empty strings for any other URL."""
    head, comma, data = url.partition(",")
    head = head.lower()
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return "", ""
    return head[5:].partition(";")[0], data
