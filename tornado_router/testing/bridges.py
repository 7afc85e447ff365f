"""The rules of bridges between endpoints: they are pure, and lose nothing without notice."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from tornado_router import sse
from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.bridges import Bridge
from tornado_router.endpoints.openai_format import ChoicesEndpoint
from tornado_router.errors import ApiError
from tornado_router.provider import Body, Call, load_arguments
from tornado_router.testing import generated, shapes
from tornado_router.testing.json_paths import texts
from tornado_router.testing.replay import CLIENT_MODEL, make_call, plain
from tornado_router.testing.responses import RESPONSES, ResponseSample
from tornado_router.testing.rules.base import no_faults
from tornado_router.testing.samples import SAMPLES
from tornado_router.testing.shapes import describe
from tornado_router.validation import load_schema

_INDEX = re.compile(r"\[\d+\]")
_REFUSALS = ("unsupported_parameter", "unsupported_value")
_CORE = ("model", "stream", "stream_options")


class BridgeConformance:
    """What the core and clients rely on, as tests of one bridge.

    A subclass gives a fixture `bridge`. The kit has requests of every endpoint, and responses of
    those in `tornado_router.testing.responses`.

    Attributes:
        examples: so many requests are made up.
    """

    examples: ClassVar[int] = 200

    @pytest.fixture
    def bridge(self) -> Bridge:
        """The bridge under test; to be overridden."""
        raise NotImplementedError(f"{type(self).__name__} needs a fixture `bridge`")

    def test_call_fits_the_target(self, bridge: Bridge) -> None:
        """Every valid request becomes one that is valid for the target, or is refused by name.

        What the client did not send must not be what the provider refuses.
        """
        requests = generated.requests(bridge.source)
        assert requests is not None, f"the kit has no requests of `{bridge.source}`"

        @settings(
            max_examples=self.examples,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(requests)
        def check(body: dict[str, Any]) -> None:
            fault = _call_fault(bridge, body)
            assert fault is None, fault

        no_faults(_call_fault(bridge, body) for body in _bodies(bridge))
        check()

    def test_call_is_pure(self, bridge: Bridge) -> None:
        """The same call gives the same result each time, and is not changed itself.

        Another provider may be tried with it.
        """
        for body in _bodies(bridge):
            call = _call(bridge, copy.deepcopy(body))
            first, second = _try(bridge, call), _try(bridge, call)
            assert call.body == _call(bridge, body).body, f"{body} is changed"
            assert _outcome(first) == _outcome(second), f"{body} is translated in two ways"

    def test_field_is_carried_or_refused(self, bridge: Bridge) -> None:
        """Each field changes the target's call or the response, or is refused by its name."""
        no_faults(
            _loss(bridge, body, name, drop=False)
            for body in _bodies(bridge)
            for name in body
            if name not in _CORE
        )

    def test_field_is_dropped_where_allowed(self, bridge: Bridge) -> None:
        """With `unsupported = "drop"` a field is carried, reported, or refused as it is needed."""
        no_faults(
            _loss(bridge, body, name, drop=True)
            for body in _bodies(bridge)
            for name in body
            if name not in _CORE
        )

    def test_losses_are_declared(self, bridge: Bridge) -> None:
        """`unsupported_fields` has each field that is lost, and what becomes of it.

        A hint is reported and never refused, an approximation is refused only where the operator
        wants that. Fields that the source's schema does not know are no one's to declare.
        """
        no_faults(_undeclared(bridge, body) for body in _bodies(bridge))

    def test_response_fits_the_source(self, bridge: Bridge) -> None:
        """A response of the target becomes one of the source, with the same texts and usage."""
        for sample in _responses(bridge):
            call, before = _asking(bridge, sample), copy.deepcopy(sample.whole)
            made = plain(bridge.response(call, sample.whole))
            again = plain(bridge.response(call, sample.whole))
            assert sample.whole == before, f"{sample.label}: the target's response is changed"
            assert made == again, f"{sample.label}: it is translated in two ways"
            fault = shapes.misfit(f"{bridge.source}.response", made)
            assert fault is None, f"{sample.label}: {fault}"
            lost = _texts(sample.whole) - _texts(made)
            assert not lost, f"{sample.label}: {lost} is lost"
            source, target = ENDPOINTS[bridge.source], ENDPOINTS[bridge.target]
            assert (
                source.whole(call, made).usage
                == target.whole(bridge.call(call), sample.whole).usage
            ), f"{sample.label}: the usage is another"

    def test_stream_equals_whole_response(self, bridge: Bridge) -> None:
        """A stream, joined, is what the whole response is; each event fits the source's schema."""
        source = ENDPOINTS[bridge.source]
        if not source.streams:
            pytest.skip(f"`{bridge.source}` does not stream")
        for sample in _responses(bridge):
            call, before = _asking(bridge, sample, stream=True), copy.deepcopy(sample.chunks)
            chunks = _fed(bridge, call, sample.chunks)
            assert sample.chunks == before, f"{sample.label}: the target's chunks are changed"
            encoder = source.encoder(call)
            events = b"".join(map(encoder.encode, chunks)) + encoder.finish()
            faults = (shapes.misfit(source.documentation.chunk, event) for event in _read(events))
            no_faults(f"{sample.label}: {fault}" for fault in faults if fault)
            streamed = shapes.parts(source.join(events))
            whole = shapes.parts(plain(bridge.response(call, sample.whole)))
            same = [
                {name: it.get(name) for name in made}
                for made, it in zip(streamed, whole, strict=False)
            ]
            assert len(streamed) == len(whole), f"{sample.label}: parts are lost"
            assert _without_nulls(streamed) == _without_nulls(same), (
                f"{sample.label}: streamed, it is {streamed}; whole, {same}"
            )
            assert (
                encoder.usage() == source.whole(call, bridge.response(call, sample.whole)).usage
            ), f"{sample.label}: the usage is another"

    def test_streams_do_not_mix(self, bridge: Bridge) -> None:
        """Two streams at once are each what they are alone."""
        for sample in _responses(bridge):
            call = _asking(bridge, sample, stream=True)
            alone = _fed(bridge, call, sample.chunks)
            streams = [bridge.stream(call) for _ in range(2)]
            mixed: list[list[Body]] = [[], []]
            for chunk in sample.chunks:
                for made, stream in zip(mixed, streams, strict=True):
                    made.extend(stream.feed(chunk))
            for made, stream in zip(mixed, streams, strict=True):
                made.extend(stream.finish())
                assert made == alone, f"{sample.label}: beside another it is not what it is alone"


