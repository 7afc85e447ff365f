"""Rules about state that a provider needs back on the next turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from tornado_router.provider import Call
from tornado_router.testing import corpus, shapes
from tornado_router.testing.recordings import CHAT, Recording
from tornado_router.testing.replay import Player, make_call
from tornado_router.testing.rules.base import Rules, needs_vendor, serves

_REPLAYED = frozenset(
    {"role", "content", "refusal", "annotations", "audio", "function_call", "tool_calls"}
)
"""The fields of a message in https://platform.openai.com/docs/api-reference/chat/object."""


class MemoryRules(Rules):
    """`Call.keep` and `Call.memory`, as `Provider.remembers` declares."""

    def test_kept_state_belongs_to_tool_calls(self, player: Player, recording: Recording) -> None:
        """Kept state is JSON, under the ids of the response's tool calls.

        The core brings it back when the client sends those ids. It asks only providers that
        declare `remembers`, so one that keeps something has to.
        """
        serves(player.provider, recording.endpoint)
        if recording.failed:
            remembers = player.provider.remembers
            pytest.skip(
                "an error has no tool calls" if remembers else "`remembers` is not declared"
            )
        call, response = self._kept(player, recording)
        if not player.provider.remembers:
            assert not call.kept, "state is kept, but `remembers` is False"
            pytest.skip("`remembers` is not declared")
        orjson.dumps(call.kept)
        ids = {tool_call.get("id") for tool_call in shapes.tool_calls(response)}
        assert call.kept.keys() <= ids, f"kept under {sorted(call.kept.keys() - ids)}"

    def test_kept_state_comes_back(self, player: Player) -> None:
        """A tool call whose state was kept is sent to the vendor with that state.

        The kit goes on with each conversation that is recorded, with the memory and without:
        the two requests have to differ, and the one without must not crash, as memory has a
        time to live. A recording has to show it: one whose response calls a tool, with state.
        """
        if not player.provider.remembers:
            pytest.skip("`remembers` is not declared")
        needs_vendor(player)
        shown = False
        for recording in self.load_recordings():
            if recording.failed or not player.provider.supports(recording.endpoint):
                continue
            call, response = self._kept(player, recording)
            if call.kept:
                shown = True
                body = _next_turn(recording.request, response)
                with_memory = player.request(make_call(CHAT, body, memory=dict(call.kept)))
                without = player.request(make_call(CHAT, body))
                assert with_memory is not None
                assert without is not None
                assert with_memory.body != without.body, "the kept state is not sent back"
        assert shown, "you declare `remembers`: record a response whose tool call has state to keep"

    def _kept(self, player: Player, recording: Recording) -> tuple[Call, Mapping[str, Any]]:
        """A recorded call after it was served, and its response."""
        call = self.recorded_call(recording)
        if recording.streamed:
            return call, shapes.joined(player.stream(call, recording.response).chunks)
        try:
            return call, player.whole(call, recording.response)
        except Exception:  # noqa: BLE001 - test_recorded_response_is_read reports it
            return call, {}


def _next_turn(request: Mapping[str, Any], response: Mapping[str, Any]) -> dict[str, Any]:
    """The conversation after a response: the client replays it, with the results of its calls.

    Most clients keep the fields of OpenAI's messages alone.
    """
    given = shapes.part(shapes.choices(response)[0], "message")
    message = {name: value for name, value in given.items() if name in _REPLAYED}
    results = [corpus.result(str(call.get("id"))) for call in shapes.tool_calls(response)]
    return {**request, "messages": [*request["messages"], message, *results]}
