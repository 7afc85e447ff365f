"""Rules about whole responses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest

from tornado_router.provider import Call, UpstreamResponse
from tornado_router.testing import shapes
from tornado_router.testing.json_paths import replaced, texts
from tornado_router.testing.recordings import CHAT, Recording
from tornado_router.testing.replay import Player
from tornado_router.testing.rules.base import Rules, needs_vendor, no_faults, serves

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")

UNICODE = "Ünïcödé 世界 🎉 \u2028 \u2029 \u0085 e\u0301"
"""Replaces a text of the vendor's; a reader that splits lines as Python does breaks it."""


class ResponseRules(Rules):
    """Whole responses: what OpenAI's clients read from them."""

    def test_response_fits_the_schema(self, player: Player, whole: Recording) -> None:
        """A response is what OpenAI's API promises: `chat.completions.response`.

        OpenAI's SDKs are generated from the same types, and a client trusts in them.
        """
        response = self.response(player, whole)
        fault = shapes.misfit(f"{CHAT}.response", response)
        assert fault is None, fault
        assert response.get("object") == "chat.completion", "`object` has to be `chat.completion`"
        assert response.get("id"), "`id` is empty"

    def test_response_holds_choices(self, player: Player, whole: Recording) -> None:
        """A response has choices, numbered from 0, each with a message of the assistant's."""
        found = shapes.choices(self.response(player, whole))
        numbers = [choice.get("index") for choice in found]
        roles = {shapes.part(choice, "message").get("role") for choice in found}
        assert found, "there are no `choices`"
        assert numbers == list(range(len(found))), f"the choices are numbered {numbers}"
        assert roles == {"assistant"}, f"the roles are {roles}"

    def test_response_counts_tokens(self, player: Player, whole: Recording) -> None:
        """`usage` is there, is no less than 0, and adds up.

        Credits and limits are settled with it. `prompt_tokens` includes what came from the
        vendor's cache, and `completion_tokens` the thoughts; the details never exceed them.
        """
        fault = shapes.usage_fault(self.response(player, whole).get("usage"))
        assert fault is None, fault

    def test_response_finishes_for_a_reason(self, player: Player, whole: Recording) -> None:
        """`finish_reason` is one of OpenAI's, and says `tool_calls` if tools are called.

        Agents go on by it: they call tools on `tool_calls`, and on nothing else. `length` and
        `content_filter` stay what they are, calls or not. (OpenAI says `stop` for the call of
        a tool that the client itself had named.)
        """
        no_faults(reason_faults(self.response(player, whole), whole))

    def test_response_calls_tools_completely(self, player: Player, whole: Recording) -> None:
        """Each tool call has an id of its own, a name that the client knows, and arguments.

        The client sends the result back by the id; a vendor that gives none needs one made up.
        Arguments are JSON in a string, `{}` if there are none.
        """
        no_faults(call_faults(self.response(player, whole), whole))

    def test_response_keeps_text_as_it_is(self, player: Player, whole: Recording) -> None:
        """The vendor's text reaches the client whole, in every script.

        The kit puts other words into the recorded response, as UTF-8 and as escapes, and looks
        for them in the result.
        """
        needs_vendor(player)
        said = shapes.content(self.response(player, whole))
        try:
            body = orjson.loads(whole.body)
        except orjson.JSONDecodeError:
            pytest.skip("the vendor does not respond in JSON")
        tried: list[str] = []
        for path, text in _spoken(body, said):
            if _survives(
                _replayed(self.recorded_call(whole), player, whole, replaced(body, path, UNICODE)),
                said,
                text,
                tried,
            ):
                return
        if not tried:
            pytest.skip("the text of this response is not found in what the vendor sent")
        pytest.fail(f"{UNICODE!r} became {min(tried, key=len)!r}", pytrace=False)

    def test_embeddings_match_their_input(self, player: Player, embedded: Recording) -> None:
        """There is one embedding for each input, in order, and the tokens are counted."""
        serves(player.provider, embedded.endpoint)
        response = self.response(player, embedded)
        fault = shapes.misfit(f"{embedded.endpoint}.response", response)
        assert fault is None, fault
        asked = embedded.request["input"]
        single = isinstance(asked, str) or isinstance(asked[0], int)
        numbers = [item.get("index") for item in shapes.items(response, "data")]
        assert numbers == list(range(1 if single else len(asked))), f"`index` goes {numbers}"
        fault = shapes.usage_fault(response.get("usage"), completion=False)
        assert fault is None, fault


