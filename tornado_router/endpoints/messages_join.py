"""Streams of messages, joined for the request log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from tornado_router import sse
from tornado_router.endpoints.anthropic_usage import merge_usage
from tornado_router.endpoints.openai_stream import add_piece, index_of
from tornado_router.provider import load_json

_MESSAGE = ("id", "model", "role")
_ENDS = ("router", "error")


def join_events(events: bytes) -> dict[str, Any]:
    """The message that events amount to: its blocks with their texts put together.

    Args:
        events: of the stream, as the client got them.
    """
    blocks: dict[int, dict[str, Any]] = {}
    joined: dict[str, Any] = {"stream": True}
    usage: dict[str, Any] = {}
    decoder = sse.Decoder()
    for event in [*decoder.feed(events), *decoder.finish()]:
        try:
            _add_event(load_json(event.data), joined, blocks, usage)
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            continue  # an event that was cut off, or one that no client can read either
    joined["content"] = [_whole_block(blocks[index]) for index in sorted(blocks)]
    if usage:
        joined["usage"] = usage
    return joined


def trim_message(joined: dict[str, Any], without_end: Callable[[str], str]) -> None:
    """Removes from a joined message what may be cut in half. Arguments as for `Endpoint.trim`."""
    for block in joined["content"]:
        for name in block.keys() - {"type"}:
            text = block.pop(name)
            if isinstance(text, str) and name != "input":
                block[name] = without_end(text)


def _add_event(
    body: Mapping[str, Any],
    joined: dict[str, Any],
    blocks: dict[int, dict[str, Any]],
    usage: dict[str, Any],
) -> None:
    match body["type"]:
        case "message_start":
            message = body["message"]
            joined.update({name: message[name] for name in _MESSAGE if name in message})
            merge_usage(usage, message.get("usage"))
        case "content_block_start":
            blocks[index_of(body)] = {**body["content_block"]}
        case "content_block_delta":
            _add_delta(blocks.setdefault(index_of(body), {}), body["delta"])
        case "message_delta":
            joined.update(body["delta"])
            merge_usage(usage, body.get("usage"))
    joined.update({name: body[name] for name in _ENDS if name in body})


def _add_delta(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name, piece in delta.items():
        if name == "partial_json":
            if not isinstance(block.get("input"), str):
                block["input"] = ""  # what stands there at the start is an empty object
            add_piece(block, "input", piece)
        elif name == "citation":
            block["citations"] = [*(block.get("citations") or ()), piece]
        elif name != "type":
            add_piece(block, name, piece)


def _whole_block(block: dict[str, Any]) -> dict[str, Any]:
    """A block whose input is the object that its pieces make, if they are whole."""
    text = block.get("input")
    if isinstance(text, str):
        with suppress(ValueError):
            block["input"] = load_json(text.encode("utf-8", "replace") or b"{}")
    return block
