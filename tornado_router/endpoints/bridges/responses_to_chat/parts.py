"""Parts of messages and of outputs: text, images, files and sound as a chat completion has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tornado_router.provider import Params

_TEXTS = ("input_text", "output_text", "text", "summary_text")
_MARK = "prompt_cache_breakpoint"
_DETAILS = {"original": "high"}
"""What images are looked at with where a chat completion has no such word."""

Part = dict[str, Any]


def content_parts(content: object, params: Params, path: str) -> list[Part]:
    """The parts of a message's content, of whatever role.

    Args:
        content: a string or a list of parts.
        params: takes note of what a chat completion cannot have.
        path: of the content.
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    given = enumerate(content) if isinstance(content, list) else ()
    return converted(given, params, path)


def converted(
    given: Iterable[tuple[int, Mapping[str, Any]]], params: Params, path: str
) -> list[Part]:
    """Some parts of a content, each with its index in it. Other arguments as `content_parts`."""
    parts = []
    for index, part in given:
        made = _part(part, params, f"{path}[{index}]")
        if made is not None:
            if part.get(_MARK):
                made[_MARK] = part[_MARK]
            parts.append(made)
    return parts


def text_parts(content: object, params: Params, path: str) -> list[Part]:
    """The parts of a content that can only be text. Arguments as `content_parts`."""
    parts = content_parts(content, params, path)
    for index, part in enumerate(parts):
        if part["type"] != "text":
            params.unsupported(f"{path}[{index}]")
    return [part for part in parts if part["type"] == "text"]


def plain(parts: list[Part], between: str = "") -> str | list[Part]:
    """Parts in their shortest form: as one text, if they are no more than that.

    Args:
        parts: of one content.
        between: what separates their texts; if empty, several parts stay as they are.
    """
    if all(len(part) == 2 and part["type"] == "text" for part in parts) and (
        between or len(parts) == 1
    ):
        return between.join(part["text"] for part in parts)
    return parts


def _part(part: Mapping[str, Any], params: Params, path: str) -> Part | None:
    kind = part.get("type")
    if kind in _TEXTS and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind == "refusal":
        return {"type": "text", "text": part["refusal"]}
    if kind == "input_image":
        return _image(part, params, path)
    if kind == "input_file":
        return _file(part, params, path)
    sound = part.get("input_audio")
    if kind == "input_audio" and isinstance(sound, Mapping):
        return {"type": kind, kind: sound}
    params.unsupported(path)
    return None


def _image(part: Mapping[str, Any], params: Params, path: str) -> Part | None:
    url, detail = part.get("image_url"), part.get("detail")
    if not url:
        params.unsupported(f"{path}.file_id" if part.get("file_id") else path)
        return None
    image = {"url": url}
    if detail:
        image["detail"] = _DETAILS.get(detail, detail)
    return {"type": "image_url", "image_url": image}


def _file(part: Mapping[str, Any], params: Params, path: str) -> Part | None:
    """A file by its data or its id; a chat completion has none by its address."""
    names = ("file_data", "file_id", "filename")
    file = {name: part[name] for name in names if part.get(name)}
    if "file_data" not in file and "file_id" not in file:
        params.unsupported(f"{path}.file_url" if part.get("file_url") else path)
        return None
    return {"type": "file", "file": file}
