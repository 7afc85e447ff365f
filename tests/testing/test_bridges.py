"""Each rule of bridges catches a bridge that breaks it."""

from dataclasses import replace
from typing import ClassVar

import pytest

from tornado_router.endpoints.bridges.completions_to_chat import CompletionsToChat
from tornado_router.errors import ApiError
from tornado_router.provider import dump_json
from tornado_router.testing import BridgeConformance

RULES = BridgeConformance()


def changed(call, **fields):
    body = {key: value for key, value in {**call.body, **fields}.items() if value is not None}
    return replace(call, body=body, raw=dump_json(body))


class Lossy(CompletionsToChat):
    def call(self, call):
        return changed(super().call(call), temperature=None)


class Invalid(CompletionsToChat):
    def call(self, call):
        return changed(super().call(call), n=0)


class Stale(CompletionsToChat):
    def call(self, call):
        return replace(super().call(call), raw=call.raw)


class Nameless(CompletionsToChat):
    def call(self, call):
        if call.body.get("suffix"):
            raise ApiError(400, "no")
        return super().call(call)


class Crashing(CompletionsToChat):
    def call(self, call):
        return super().call(changed(call, prompt=call.body["prompt"].strip()))


class Strict(CompletionsToChat):
    def call(self, call):
        return super().call(replace(call, unsupported="reject"))


class Undeclared(CompletionsToChat):
    unsupported_fields: ClassVar = {"best_of": "loss", "max_tokens": "loss", "prompt": "loss"}


class Understated(CompletionsToChat):
    unsupported_fields: ClassVar = {**CompletionsToChat.unsupported_fields, "suffix": "hint"}


class Editing(CompletionsToChat):
    def call(self, call):
        call.body.pop("user", None)
        return super().call(call)


class Random(CompletionsToChat):
    count = 0

    def call(self, call):
        self.count += 1
        return changed(super().call(call), seed=self.count)


class Mute(CompletionsToChat):
    def response(self, call, body):
        made = super().response(call, body)
        return {**made, "choices": [{**choice, "text": ""} for choice in made["choices"]]}


class Free(CompletionsToChat):
    def response(self, call, body):
        return {**super().response(call, body), "usage": None}


class Misfit(CompletionsToChat):
    def response(self, call, body):
        return body


class Consuming(CompletionsToChat):
    def response(self, call, body):
        made = super().response(call, body)
        body["choices"].clear()
        return made


class Changed(CompletionsToChat):
    def stream(self, call):
        return Wrapped(super().stream(call), lambda chunk: {**chunk, "object": 5})


class Halved(CompletionsToChat):
    def stream(self, call):
        seen = []

        def every_other(chunk):
            seen.append(chunk)
            return chunk if len(seen) % 2 else None

        return Wrapped(super().stream(call), every_other)


class Shared(CompletionsToChat):
    def stream(self, call):
        self._stream = getattr(self, "_stream", None) or super().stream(call)
        return self._stream


class Wrapped:
    def __init__(self, stream, change):
        self._stream, self._change = stream, change

    def feed(self, chunk):
        made = map(self._change, self._stream.feed(chunk))
        return [chunk for chunk in made if chunk is not None]

    def finish(self):
        return self._stream.finish()


BROKEN = [
    (Lossy, "test_field_is_carried_or_refused"),
    (Lossy, "test_field_is_dropped_where_allowed"),
    (Strict, "test_field_is_dropped_where_allowed"),
    (Invalid, "test_call_fits_the_target"),
    (Stale, "test_call_fits_the_target"),
    (Nameless, "test_call_fits_the_target"),
    (Crashing, "test_call_fits_the_target"),
    (Undeclared, "test_losses_are_declared"),
    (Understated, "test_losses_are_declared"),
    (Editing, "test_call_is_pure"),
    (Random, "test_call_is_pure"),
    (Mute, "test_response_fits_the_source"),
    (Free, "test_response_fits_the_source"),
    (Misfit, "test_response_fits_the_source"),
    (Consuming, "test_response_fits_the_source"),
    (Changed, "test_stream_equals_whole_response"),
    (Halved, "test_stream_equals_whole_response"),
    (Shared, "test_streams_do_not_mix"),
]


@pytest.mark.parametrize(("bridge", "rule"), BROKEN, ids=lambda it: getattr(it, "__name__", it))
def test_rule_catches(bridge, rule):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(RULES, rule)(bridge())


def test_every_rule_catches_something():
    rules = {name for name in vars(BridgeConformance) if name.startswith("test_")}
    assert rules == {rule for _, rule in BROKEN}
