"""A stream of the vendor's events as chunks.

https://platform.claude.com/docs/en/build-with-claude/streaming: `message_start`, then each block
with its deltas, `message_delta` with the reason to stop, `message_stop`; `ping` and events yet
unknown in between, and `error` anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tornado_router.provider import (
    Body,
    Call,
    Event,
    SafeNames,
    is_error,
    load_arguments,
    write_json,
)
from tornado_router_anthropic.errors import reported_error
from tornado_router_anthropic.settings import Settings
from tornado_router_anthropic.thinking import Layout, keep_layout
from tornado_router_anthropic.tool_schemas import rename_keys
from tornado_router_anthropic.tools import is_legacy, safe_names
from tornado_router_anthropic.vendor_response import (
    VendorResponse,
    finish_reason,
    merge_usage,
    read_usage,
    refusal_text,
)

Chunks = Iterable[Body]


class MessageStream:
    """Reads one stream.

    Args:
        call: what was asked.
        settings: of the provider.
        headers: of the response, as far as they are known.

    Attributes:
        done: whether the vendor has said that it is over.
    """

    def __init__(
        self, call: Call, settings: Settings, headers: Mapping[str, str] | None = None
    ) -> None:
        self.done = False
        self._headers = headers
        self._call = call
        self._response = VendorResponse(settings.name, call)
        self._shows_thoughts = settings.reasoning_content
        self._legacy = is_legacy(call.body)
        self._identity: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._layout: Layout = []
        self._calls = 0
        self._has_arguments = False
        self._keys: SafeNames | None = None  # of the call, if its properties have other names
        self._held: list[str] = []  # its arguments, until they are whole
        self._block: dict[str, Any] = {}  # that is being sent, as the next two
        self._length = 0
        self._thought: dict[str, list[str]] = {}  # pieces of its text and its signature
        self._finished = False
        self._readers = {
            "content_block_delta": self._delta,
            "content_block_start": self._begin_block,
            "content_block_stop": self._end_block,
            "message_start": self._begin,
            "message_delta": self._finish,
            "message_stop": self._stop,
            "error": self._fail,
        }

    def feed(self, event: Event) -> Chunks:
        """The chunks of an event.

        Raises:
            ProviderError: it reports a failure, or is not what the API promises.
        """
        data = self._response.load(event.data)
        kind = data.get("type")
        reader = self._readers.get(kind) if isinstance(kind, str) else None
        if reader is None:
            return self._fail(data) if is_error(data) else ()
        return reader(data)

    def finish(self) -> Chunks:
        """Nothing is held back; only checks that the stream is whole.

        Raises:
            ProviderError: it is not.
        """
        if not self.done:
            raise self._response.fault("a stream that breaks off")
        return ()

    def _begin(self, data: dict[str, Any]) -> Chunks:
        message = data.get("message")
        if not isinstance(message, dict):
            raise self._response.wrong("message")
        self._identity = self._response.identity(message, "chat.completion.chunk")
        merge_usage(self._usage, message.get("usage"))
        return (self._chunk({"role": "assistant", "content": "", "refusal": None}),)

    def _begin_block(self, data: dict[str, Any]) -> Chunks:
        block = data.get("content_block")
        if not self._identity or not isinstance(block, dict):
            raise self._response.wrong("content_block")
        self._block, self._length, self._thought = block, 0, {}
        match block.get("type"):
            case "text":
                return self._text(block.get("text") or "")
            case "tool_use":
                return self._begin_call(block)
        return ()

    def _begin_call(self, block: dict[str, Any]) -> Chunks:
        identifier, name = block.get("id"), block.get("name")
        if not isinstance(identifier, str) or not isinstance(name, str):
            raise self._response.wrong("content_block.id" if name else "content_block.name")
        name = safe_names(self._call).original(name)
        self._keys, self._held = self._response.renamed_keys.get(name), []
        self._layout.append(identifier)
        self._calls += 1
        self._has_arguments = False
        function = {"name": name, "arguments": ""}
        if self._legacy:
            return (self._chunk({"function_call": function}),) if self._calls == 1 else ()
        index = self._calls - 1
        begun = {"index": index, "id": identifier, "type": "function", "function": function}
        return (self._chunk({"tool_calls": [begun]}),)

    def _delta(self, data: dict[str, Any]) -> Chunks:
        delta = data.get("delta")
        if not isinstance(delta, dict):
            raise self._response.wrong("delta")
        match delta.get("type"):
            case "text_delta":
                return self._text(delta.get("text"))
            case "input_json_delta":
                return self._arguments(delta.get("partial_json"))
            case "thinking_delta":
                return self._think("thinking", delta)
            case "signature_delta":
                return self._think("signature", delta)
            case None:
                raise self._response.wrong("delta.type")
        return ()  # citations, and what is yet to come

    def _text(self, text: object) -> Chunks:
        if not isinstance(text, str):
            raise self._response.wrong("delta.text")
        if not text:
            return ()
        self._length += len(text)
        return (self._chunk({"content": text}),)

    def _think(self, part: str, delta: dict[str, Any]) -> Chunks:
        text = delta.get(part)
        if not isinstance(text, str):
            raise self._response.wrong(f"delta.{part}")
        self._thought.setdefault(part, []).append(text)
        if text and self._shows_thoughts and part == "thinking":
            return (self._chunk({"reasoning_content": text}),)
        return ()

    def _arguments(self, text: object) -> Chunks:
        if not isinstance(text, str):
            raise self._response.wrong("delta.partial_json")
        if not text or self._block.get("type") != "tool_use":
            return ()
        self._has_arguments = True
        if self._keys:
            self._held.append(text)
            return ()
        return self._argument_chunk(text)

    def _argument_chunk(self, text: str) -> Chunks:
        if self._legacy:
            function = {"function_call": {"arguments": text}}
            return (self._chunk(function),) if self._calls == 1 else ()
        index = self._calls - 1
        return (self._chunk({"tool_calls": [{"index": index, "function": {"arguments": text}}]}),)

    def _end_block(self, data: dict[str, Any]) -> Chunks:
        block, self._block = self._block, {}
        match block.get("type"):
            case "text":
                if self._length:
                    self._layout.append(self._length)
            case "thinking" | "redacted_thinking":
                pieces = {part: "".join(texts) for part, texts in self._thought.items()}
                self._layout.append(block | pieces)
            case "tool_use" if self._held and self._keys:
                text = "".join(self._held)
                arguments = load_arguments(text)
                if arguments is not None:
                    renamed = rename_keys(arguments, self._keys.original)
                    text = write_json(renamed).decode()
                return self._argument_chunk(text)
            case "tool_use" if not self._has_arguments:
                # A call without arguments comes without a delta; OpenAI's are JSON all the same.
                given = block.get("input") or {}
                if self._keys:
                    given = rename_keys(given, self._keys.original)
                return self._argument_chunk(write_json(given).decode())
        return ()

    def _finish(self, data: dict[str, Any]) -> Chunks:
        merge_usage(self._usage, data.get("usage"))
        delta = data.get("delta")
        reason = delta.get("stop_reason") if isinstance(delta, dict) else None
        if self._finished or not isinstance(delta, dict) or not isinstance(reason, str):
            return ()
        self._finished = True
        if not self._legacy:
            keep_layout(self._call, self._layout)
        refusal = refusal_text(delta)
        chunk = self._chunk({"refusal": refusal} if refusal else {})
        chunk["choices"][0]["finish_reason"] = finish_reason(reason, self._calls > 0, self._legacy)
        return (chunk,)

    def _stop(self, data: dict[str, Any]) -> Chunks:
        if not self._finished:
            raise self._response.wrong("stop_reason")
        self.done = True
        usage = read_usage(self._usage)
        return ({**self._identity, "choices": [], "usage": usage},) if usage else ()

    def _fail(self, data: dict[str, Any]) -> Chunks:
        raise reported_error(self._response.provider, data, self._headers)

    def _chunk(self, delta: dict[str, Any]) -> dict[str, Any]:
        if not self._identity:
            raise self._response.fault("a stream without a beginning")
        return {
            **self._identity,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}],
        }
