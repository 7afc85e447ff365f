"""Rules about every endpoint but chat completions, by what its `Endpoint` object knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.openai_format import ChoicesEndpoint
from tornado_router.testing import shapes
from tornado_router.testing.recordings import Recording
from tornado_router.testing.replay import Player
from tornado_router.testing.rules.base import Rules, no_faults, serves
from tornado_router.testing.shapes import describe


class EndpointRules(Rules):
    """Responses in the format of their endpoint, whole and streamed."""

    def test_response_fits_its_endpoint(self, player: Player, other: Recording) -> None:
        """A whole response is what OpenAI's API promises: the schema `ENDPOINT.response`.

        The core reads it as it will for a client. Usage, where the endpoint has any, adds up; few
        vendors report what a sound took, so its length may stand for it, and images are counted.
        """
        _skip_unless(other, streamed=False)
        response = self.response(player, other)
        fault = shapes.misfit(f"{other.endpoint}.response", response)
        assert fault is None, fault
        endpoint, call = ENDPOINTS[other.endpoint], self.recorded_call(other)
        encoded = endpoint.whole(call, response)
        if any(endpoint.ask(call).prompt()) and not (call.files or endpoint.is_media):
            assert not encoded.usage.estimated, "there is no `usage` that the core can read"

    def test_stream_fits_its_endpoint(self, player: Player, other: Recording) -> None:
        """Every chunk of a stream is what the API of its endpoint promises, and usage is reported.

        The core asks for usage in every stream of choices: one chunk at the end, `choices: []`.
        """
        _skip_unless(other, streamed=True)
        chunks = self._chunks(player, other)
        endpoint = ENDPOINTS[other.endpoint]
        schema = endpoint.documentation.chunk
        faults = [shapes.misfit(schema, chunk) for chunk in chunks]
        no_faults(f"chunk {index}: {fault}" for index, fault in enumerate(faults) if fault)
        if isinstance(endpoint, ChoicesEndpoint):
            with_usage = [index for index, chunk in enumerate(chunks) if chunk.get("usage")]
            assert with_usage == [len(chunks) - 1], f"`usage` is in the chunks {with_usage}"
            assert chunks[-1].get("choices") == [], "the chunk with `usage` has choices"
        encoder = endpoint.encoder(self.recorded_call(other))
        for chunk in chunks:
            encoder.encode(chunk)
        assert encoder.complete, "no chunk is the last of a response"
        assert not encoder.usage().estimated, "there is no usage that the core can read"

    def test_stream_of_endpoint_equals_response(self, player: Player, other: Recording) -> None:
        """A stream, joined, is what the whole response of the same name is.

        Two recordings of one name claim to be one response: choose a question with one response,
        or give them two names.
        """
        _skip_unless(other, streamed=True)
        pairs = [
            item
            for item in self.load_recordings()
            if (item.name, item.endpoint) == (other.name, other.endpoint) and not item.streamed
        ]
        if not pairs:
            pytest.skip(f"there is no {other.name}.http")
        endpoint = ENDPOINTS[other.endpoint]
        encoder = endpoint.encoder(self.recorded_call(other))
        events = b"".join(map(encoder.encode, self._chunks(player, other))) + encoder.finish()
        streamed = shapes.parts(endpoint.join(events))
        whole = shapes.parts(self.response(player, pairs[0]))
        same = [
            {name: part.get(name) for name in made}
            for made, part in zip(streamed, whole, strict=False)
        ]
        assert len(streamed) == len(whole), f"{len(streamed)} of {len(whole)} parts are streamed"
        assert streamed == same, f"streamed, it is {streamed}; whole, it is {same}"

    def _chunks(self, player: Player, recording: Recording) -> list[Mapping[str, Any]]:
        serves(player.provider, recording.endpoint)
        outcome = player.stream(self.recorded_call(recording), recording.response)
        assert outcome.error is None, describe(outcome.error)
        return outcome.chunks


def _skip_unless(recording: Recording, *, streamed: bool) -> None:
    if recording.streamed is not streamed:
        pytest.skip("it is " + ("streamed" if recording.streamed else "not streamed"))
