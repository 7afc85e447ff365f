"""Rules about what a provider declares, and whether its recordings show it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema
import orjson
import pytest

from tornado_router.endpoints import ENDPOINTS
from tornado_router.provider import Provider
from tornado_router.testing import shapes
from tornado_router.testing.corpus import CAPABILITIES
from tornado_router.testing.recordings import CHAT, Recording
from tornado_router.testing.replay import Player
from tornado_router.testing.replay_client import HttpUsedError
from tornado_router.testing.rules.base import Rules, declares, no_faults, secrets, serves

_SECRET_NAME = re.compile(r"(^|_)(key|token|secret|password|credentials?)$")
_CANARY_LENGTH = 12


class DeclarationRules(Rules):
    """The options, the capabilities, and the recordings that show them."""

    def test_options_are_declared(self, provider: Provider) -> None:
        """The schema of the options is sound, and the provider under test fits it.

        Operators read it and `tornado-router check` decides by it, so every option has a
        description, and one that holds a secret is `writeOnly`. The fixture has to give every
        secret a value of its own, such as `sk-canary-0123456789`: rules look for it where it
        must not be.
        """
        schema = provider.options_schema
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema.get("type") == "object", "`options_schema` has to be of type object"
        faults = [
            f"the option `{name}` {fault}"
            for name, option in schema.get("properties", {}).items()
            for fault in _option_faults(name, option, provider)
        ]
        faults += [
            f"the fixture's options: {error.message}"
            for error in jsonschema.Draft202012Validator(schema).iter_errors(dict(provider.options))
            if not any(secret in error.message for secret in secrets(provider))
        ]
        no_faults(faults)

    def test_capabilities_are_known(self, provider: Provider) -> None:
        """`capabilities` uses the words that the plugin API has.

        Routing and `tornado-router plugins` know no others. The words are in the docstring of
        `tornado_router.provider.Provider`.
        """
        assert provider.capabilities, "`capabilities` is empty: no call would ever come here"
        known = {CHAT: set(CAPABILITIES)}
        no_faults(
            f"`{word}` is not a capability of `{endpoint}`"
            for endpoint, words in provider.capabilities.items()
            for word in set(words) - known.get(endpoint, set())
        )

    def test_endpoint_is_served(self, provider: Provider, player: Player) -> None:
        """Every declared endpoint has a translator, and a recorded response.

        Without a translator every call of it fails; without a recording nothing shows that it
        works. Put one into `recordings/ENDPOINT/`. What is a part of an endpoint, as its counts of
        tokens are, needs none.
        """
        recorded = {item.endpoint for item in self.load_recordings() if not item.failed}
        faults = []
        for endpoint in provider.capabilities:
            if type(provider).send is Provider.send and endpoint not in provider.endpoints:
                faults.append(f"`{endpoint}` is declared but not among `endpoints`")
            if any(endpoint.startswith(f"{whole}.") for whole in ENDPOINTS):
                continue
            if endpoint in ENDPOINTS and ENDPOINTS[endpoint].is_socket:
                continue  # its sessions are not recorded
            if not provider.supports(endpoint):
                continue  # with these options, it is not offered
            if endpoint not in recorded or (self.recordings is None and not player.in_process):
                faults.append(f"you declare `{endpoint}`: record a response of it")
        no_faults(faults)

    def test_capability_is_shown(self, player: Player, capability: str) -> None:
        """Every declared capability is shown by a recording.

        A capability is a promise to clients, and most that are wrong were never tried: so each
        needs one real response of the vendor's that shows it. Record one, or take the word out of
        `capabilities`.
        """
        declares(player.provider, capability)
        evidence = _EVIDENCE[capability]
        if any(evidence(item, *self._shown(player, item)) for item in self._successes(player)):
            return
        pytest.fail(
            f"you declare `{capability}`: record {_WANTED[capability]}, or do not declare it",
            pytrace=False,
        )

    def test_recording_is_sound(self, provider: Provider, recording: Recording) -> None:
        """A recorded request is valid, and a recorded response holds no credentials.

        What a client could never send proves nothing, and recordings are published with the
        package. Take cookies and the names of accounts out of the headers; no rule needs them.
        """
        serves(provider, recording.endpoint)
        fault = shapes.misfit(f"{recording.endpoint}.request", recording.request)
        assert fault is None, f"{recording.name}.request.json: {fault}"
        headers = recording.response.headers if recording.response else {}
        no_faults(
            f"the header `{name}` is in the recording: take it out"
            for name in headers
            if name.lower() in ("set-cookie", "authorization", "x-api-key")
        )

    def test_recorded_response_is_read(self, player: Player, recording: Recording) -> None:
        """Every recorded response, whole or streamed, is read without an error.

        Recordings are real. The provider may refuse only what is recorded as an
        error: with another status than 2xx, or a name that begins with `error`.
        """
        serves(player.provider, recording.endpoint)
        if recording.streamed:
            declares(player.provider, "stream")
        error = player.failure(self.recorded_call(recording), recording.response)
        if isinstance(error, HttpUsedError):
            pytest.fail(f"`{recording.name}`: {error}", pytrace=False)
        if recording.failed:
            assert error is not None, "an error of the vendor's was taken for a response"
        elif error is not None:
            raise error

    def _successes(self, player: Player) -> list[Recording]:
        with_stream = "stream" in player.provider.capabilities[CHAT]
        return [
            item
            for item in self.load_recordings()
            if item.endpoint == CHAT and not item.failed and (with_stream or not item.streamed)
        ]

    def _shown(self, player: Player, recording: Recording) -> tuple[Mapping[str, Any], bool]:
        """The response of a recording, and whether a streamed one is needed to show anything."""
        must_stream = "stream" in player.provider.capabilities[CHAT]
        call = self.recorded_call(recording)
        if recording.streamed:
            return shapes.joined(player.stream(call, recording.response).chunks), must_stream
        try:
            return player.whole(call, recording.response), must_stream
        except Exception:  # noqa: BLE001 - the rule above reports it
            return {}, must_stream


def _option_faults(name: str, option: Mapping[str, Any], provider: Provider) -> list[str]:
    faults = []
    if not option.get("description"):
        faults.append("has no `description`")
    if _SECRET_NAME.search(name) and not option.get("writeOnly"):
        faults.append("looks like a secret, but is not `writeOnly`")
    if option.get("writeOnly") and option.get("type", "string") == "string":
        value = provider.options.get(name)
        if not isinstance(value, str) or len(value) < _CANARY_LENGTH:
            faults.append(f"needs a value of {_CANARY_LENGTH} characters or more in the fixture")
    return faults


def _parts(recording: Recording) -> list[str]:
    """The types of the parts in what the client said."""
    return [
        str(part.get("type"))
        for message in shapes.items(recording.request, "messages")
        for part in shapes.items(message, "content")
    ]


def _has_tool_calls(recording: Recording, response: Any, must_stream: bool, count: int) -> bool:
    shown = len(shapes.tool_calls(response)) >= count
    return shown and (recording.streamed or not must_stream)


def _is_json(recording: Recording, response: Any, kind: str) -> bool:
    wanted = shapes.part(recording.request, "response_format")
    if wanted.get("type") != kind:
        return False
    try:
        value = orjson.loads(shapes.content(response))
        schema = shapes.part(wanted, "json_schema").get("schema")
        if schema:
            jsonschema.validate(value, schema)
    except (orjson.JSONDecodeError, jsonschema.ValidationError):
        return False
    return True


def _has_logprobs(response: Any) -> bool:
    return any(shapes.items(c.get("logprobs"), "content") for c in shapes.choices(response))


def _has_reasoned(response: Any) -> bool:
    details = shapes.part(shapes.part(response, "usage"), "completion_tokens_details")
    thoughts = (shapes.part(choice, "message") for choice in shapes.choices(response))
    return bool(details.get("reasoning_tokens")) or any(
        thought.get("reasoning_content") or thought.get("reasoning") for thought in thoughts
    )


_EVIDENCE: Mapping[str, Callable[[Recording, Any, bool], bool]] = {
    "stream": lambda recording, response, _: recording.streamed and bool(shapes.choices(response)),
    "tools": lambda recording, response, must: _has_tool_calls(recording, response, must, 1),
    "parallel_tools": lambda recording, response, must: _has_tool_calls(
        recording, response, must, 2
    ),
    "images": lambda recording, *_: "image_url" in _parts(recording),
    "audio": lambda recording, *_: "input_audio" in _parts(recording),
    "files": lambda recording, *_: "file" in _parts(recording),
    "json_object": lambda recording, response, _: _is_json(recording, response, "json_object"),
    "json_schema": lambda recording, response, _: _is_json(recording, response, "json_schema"),
    "logprobs": lambda _, response, __: _has_logprobs(response),
    "n": lambda _, response, __: len(shapes.choices(response)) > 1,
    "reasoning": lambda _, response, __: _has_reasoned(response),
}
_WANTED: Mapping[str, str] = {
    "stream": "a stream (`NAME.stream.http`)",
    "tools": "a response that calls a tool (streamed, if you declare `stream`)",
    "parallel_tools": "a response that calls two tools (streamed, if you declare `stream`)",
    "images": "a response to a request with an image",
    "audio": "a response to a request with `input_audio`",
    "files": "a response to a request with a file",
    "json_object": "a response in JSON, to a request with `response_format` json_object",
    "json_schema": "a response that fits its schema, to a request with one",
    "logprobs": "a response with log probabilities",
    "n": "a response with two choices",
    "reasoning": "a response with `reasoning_tokens` in its usage, or with `reasoning_content`",
}