def _bodies(bridge: Bridge) -> Iterator[Mapping[str, Any]]:
    for samples in SAMPLES[bridge.source]:
        yield from (sample.body for sample in samples)


def _responses(bridge: Bridge) -> Sequence[ResponseSample]:
    """Those that a client of the source can ask for."""
    samples = RESPONSES.get(bridge.target, ())
    asked = [sample for sample in samples if not sample.asks or bridge.source in sample.asks]
    assert asked, f"the kit has no responses of `{bridge.target}`"
    return copy.deepcopy(asked)  # a bridge that edits them must not spoil those of other rules


def _call(bridge: Bridge, body: Mapping[str, Any], **how: Any) -> Call:
    stream = how.pop("stream", bool(body.get("stream")))
    return make_call(bridge.source, {**body, "model": CLIENT_MODEL}, stream=stream, **how)


def _asking(bridge: Bridge, sample: ResponseSample, *, stream: bool = False) -> Call:
    """A call that a response is for."""
    plainest = SAMPLES[bridge.source][0][0].body
    options: dict[str, Any] = {}
    if stream:
        options["stream"] = True
        if isinstance(ENDPOINTS[bridge.source], ChoicesEndpoint):
            options["stream_options"] = {"include_usage": True}
    return _call(bridge, {**plainest, **sample.asks.get(bridge.source, {}), **options})


def _without_nulls(value: Any) -> Any:
    """Null is as good as absent: a stream does not say what it does not have."""
    if isinstance(value, Mapping):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return list(map(_without_nulls, value)) if isinstance(value, list) else value


def _read(events: bytes) -> Iterator[Any]:
    """The JSON of the events of a stream."""
    decoder = sse.Decoder()
    for event in [*decoder.feed(events), *decoder.finish()]:
        if event.data != b"[DONE]":
            yield orjson.loads(event.data)


