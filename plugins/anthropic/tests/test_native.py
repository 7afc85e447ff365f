"""Messages in the vendor's own format: what is sent is what the client sent."""

from __future__ import annotations

import orjson
import pytest

from tornado_router.provider import (
    ROUTER_SIGNATURE,
    Call,
    Event,
    ProviderError,
    Relayed,
    UpstreamResponse,
)
from tornado_router_anthropic import AnthropicProvider

from .support import KEY, recording

RAW = (
    b'{ "model" : "claude",\n "messages":[{"role":"user","content":"\\u00e9 1.0"}],'
    b' "max_tokens":9, "context_management" : {"edits": []} }'
)


def native(**options):
    return AnthropicProvider("anthropic", {"api_key": KEY, **options}).endpoints["messages"]


def call(raw=RAW, model="claude", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = orjson.loads(raw)
    return Call("r1", "messages", model, body, raw, bool(body.get("stream")), headers=named)


class TestRequest:
    def test_the_very_bytes_go_on(self):
        request = native().build_request(call())
        assert request.body == RAW
        assert request.url == "https://api.anthropic.com/v1/messages"

    def test_but_for_the_name_of_the_model(self):
        sent = native().build_request(call(model="claude-opus-5-5")).body
        assert b'"content":"\\u00e9 1.0"' in sent
        assert b'{"edits": []}' in sent
        assert orjson.loads(sent) == {**orjson.loads(RAW), "model": "claude-opus-5-5"}

    def test_headers_of_the_api_go_on_and_betas_of_both_sides(self):
        translator = native(beta=["a", "b"], version="2023-06-01")
        headers = translator.build_request(
            call(
                anthropic_beta="b, c ,,d",
                anthropic_version="2026-10-21",
                anthropic_workspace_id="w",
            )
        ).headers
        assert headers == {
            "Content-Type": "application/json",
            "x-api-key": KEY,
            "anthropic-beta": "a,b,c,d",
            "anthropic-version": "2026-10-21",
            "anthropic-workspace-id": "w",
        }

    def test_without_any_the_operators_hold(self):
        headers = native(beta=["a"]).build_request(call()).headers
        assert headers["anthropic-beta"] == "a"
        assert headers["anthropic-version"] == "2023-06-01"
        assert native().build_request(call(anthropic_beta="x, y")).headers["anthropic-beta"] == (
            "x, y"
        )

    def test_thoughts_that_the_router_signed_are_left_out(self):
        ours = {"type": "thinking", "thinking": "x", "signature": ROUTER_SIGNATURE}
        claudes = {"type": "thinking", "thinking": "y", "signature": "EqQB"}
        text = {"type": "text", "text": "hi"}
        messages = [
            {"role": "user", "content": f"what is {ROUTER_SIGNATURE}?"},
            {"role": "assistant", "content": [ours, text]},
            {"role": "assistant", "content": [ours]},
            {"role": "assistant", "content": [claudes, text]},
        ]
        body = {"model": "claude", "messages": messages, "max_tokens": 9}
        sent = native().build_request(call(orjson.dumps(body))).body
        assert orjson.loads(sent)["messages"] == [
            messages[0],
            {"role": "assistant", "content": [text]},
            messages[3],
        ]


class TestResponse:
    def test_the_vendors_bytes_go_on(self):
        response = recording("thinking_tools")
        body = native().parse_response(call(), response)
        assert isinstance(body, Relayed)
        assert body.raw == response.body

    @pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"content": "x"}'])
    def test_what_is_no_message_is_a_bad_answer(self, data):
        with pytest.raises(ProviderError) as caught:
            native().parse_response(call(), UpstreamResponse(200, {}, data))
        assert caught.value.code == "bad_provider_answer"

    def test_an_error_behind_a_status_200_is_one(self):
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        with pytest.raises(ProviderError) as caught:
            native().parse_response(call(), UpstreamResponse(200, {}, orjson.dumps(error)))
        assert caught.value.status == 529


class TestCount:
    RAW = b'{ "model":"claude", "messages":[{"role":"user","content":"\\u00e9"}] }'

    def counts(self, **options):
        provider = AnthropicProvider("anthropic", {"api_key": KEY, **options})
        return provider.endpoints["messages.count_tokens"]

    def test_is_asked_for_as_the_client_did_with_its_betas(self):
        request = self.counts().build_request(call(self.RAW, anthropic_beta="a"))
        assert request.url == "https://api.anthropic.com/v1/messages/count_tokens"
        assert request.body == self.RAW
        assert request.headers["anthropic-beta"] == "a"

    def test_is_a_number(self):
        response = UpstreamResponse(200, {}, b'{"input_tokens": 14}')
        assert self.counts().parse_response(call(self.RAW), response) == {"input_tokens": 14}
        with pytest.raises(ProviderError):
            self.counts().parse_response(call(self.RAW), UpstreamResponse(200, {}, b"{}"))


class TestStream:
    def feed(self, *chunks):
        parser = native().parse_stream(call())
        made = [item for chunk in chunks for item in parser.feed(Event(orjson.dumps(chunk)))]
        return parser, made

    def test_every_event_goes_on_pings_and_unknown_ones_too(self):
        events = [{"type": "ping"}, {"type": "future", "x": 1}, {"type": "message_stop"}]
        parser, made = self.feed(*events)
        assert [item.raw for item in made] == [orjson.dumps(event) for event in events]
        assert parser.done
        assert parser.finish() == ()

    def test_one_that_breaks_off_is_a_failure(self):
        parser, _ = self.feed({"type": "message_start"})
        with pytest.raises(ProviderError, match="breaks off"):
            parser.finish()

    def test_an_error_is_a_failure_and_has_the_retry_after_of_the_response(self):
        error = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}}
        response = UpstreamResponse(200, {"Retry-After": "7"}, b"")
        parser = native().open_stream(call(), response)
        with pytest.raises(ProviderError, match="Slow down") as caught:
            parser.feed(Event(orjson.dumps(error)))
        assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "7"})