def call_faults(response: Mapping[str, Any], recording: Recording) -> Iterator[str]:
    """What is wrong with the tool calls of a response."""
    known = {
        shapes.part(tool, str(tool.get("type"))).get("name")
        for tool in shapes.items(recording.request, "tools")
    }
    calls = shapes.tool_calls(response)
    ids = [call.get("id") for call in calls]
    if len(set(ids)) != len(ids) or not all(isinstance(ref, str) and ref for ref in ids):
        yield f"the ids of the tool calls are {ids}"
    cut_off = any(
        c.get("finish_reason") in ("length", "content_filter") for c in shapes.choices(response)
    )
    for call in calls:
        kind = str(call.get("type"))
        made = shapes.part(call, kind)
        if kind not in ("function", "custom") or made.get("name") not in known:
            yield f"the call {kind} `{made.get('name')}` names a tool that the client does not have"
        if kind == "function" and not cut_off and not _is_object(made.get("arguments")):
            yield f"the arguments {made.get('arguments')!r} are not a JSON object in a string"


def reason_faults(response: Mapping[str, Any], recording: Recording) -> Iterator[str]:
    """What is wrong with the finish reasons of a response."""
    choice_made = recording.request.get("tool_choice")
    named = isinstance(choice_made, Mapping) and choice_made.get("type") != "allowed_tools"
    for choice in shapes.choices(response):
        reason = choice.get("finish_reason")
        calls = shapes.items(shapes.part(choice, "message"), "tool_calls")
        if reason not in FINISH_REASONS:
            yield f"`finish_reason` is {reason!r}, which OpenAI does not know"
        elif calls and reason == "stop" and not named:
            yield "tools are called, but `finish_reason` is 'stop'"
        elif reason == "tool_calls" and not calls:
            yield "`finish_reason` is 'tool_calls', but no tool is called"


def _is_object(arguments: object) -> bool:
    try:
        return isinstance(arguments, str) and isinstance(json.loads(arguments), dict)
    except ValueError:
        return False


def _spoken(body: Any, said: str) -> list[tuple[Any, str]]:
    """Texts in a vendor's response that are part of its content, the longest first."""
    found = [(path, text) for path, text in texts(body) if len(text) > 1 and text in said]
    return sorted(found, key=lambda item: -len(item[1]))[:8]


def _survives(responses: list[Mapping[str, Any]], said: str, text: str, tried: list[str]) -> bool:
    """Whether the client reads the other words in place of a text."""
    shown = [shapes.content(response) for response in responses]
    # A text that changes nothing is not the content, only the same by chance.
    changed = [other for other in shown if other != said]
    tried += changed
    starts = [i for i in range(len(said)) if said.startswith(text, i)]
    wanted = {said[:i] + UNICODE + said[i + len(text) :] for i in starts}
    return bool(shown) and all(other in wanted for other in shown)


def _replayed(call: Call, player: Player, whole: Recording, body: Any) -> list[Mapping[str, Any]]:
    """The responses for another body in place of a recorded one, as UTF-8 and as escapes."""
    assert whole.response is not None
    responses = []
    for raw in (orjson.dumps(body), json.dumps(body).encode()):
        response = UpstreamResponse(whole.response.status, whole.response.headers, raw)
        try:
            responses.append(player.whole(call, response))
        except Exception:  # noqa: BLE001 - this text was not prose
            return []
    return responses