def _try(bridge: Bridge, call: Call) -> Call | Exception:
    try:
        return bridge.call(call)
    except Exception as error:  # noqa: BLE001 - the rules look at it
        return error


def _outcome(made: Call | Exception) -> Any:
    return describe(made) if isinstance(made, Exception) else (made.body, made.raw, made.endpoint)


def _call_fault(bridge: Bridge, body: Mapping[str, Any]) -> str | None:
    call = _call(bridge, body)
    made = _try(bridge, call)
    if isinstance(made, ApiError):
        if not 400 <= made.status < 500 or made.param is None:
            return f"{body} is refused without `param`: {describe(made)}"
        return None
    if isinstance(made, Exception):
        return f"{body} crashes: {describe(made)}"
    if (made.id, made.model, made.stream) != (call.id, call.model, call.stream):
        return f"{body}: the call has another id, model or form"
    if made.endpoint != bridge.target or orjson.loads(made.raw) != made.body:
        return f"{body}: `endpoint` or `raw` does not fit the call"
    try:
        ENDPOINTS[bridge.target].validator().check(made.body)
    except ApiError as error:
        return f"{body} becomes what the target refuses: {error.message}"
    return None


def _loss(bridge: Bridge, body: Mapping[str, Any], name: str, *, drop: bool) -> str | None:
    """What is wrong with how one field is treated."""
    how: Any = {"unsupported": "drop" if drop else "reject"}
    call = _call(bridge, body, **how)
    given = _try(bridge, call)
    if body[name] is None:
        return None  # as if it was not there
    if isinstance(given, ApiError):
        must = given.code == "unsupported_parameter"
        return f"{name} is refused, though it may be dropped" if drop and must else None
    absent_call = _call(bridge, {key: body[key] for key in body if key != name}, **how)
    absent = _try(bridge, absent_call)
    is_told = any(
        path == name or path.startswith((f"{name}.", f"{name}[")) for path in call.dropped
    )
    if is_told or isinstance(absent, Exception):
        return None
    assert isinstance(given, Call)
    if _outcome(given) != _outcome(absent):
        return None
    for sample in _responses(bridge):
        if bridge.response(call, sample.whole) != bridge.response(absent_call, sample.whole):
            return None
    return f"{name} of {body} is lost without notice"


def _fields(bridge: Bridge) -> Collection[str]:
    """What the source's schema knows at the top level of a request."""
    fields: Collection[str] = load_schema(f"{bridge.source}.request")["properties"]
    return fields


def _undeclared(bridge: Bridge, body: Mapping[str, Any]) -> str | None:
    """What is lost of a request otherwise than it is declared."""
    for unsupported, refusable in (("adapt", ("loss",)), ("reject", ("loss", "approximation"))):
        how: Any = {"unsupported": unsupported}
        call = _call(bridge, body, **how)
        made = _try(bridge, call)
        refused = isinstance(made, ApiError) and made.code in _REFUSALS
        paths = [(path, False) for path in call.dropped]
        if isinstance(made, ApiError) and refused and made.param:
            paths.append((made.param, True))
        for path, is_refused in paths:
            name = _INDEX.sub("", path)
            if name.partition(".")[0] not in _fields(bridge):
                continue
            kinds = [
                kind
                for field, kind in bridge.unsupported_fields.items()
                if name == field or name.startswith(f"{field}.")
            ]
            if not kinds:
                return f"{path} of {body} is lost, but not declared"
            if is_refused and not set(kinds) & set(refusable):
                return f"{path} of {body} is refused, but declared as {kinds[-1]}"
    return None


def _fed(bridge: Bridge, call: Call, chunks: Sequence[Mapping[str, Any]]) -> list[Body]:
    stream = bridge.stream(call)
    return [made for chunk in chunks for made in stream.feed(chunk)] + list(stream.finish())


def _texts(body: Mapping[str, Any]) -> set[str]:
    """The texts of a response that only a generator could have written.

    Arguments of tools are read: they may be a text in one format, and an object in another.
    """
    found = set()
    for path, text in texts(body):
        if "\u2028" in text:
            arguments = load_arguments(text) if path[-1] == "arguments" else None
            found |= {text} if arguments is None else {inner for _, inner in texts(arguments)}
    return found
