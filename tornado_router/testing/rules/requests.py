"""Rules about what is sent to the vendor."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tornado_router.endpoints import ENDPOINTS
from tornado_router.errors import ApiError
from tornado_router.provider import Call, Parts, UpstreamRequest
from tornado_router.testing import corpus, generated
from tornado_router.testing.json_paths import texts
from tornado_router.testing.probes import PROBES, Probe
from tornado_router.testing.recordings import CHAT
from tornado_router.testing.replay import CLIENT_MODEL, Player, sent_body
from tornado_router.testing.rules.base import (
    Rules,
    declares,
    needs_vendor,
    no_faults,
    serves,
)
from tornado_router.testing.shapes import describe

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CORE_HEADERS = {"host", "content-length", "transfer-encoding", "connection"}
_UNICODE = 'Привет 世界 🎉 e\u0301 \u2028 \u0085 "quoted" \\ back\tslash'


class RequestRules(Rules):
    """Requests: well formed, complete, and refused by name where they cannot be served."""

    def test_request_is_well_formed(self, player: Player) -> None:
        """Every request has an absolute URL, proper headers, and a body that is JSON.

        The core hands it to an HTTP client as it is. `Host`, `Content-Length` and the like are
        the client's own business. A body that is not JSON says so in its `Content-Type`.
        """
        needs_vendor(player)
        no_faults(
            f"{label}: {fault}"
            for label, _, request in self.built(player)
            for fault in _form_faults(request)
        )

    def test_request_leaves_the_call_alone(self, player: Player) -> None:
        """Building a request does not change the call's body.

        Another provider may be tried with the same body after a failure. Build new objects;
        `{**message, ...}` copies one level only.
        """
        faults = []
        for sample, endpoint in self.samples(player.provider):
            call = self.call(sample.body, endpoint)
            before = copy.deepcopy(call.body), call.raw, call.model
            with suppress(Exception):  # other rules report it
                player.request(call)
            if before != (call.body, call.raw, call.model):
                faults.append(f"{sample.label}: the call is not what it was")
        no_faults(faults)

    def test_request_names_the_target_model(self, player: Player) -> None:
        """The vendor is asked for `call.model`, and never sees the client's own name for it.

        The operator maps one to the other in router.toml. `call.body["model"]` is the client's.
        """
        needs_vendor(player)
        faults = []
        for label, call, request in self.built(player):
            body = sent_body(request).decode("utf-8", "replace")
            sent = f"{request.url} {unquote(request.url)} {body}"
            if CLIENT_MODEL in sent:
                faults.append(f"{label}: the client's name of the model is sent")
            if call.model not in sent:
                faults.append(f"{label}: `call.model` ({call.model}) is not sent")
        no_faults(faults)

    def test_request_keeps_text_as_it_is(self, player: Player) -> None:
        """What the client writes reaches the vendor whole, in every script.

        U+2028 and U+0085 are text, not ends of lines; nothing is normalised, escaped twice or
        cut. Make the body with `dump_json`.
        """
        needs_vendor(player)
        serves(player.provider)
        call = self.call(corpus.chat(corpus.says("user", _UNICODE)))
        request = _or_skip(player, call)
        if not _is_json(request):
            pytest.skip("the body is not JSON")
        found = [value for _, value in texts(orjson.loads(sent_body(request)))]
        assert any(_UNICODE in value for value in found), (
            f"no text in the request is the client's {_UNICODE!r}"
        )

    def test_plain_conversation_is_served(self, player: Player) -> None:
        """What every client sends is served: system messages, turns, parts, null for an option.

        Clients send `null` for what they do not use, and send responses back with all their fields.
        A field that is null is absent: `Params` takes it so.
        """
        faults = []
        for sample, endpoint in self.samples(player.provider, plain=True):
            try:
                player.request(self.call(sample.body, endpoint))
            except Exception as error:  # noqa: BLE001 - reported below
                faults.append(f"{sample.label}: {describe(error)}")
        no_faults(faults)

    def test_capability_is_served(self, player: Player, capability: str) -> None:
        """A request that needs a declared capability is served, not refused.

        A client that reads `tools` in the list of models sends tools. Translate them, or take
        the word out of `capabilities`.
        """
        declares(player.provider, capability)
        faults = []
        for sample in corpus.CAPABLE if capability != "stream" else corpus.PLAIN:
            declared = player.provider.capabilities[CHAT]
            wanted = capability in sample.needs or capability == "stream"
            if wanted and sample.needs <= set(declared):
                try:
                    player.request(self.call(sample.body, stream=capability == "stream"))
                except Exception as error:  # noqa: BLE001 - reported below
                    faults.append(f"{sample.label}: {describe(error)}")
        no_faults(faults)

    def test_parameter_is_used_or_refused(self, player: Player) -> None:
        """Each parameter changes the request, or is refused by its name.

        If one is dropped without notice, the client believes that it had an effect. Read the body
        with `Params`: it knows what was not taken. Name parameters that do not change the
        response, such as `user`, among its `hints`.
        """
        serves(player.provider)
        no_faults(self._probe(player, probe) for probe in PROBES)

    def test_parameter_is_dropped_where_allowed(self, player: Player) -> None:
        """With `unsupported = "drop"` nothing is refused for being unsupported, but reported.

        The operator chose it, and the client reads what was left out in a header, from
        `call.dropped`. Refuse by `Params.unsupported(path)`, which knows of the choice; never
        raise an `unsupported_parameter` yourself.
        """
        serves(player.provider)
        no_faults(self._probe(player, probe, drop=True) for probe in PROBES)

    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    def test_any_request_is_served_or_refused(self, player: Player, endpoint: str) -> None:
        """Every valid request is served, or refused with the `param` at fault; nothing crashes.

        The requests are made up: they fit OpenAI's schema, and are as odd as it allows. Look
        before you index: content may be null, a string or parts of unknown types, and
        arguments need not be JSON. Refuse with `Params.unsupported(path)`, or with
        `ApiError(400, message, param=path)`.
        """
        serves(player.provider, endpoint)
        requests = generated.requests(endpoint)
        assert requests is not None

        @settings(
            max_examples=self.examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(requests)
        def check(body: dict[str, Any]) -> None:
            fault = self._refusal_fault(player, body, endpoint)
            assert fault is None, fault

        no_faults(
            f"{sample.label}: {fault}"
            for sample, of_endpoint in self.samples(player.provider)
            if of_endpoint == endpoint
            and (fault := self._refusal_fault(player, sample.body, endpoint))
        )
        check()

    def _refusal_fault(self, player: Player, body: Mapping[str, Any], endpoint: str) -> str | None:
        try:
            player.request(self.call(body, endpoint))
        except ApiError as error:
            if not error.param:
                return f"it is refused without `param`: {describe(error)}"
            if not 400 <= error.status < 500:
                return f"a request is refused with 4xx, not {error.status}"
        except Exception as error:  # noqa: BLE001 - the caller reports it
            return f"it crashes: {describe(error)}"
        return None

    def _probe(self, player: Player, probe: Probe, *, drop: bool = False) -> str | None:
        """What is wrong with how one parameter is treated."""
        how: Any = {"unsupported": "drop" if drop else "reject"}
        absent, _ = _try(player, self.call(probe.absent, **how))
        given, error = _try(player, call := self.call(probe.given, **how))
        if error is not None:
            return _probe_refused(probe, error, drop=drop, base_refused=absent is None)
        named = any(probe.is_named(path) for path in call.dropped)
        if named or player.in_process or absent is None or given is None:
            return None
        if _same(absent, given) and not _same(absent, _or_skip(player, self.call(probe.absent))):
            pytest.skip("each request is another, so they cannot be compared")
        return f"{probe.name} is lost without notice" if _same(absent, given) else None


def _try(player: Player, call: Call) -> tuple[Any, Exception | None]:
    """What is sent for a call (something, if in process), or why nothing is."""
    try:
        return player.request(call) or "served in process", None
    except Exception as error:  # noqa: BLE001 - the rule looks at it
        return None, error


def _probe_refused(probe: Probe, error: Exception, *, drop: bool, base_refused: bool) -> str | None:
    if not isinstance(error, ApiError):
        return f"{probe.name}: {describe(error)}"
    if drop:
        return f"{probe.name} is refused, though it may be dropped: {describe(error)}"
    if base_refused:
        return None  # something that the parameter needs is refused already
    if error.param is None or not probe.is_named(error.param):
        return f"{probe.name} is refused, but `param` is {error.param!r}"
    return None


def _same(one: UpstreamRequest, other: UpstreamRequest) -> bool:
    return (one.url, one.method, _value(one), dict(one.headers)) == (
        other.url,
        other.method,
        _value(other),
        dict(other.headers),
    )


def _value(request: UpstreamRequest) -> Any:
    return orjson.loads(sent_body(request)) if _is_json(request) else request.body


def _or_skip(player: Player, call: Call) -> UpstreamRequest:
    request, error = _try(player, call)
    if not isinstance(request, UpstreamRequest):
        pytest.skip(f"a plain request is not served: {describe(error)}")
    return request


def _is_json(request: UpstreamRequest) -> bool:
    if not isinstance(request.body, bytes):
        return False
    try:
        json.loads(request.body)
    except ValueError:
        return False
    return True


def _form_faults(request: UpstreamRequest) -> Iterator[str]:
    url = urlsplit(request.url)
    if url.scheme not in ("http", "https") or not url.hostname or url.fragment:
        yield f"{request.url!r} is not an absolute URL"
    if url.username or url.password:
        yield "the URL holds credentials"
    if not request.method.isupper() or not _TOKEN.fullmatch(request.method):
        yield f"{request.method!r} is not an HTTP method"
    yield from header_faults(request.headers)
    kinds = {str(name).lower(): str(value) for name, value in request.headers.items()}
    if isinstance(request.body, Parts):
        if "content-type" in kinds:
            yield "the core sets the `Content-Type` of a form, as it holds the boundary"
        yield from _part_faults(request.body)
    elif type(request.body) is not bytes:
        yield "the body is neither bytes nor `Parts`"
    elif request.body and "json" in kinds.get("content-type", "json") and not _is_json(request):
        yield "the body is not JSON, though no `Content-Type` says otherwise"
    elif request.body and "content-type" not in kinds:
        yield "there is no `Content-Type`"


def header_faults(headers: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with headers that a provider adds to a request."""
    for name, value in headers.items():
        if {type(name), type(value)} - {str}:
            yield f"the header {name!r} is not text"
            continue
        if not _TOKEN.fullmatch(name) or re.search(r"[\r\n\x00]", value):
            yield f"the header {name!r} cannot be sent"
        if name.lower() in _CORE_HEADERS:
            yield f"the header {name!r} is set by the core"


def _part_faults(parts: Parts) -> Iterator[str]:
    for part in parts.parts:
        if not part.name:
            yield "a part of the form has no name"
        if part.content_type is not None and "/" not in part.content_type:
            yield f"the part `{part.name}` has the content type {part.content_type!r}"
