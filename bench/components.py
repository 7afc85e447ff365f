"""What the router's own pieces cost, one by one, in µs of CPU time.

`python bench/components.py [WORD...]` runs those whose name holds one of the words. To add a
piece, append to `_COMPONENTS`; to add a provider plugin, to `_PROVIDERS`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson
from call_stages import RESPONSE, WHOLE_CALL, whole_call_components
from harness import BenchError, bodies, streams
from harness.component import Component, measure, now
from harness.process import CALIBRATED_MS, calibrate, two_cores

from tornado_router.accounts.authenticator import Authenticator
from tornado_router.accounts.digest import digest
from tornado_router.accounts.invalidation import LocalInvalidation
from tornado_router.accounts.key_lookup import Key
from tornado_router.accounts.plans import Plans
from tornado_router.calls.admission import Admission, Permit
from tornado_router.config.options import LimitsOptions, PriceOptions, PricingOptions
from tornado_router.endpoints import CHAT_COMPLETIONS
from tornado_router.endpoints.bridges import Bridge
from tornado_router.endpoints.bridges.messages_to_chat import MessagesToChat
from tornado_router.endpoints.bridges.responses_to_chat import ResponsesToChat
from tornado_router.errors import ApiError
from tornado_router.limits.kinds import Rates
from tornado_router.limits.limiter import Demand, Purse
from tornado_router.limits.memory import MemoryLimiter
from tornado_router.provider import Call, Provider, Relayed, UpstreamResponse
from tornado_router.routing.output_length import OutputBounds
from tornado_router.routing.prices import Prices
from tornado_router.routing.routes import Target
from tornado_router.sse import Decoder, Event, encode
from tornado_router.usage import Usage
from tornado_router.validation import Validator, parse_json
from tornado_router_anthropic import AnthropicProvider
from tornado_router_google import GoogleProvider
from tornado_router_openai import OpenAIProvider

_EVENTS_A_PIECE = 10
_KEY = "sk-tr-9f3b2c7e1d5a48b6a0c4e8f7d6b5a4938271605f4e3"

_CHUNK = orjson.dumps(
    {
        "id": "chatcmpl-mock0123456789",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp_mock",
        "choices": [
            {"index": 0, "delta": {"content": " quick"}, "logprobs": None, "finish_reason": None}
        ],
        "usage": None,
    }
)


def _call(raw: bytes, stream: bool = False, model: str = "") -> Call:
    body = parse_json(raw)
    return Call(
        id="call",
        endpoint="chat.completions",
        model=model or body["model"],
        body=body,
        raw=raw,
        stream=stream,
    )


# -- The core -------------------------------------------------------------------------------------


def _request_components() -> Iterator[Component]:
    validator = Validator.load("chat.completions.request")
    for size, raw in (("1 KB", bodies.small()), ("100 KB", bodies.large())):
        body = parse_json(raw)
        yield Component(f"request: parse {size}", lambda raw=raw: parse_json(raw))
        yield Component(f"request: validate {size}", lambda body=body: validator.check(body))
    wrong = parse_json(bodies.small())
    wrong["messages"][1]["role"] = "nobody"
    yield Component("request: explain a wrong one of 1 KB", lambda: _refused(validator, wrong))


def _refused(validator: Validator, body: Any) -> None:
    with suppress(ApiError):
        validator.check(body)


def _key_components() -> Iterator[Component]:
    authenticator = Authenticator(
        _OneKey(), Plans({}, "free"), LocalInvalidation(), cache_seconds=3600
    )
    header = f"Bearer {_KEY}"
    asyncio.run(authenticator.authenticate(header))  # fills its cache
    yield Component("key: digest", lambda: digest(_KEY))
    yield Component("key: look up, cached", lambda: authenticator.recall(header))


class _OneKey:
    """Stands for the database."""

    async def run(self, _query: Callable[[], object]) -> Key:
        return Key(1, 1, "bench")


def _limit_components() -> Iterator[Component]:
    rates = (Rates("key:1", 10**7, 10**9, 1000), Rates("user:1", 10**7, 10**9, 1000))
    purses = (Purse("credits:1", 10**15, 0), Purse("budget:1", 10**15, 0))
    limiter, demand = MemoryLimiter(), Demand("call", rates, purses, 500, 10_000)
    yield Component(
        "limits: reserve and settle, in memory",
        lambda: limiter.settle(now(limiter.admit(demand)), 400, 9_000),
    )
    prices = Prices({"gpt-4o": PriceOptions(input=2.5, output=10.0)}, PricingOptions(), {})
    targets, usage = [Target("openai", "gpt-4o")], Usage(212, 117, cached_tokens=100)
    price = prices.find("openai", "gpt-4o")
    assert price is not None
    yield Component("price: cost of a call", lambda: price.cost(usage))
    admission = Admission(
        limiter,
        prices,
        OutputBounds(LimitsOptions(default_output_tokens=2000)),
        refuse_unpriced=True,
    )
    key = Key(1, 1, "bench", rates=rates, purses=purses)
    call = _call(bodies.small())

    def admit_and_settle() -> None:
        permit: Permit = now(admission.admit(call, key, targets))
        permit.headers()
        admission.bill(permit, targets[0], usage)
        admission.settle(permit, targets[0], usage)

    yield Component("call: admit, bill and settle, with headers", admit_and_settle)


def _answer_components() -> Iterator[Component]:
    call, answer = _call(bodies.small()), Relayed(orjson.loads(RESPONSE), RESPONSE)
    yield Component("answer: encode, read usage", lambda: CHAT_COMPLETIONS.whole(call, answer))


def _sse_components() -> Iterator[Component]:
    event = encode(_CHUNK)
    one, many, split = _started_decoder(), _started_decoder(), _started_decoder()
    pieces = (event[:100], event[100:])
    yield Component("stream: decode an event that comes alone", lambda: one.feed(event))
    yield Component(
        "stream: decode an event that comes with others",
        lambda: many.feed(event * _EVENTS_A_PIECE),
        units=_EVENTS_A_PIECE,
    )
    yield Component(
        "stream: decode an event that comes in two pieces",
        lambda: [split.feed(piece) for piece in pieces],
    )


def _started_decoder() -> Decoder:
    decoder = Decoder()
    decoder.feed(encode(b"{}"))
    return decoder


def _bridge_components() -> Iterator[Component]:
    """Endpoints by chat completions: what a bridge takes on top of those."""
    said, schema = "All of the text. ", {"type": "object", "properties": {"city": {}}}
    tool, asked = {"description": said * 170}, {"model": "gpt-4o"}
    message = {"role": "user", "content": said * 55}
    cases: tuple[tuple[Bridge, dict[str, Any], dict[str, Any]], ...] = (
        (ResponsesToChat(), {"input": said * 55}, {"type": "function", "parameters": schema}),
        (MessagesToChat(), {"messages": [message], "max_tokens": 99}, {"input_schema": schema}),
    )
    for bridge, fields, form in cases:
        name, small = f"bridge of {bridge.source}", {**asked, **fields}
        tools = [{**tool, **form, "name": f"tool_{index}"} for index in range(24)]
        for size, body in (("1 KB", small), ("76 KB, 24 tools", {**small, "tools": tools})):
            call = replace(_call(orjson.dumps(body)), endpoint=bridge.source)
            yield Component(f"{name}: a request of {size}", partial(bridge.call, call))
        call = replace(_call(orjson.dumps(small)), endpoint=bridge.source)
        whole, chunk = orjson.loads(RESPONSE), orjson.loads(_CHUNK)
        yield Component(f"{name}: a whole response", partial(bridge.response, call, whole))
        stream = bridge.stream(call)
        stream.feed(chunk)
        yield Component(f"{name}: an event", partial(stream.feed, chunk))


def _stream_components() -> Iterator[Component]:
    return (Component(*piece) for piece in streams.pieces())


_COMPONENTS: list[Callable[[], Iterator[Component]]] = [
    _request_components,
    _key_components,
    _limit_components,
    _sse_components,
    _answer_components,
    _stream_components,
    _bridge_components,
    whole_call_components,
]


# -- Provider plugins -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _ProviderCase:
    """A provider, and what its vendor answers: 1 KB whole, and one word of a stream."""

    provider: Provider
    model: str
    answer: bytes
    event: Event
    before: Sequence[Event] = ()


_CLAUDE_ANSWER = orjson.dumps(
    {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "All of the text. " * 50}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 212, "output_tokens": 117, "cache_read_input_tokens": 0},
    }
)
_CLAUDE_START = orjson.dumps(
    {
        "type": "message_start",
        "message": {**orjson.loads(_CLAUDE_ANSWER), "content": [], "stop_reason": None},
    }
)
_CLAUDE_BLOCK = orjson.dumps(
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
)
_CLAUDE_DELTA = orjson.dumps(
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": " quick"},
    }
)
_GEMINI_CANDIDATE = {
    "content": {"role": "model", "parts": [{"text": "All of the text. " * 50}]},
    "finishReason": "STOP",
    "index": 0,
}
_GEMINI_ANSWER = orjson.dumps(
    {
        "candidates": [_GEMINI_CANDIDATE],
        "usageMetadata": {"promptTokenCount": 212, "candidatesTokenCount": 117},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "mock0123456789",
    }
)
_GEMINI_CHUNK = orjson.dumps(
    {
        "candidates": [{"content": {"role": "model", "parts": [{"text": " quick"}]}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 212},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "mock0123456789",
    }
)
_KEY_OPTION = {"api_key": "sk-upstream"}
_PROVIDERS: Mapping[str, _ProviderCase] = {
    "openai": _ProviderCase(
        OpenAIProvider("openai", _KEY_OPTION), "gpt-4o", RESPONSE, Event(_CHUNK)
    ),
    "anthropic": _ProviderCase(
        AnthropicProvider("anthropic", _KEY_OPTION),
        "claude-sonnet-4-5",
        _CLAUDE_ANSWER,
        Event(_CLAUDE_DELTA, "content_block_delta"),
        before=[Event(_CLAUDE_START), Event(_CLAUDE_BLOCK)],
    ),
    "google": _ProviderCase(
        GoogleProvider("google", _KEY_OPTION),
        "gemini-2.5-flash",
        _GEMINI_ANSWER,
        Event(_GEMINI_CHUNK),
    ),
}


def _provider_components(name: str, case: _ProviderCase) -> Iterator[Component]:
    translator = case.provider.endpoints["chat.completions"]
    response = UpstreamResponse(200, {"Content-Type": "application/json"}, case.answer)
    call = _call(bodies.small(), model=case.model)
    large = _call(bodies.large(), model=case.model)
    yield Component(f"{name}: build a request, 1 KB", lambda: translator.build_request(call))
    yield Component(f"{name}: build a request, 100 KB", lambda: translator.build_request(large))
    yield Component(f"{name}: parse an answer", lambda: translator.parse_response(call, response))
    streamed = _call(bodies.stream(50, 20), stream=True, model=case.model)
    parser = translator.parse_stream(streamed)
    for event in case.before:
        list(parser.feed(event))
    yield Component(f"{name}: parse an event", lambda: list(parser.feed(case.event)))


# -- Measuring ------------------------------------------------------------------------------------


def all_components() -> Iterator[Component]:
    """Every piece, the core's first."""
    for make in _COMPONENTS:
        yield from make()
    for name, case in _PROVIDERS.items():
        yield from _provider_components(name, case)


def main() -> int:
    """Prints the table, and what the stages of a call come to together."""
    words = sys.argv[1:]
    try:
        core, _ = two_cores()
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    os.sched_setaffinity(0, {core})
    print("| piece | µs, median | µs, least |\n| --- | --- | --- |")
    stages, whole = 0.0, ""
    for component in all_components():
        if words and not any(word in component.name for word in words):
            continue
        scale = CALIBRATED_MS / calibrate(core)
        middle, least = (value * scale for value in measure(component))
        print(f"| {component.name} | {middle:.2f} | {least:.2f} |", flush=True)
        stages += least if component.in_call else 0.0
        whole = f" of {least:.1f}" if component.name == WHOLE_CALL else whole
    if stages:
        print(f"\nThe stages of a call (`stage: ...`) come to {stages:.1f}{whole} us at least.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
