"""What is kept of calls: which, how much of them, and for how long."""

import datetime

import orjson
import pytest

from tornado_router import request_log
from tornado_router.config.options import RequestLogOptions
from tornado_router.db import RequestLog, Storage, now
from tornado_router.errors import ApiError
from tornado_router.redaction import REDACTED
from tornado_router.request_log import Exchange, RequestRecorder, read_stream

SECRET = "sk-abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def storage(place):
    storage = Storage(place.location)
    yield storage
    storage.close()


def exchange(number=1, **changes):
    response = changes.pop("response", b'{"choices": []}')
    values = {
        "call_id": f"req_{number}",
        "request_id": f"client-{number}",
        "user_id": 1,
        "key_id": 2,
        "endpoint": "chat.completions",
        "model": "m",
        "status": 200,
        "stream": False,
        "finished_at": 1_795_514_400.0,
        "request": b'{"model": "m"}',
        "response": response,
        "response_bytes": len(response),
    }
    return Exchange(**values | changes)


def keep(storage, *exchanges, tidy=False, **options):
    """What is in the table after some calls."""
    recorder = RequestRecorder(storage, RequestLogOptions(calls="all", **{"days": 1e5} | options))
    for item in exchanges:
        recorder.add(item)
    if tidy:
        recorder.tidy()
    recorder.close()
    return storage.call(lambda: list(RequestLog.select().order_by(RequestLog.id)))


@pytest.mark.parametrize(
    ("calls", "wanted"),
    [("none", "......"), ("chosen", "..yy.y"), ("all", "y.yy.y")],
)
def test_which_are_kept(calls, wanted):
    recorder = RequestRecorder(None, RequestLogOptions(calls=calls))
    cases = [(route, key) for route in (False, True) for key in (None, False, True)]
    assert "".join("y" if recorder.wants(*case) else "." for case in cases) == wanted
    recorder.close()


def test_a_row(storage):
    (row,) = keep(storage, exchange())
    assert (row.call_id, row.request_id, row.user_id, row.api_key_id) == ("req_1", "client-1", 1, 2)
    assert (row.request, row.response) == ('{"model":"m"}', '{"choices":[]}')
    assert (row.request_bytes, row.response_bytes, row.status) == (14, 15, 200)
    assert row.created_at == datetime.datetime(2026, 11, 24, 10)


def test_secrets_are_taken_out_before_it_is_cut(storage):
    text = "x" * 235 + " " + SECRET
    (row,) = keep(storage, exchange(request=orjson.dumps({"a": text})), max_bytes=256)
    assert row.request == f'{{"a":"{"x" * 235} {REDACTED}"}}'[:256]


def test_the_end_of_what_was_cut_off_is_not_kept(storage):
    response = orjson.dumps({"a": "y" * 1000 + SECRET})[:-10]
    (row,) = keep(storage, exchange(response=response, response_bytes=5000))
    assert "sk-" not in row.response
    assert "yyy" in row.response
    assert row.response_bytes == 5000


def test_a_nul_is_no_reason_to_lose_a_row(storage):
    (row,) = keep(storage, exchange(request=b'{"a": "\0"}', model="a\0b"))
    assert (row.request, row.model) == ('{"a": ""}', "ab")


def test_a_call_is_kept_once(storage):
    assert len(keep(storage, exchange(1), exchange(1), exchange(2))) == 2


def test_what_is_old_is_deleted(storage):
    old = now() - datetime.timedelta(days=3)
    times = [old.replace(tzinfo=datetime.UTC).timestamp(), datetime.datetime.now().timestamp()]
    items = [exchange(number, finished_at=moment) for number, moment in enumerate(times)]
    assert [row.call_id for row in keep(storage, *items, tidy=True, days=2)] == ["req_1"]


def test_the_oldest_of_too_many_are_deleted(storage):
    items = [exchange(number) for number in range(5)]
    rows = keep(storage, *items, tidy=True, max_rows=2)
    assert [row.call_id for row in rows] == ["req_3", "req_4"]


def test_what_waits_is_bounded(storage, monkeypatch):
    monkeypatch.setattr(request_log, "WAITING_BYTES", 100)
    assert 1 <= len(keep(storage, *map(exchange, range(10)))) < 10


def test_what_cannot_be_read_holds_up_nobody(storage):
    deep = b"[" * 1000 + b"]" * 1000
    rows = keep(storage, exchange(1, request=deep), exchange(2))
    assert [row.call_id for row in rows][-1] == "req_2"


def test_rows_are_found_and_deleted(storage):
    keep(storage, exchange(1), exchange(2, user_id=7), exchange(3))

    def look(after=None, **chosen):
        rows = storage.call(lambda: request_log.find_rows(chosen, 10, after))
        return [row.call_id for row in rows]

    assert look() == ["req_3", "req_2", "req_1"]
    assert look(user_id=7, request_id=None) == ["req_2"]
    first = storage.call(lambda: request_log.find_rows({}, 1, None))[0].id
    assert look(after=first) == ["req_2", "req_1"]
    storage.call(lambda: request_log.delete_row(first))
    with pytest.raises(ApiError):
        storage.call(lambda: request_log.find_row(first))
    assert look() == ["req_2", "req_1"]


# Streams


def stream(*chunks):
    return b"".join(b"data: %s\n\n" % orjson.dumps(chunk) for chunk in chunks) + b"data: [DONE]\n\n"


def delta(index=0, finish=None, **fields):
    return {"id": "c", "choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


def test_the_texts_of_a_stream_are_put_together():
    function = {"name": "f", "arguments": '{"a'}
    call = {"index": 0, "id": "t", "type": "function", "function": function}
    events = stream(
        delta(role="assistant", content="Grü"),
        delta(1, content="other"),
        delta(content="ße"),
        delta(tool_calls=[call]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '":1}'}}]),
        delta(finish="tool_calls"),
        {"id": "c", "choices": [], "usage": {"total_tokens": 3}},
    )
    assert read_stream(events) == {
        "stream": True,
        "id": "c",
        "usage": {"total_tokens": 3},
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": "Grüße",
                    "tool_calls": [
                        {
                            "id": "t",
                            "type": "function",
                            "function": {"name": "f", "arguments": '{"a":1}'},
                        }
                    ],
                },
            },
            {"index": 1, "message": {"content": "other"}},
        ],
    }


def test_an_error_on_the_way_is_kept():
    events = stream(delta(content="a")) + b'event: error\ndata: {"error": {"message": "m"}}\n\n'
    assert read_stream(events)["error"] == {"message": "m"}


@pytest.mark.parametrize("event", [b"5", b"[1]", b'{"choices": 5}', b'{"choices": [[]]}', b"{"])
def test_nonsense_in_a_stream_is_left_out(event):
    told = read_stream(stream(delta(content="a")) + b"data: " + event + b"\n\n")
    assert told["choices"][0]["message"] == {"content": "a"}


def test_a_secret_across_chunks_is_taken_out(storage):
    events = stream(*(delta(content=character) for character in f"it is {SECRET}!"))
    (row,) = keep(storage, exchange(stream=True, response=events))
    assert f"it is {REDACTED}!" in row.response
    assert SECRET not in row.response


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
