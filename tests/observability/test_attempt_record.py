"""What is noted of an attempt."""

import asyncio

import pytest

from tornado_router.observability.attempt_record import (
    MAX_CHOICES,
    MAX_TEXT,
    AttemptRecord,
    RecordingClient,
)
from tornado_router.provider import Relayed, UpstreamRequest


@pytest.fixture
def record():
    return AttemptRecord("up", "openai", "gpt-5.2")


def finish(*reasons):
    return [{"index": 0, "finish_reason": reason} for reason in reasons]


def test_a_whole_answer(record):
    record.read([{"id": "a1", "model": "gpt-5.2-2026", "choices": finish("stop", "length")}])
    assert (record.response_id, record.response_model) == ("a1", "gpt-5.2-2026")
    assert record.finish_reasons == ["stop", "length"]


def test_a_stream(record):
    record.read([Relayed({"id": "", "model": "", "choices": []}, b"")])  # as Azure begins
    record.read([Relayed({"id": "a1", "model": "m", "choices": finish(None)}, b"")])
    record.read([{"id": "a2", "model": "n", "choices": finish("tool_calls")}, {"choices": []}])
    assert (record.response_id, record.response_model) == ("a1", "m")
    assert record.finish_reasons == ["tool_calls"]


def test_a_message_of_anthropics_whole_and_streamed(record):
    record.read([{"type": "message_start", "message": {"id": "msg_1", "model": "claude"}}])
    record.read([{"type": "message_delta", "delta": {"stop_reason": "tool_use"}}])
    assert (record.response_id, record.response_model) == ("msg_1", "claude")
    assert record.finish_reasons == ["tool_use"]
    whole = AttemptRecord("up", "anthropic", "claude")
    whole.read([{"id": "msg_2", "model": "claude", "stop_reason": "end_turn", "content": []}])
    assert (whole.response_id, whole.finish_reasons) == ("msg_2", ["end_turn"])


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        [],
        {},
        {"id": 1, "model": [], "choices": None},
        {"choices": "stop"},
        {"choices": [None, {"finish_reason": 1}]},
    ],
)
def test_nonsense(record, nonsense):
    record.read([nonsense])
    assert (record.response_id, record.response_model, record.finish_reasons) == (None, None, [])


def test_what_a_vendor_says_is_bounded(record):
    record.read([{"id": "x" * 1000, "choices": finish(*["stop"] * 1000)}])
    assert len(record.response_id) == MAX_TEXT
    assert len(record.finish_reasons) == MAX_CHOICES


def test_it_ends_once(record):
    record.end()
    ended = record.ended
    record.end()
    assert record.ended == ended


def test_where_it_was_sent(record):
    class Client:
        async def send(self, request):
            return "answer"

        def stream(self, request):
            return "stream"

    client = RecordingClient(Client(), record)
    assert asyncio.run(client.send(UpstreamRequest("https://a/1", b"", {}))) == "answer"
    assert record.url == "https://a/1"
    assert client.stream(UpstreamRequest("https://a/2", b"", {})) == "stream"
    assert record.url == "https://a/2"
