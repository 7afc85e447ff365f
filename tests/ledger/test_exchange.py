"""What the request log keeps of an exchange: no secret, and not more than it may."""

import orjson
import pytest

from tornado_router.observability.redaction import REDACTED, Redaction

from .exchanges import SECRET, delta, exchange, keep, stream

pytestmark = pytest.mark.usefixtures("people")


def test_secrets_are_taken_out_before_it_is_cut(storage):
    text = "x" * 235 + " " + SECRET
    (row,) = keep(storage, exchange(request=orjson.dumps({"a": text})), max_chars=256)
    assert row.request == f'{{"a":"{"x" * 235} {REDACTED}"}}'[:256]


def test_the_end_of_what_was_cut_off_is_not_kept(storage):
    response = orjson.dumps({"a": "yyy " * 250 + SECRET})[:-10]
    (row,) = keep(storage, exchange(response=response, response_bytes=5000))
    assert "sk-" not in row.response
    assert "yyy" in row.response
    assert row.response_bytes == 5000


def test_a_model_that_grows_by_its_redaction_is_cut(storage):
    (row,) = keep(storage, exchange(model="m" * 200), redact=["m"])
    assert row.model == (REDACTED * 200)[:255]


def test_what_cannot_be_read_is_kept_as_how_long_it_is(storage, monkeypatch, messages):
    def fail(*_, **__):
        raise RecursionError

    monkeypatch.setattr(Redaction, "body", fail)
    (row,) = keep(storage, exchange())
    assert (row.request, row.response_bytes) == ("[14 bytes that could not be read]", 15)
    assert messages == ["request log: a text was not readable: RecursionError"] * 2


def test_deep_json_holds_up_nobody(storage):
    deep = b"[" * 1000 + b"]" * 1000
    first, second = keep(storage, exchange(1, request=deep), exchange(2))
    assert first.request == "[2000 bytes that are not JSON]"
    assert second.request == '{"model":"m"}'


def test_half_a_surrogate_pair_is_no_reason_to_lose_a_row(storage):
    (row,) = keep(storage, exchange(model="a\ud800b"))
    assert row.model == "a?b"


def test_a_secret_across_chunks_is_taken_out(storage):
    events = stream(*(delta(content=character) for character in f"it is {SECRET}!"))
    (row,) = keep(storage, exchange(stream=True, response=events))
    assert f"it is {REDACTED}!" in row.response
    assert SECRET not in row.response


def test_a_secret_before_the_end_of_a_stream_that_was_cut_leaves_nothing(storage):
    texts = ("y" * 500, f" {SECRET} ", "x" * 250)
    events = stream(*(delta(content=text) for text in texts))
    (row,) = keep(storage, exchange(stream=True, response=events, response_bytes=10**6))
    text = orjson.loads(row.response)["choices"][0]["message"]["content"]
    assert "sk-" not in text
    assert text.startswith("y" * 500)


def test_arguments_of_a_tool_call_that_was_streamed_are_redacted_as_json(storage):
    def part(text):
        return delta(tool_calls=[{"index": 0, "function": {"arguments": text}}])

    events = stream(part('{"ema'), part('il": "ann", "n": 1}'))
    (row,) = keep(storage, exchange(stream=True, response=events), redact_fields=["email"])
    (call,) = orjson.loads(row.response)["choices"][0]["message"]["tool_calls"]
    assert orjson.loads(call["function"]["arguments"]) == {"email": REDACTED, "n": 1}


def test_the_end_of_a_stream_that_was_not_copied_whole_is_not_kept(storage):
    events = stream(*(delta(content="x") for _ in range(400)), *(delta(content=c) for c in SECRET))
    (row,) = keep(storage, exchange(stream=True, response=events[:-200], response_bytes=10**6))
    told = orjson.loads(row.response)
    assert told["cut_off"] is True
    text = told["choices"][0]["message"]["content"]
    assert text == "x" * len(text) != ""


def test_a_refused_stream_is_an_error_body(storage):
    (row,) = keep(storage, exchange(stream=True, status=429, response=b'{"error": {"code": "c"}}'))
    assert row.response == '{"error":{"code":"c"}}'


@pytest.mark.parametrize("is_stream", [False, True])
def test_of_a_response_that_is_bytes_only_the_size_is_kept(storage, is_stream):
    (row,) = keep(storage, exchange(stream=is_stream, response=b"", response_bytes=7000))
    assert (row.response, row.response_bytes) == ("[7000 bytes that are not text]", 7000)
