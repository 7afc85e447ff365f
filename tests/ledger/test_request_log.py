"""What is kept of calls: which, how much of them, and for how long."""

import datetime

import orjson
import pytest
from loguru import logger

from tornado_router.accounts import users
from tornado_router.background import batch
from tornado_router.config.options import RequestLogOptions
from tornado_router.errors import ApiError
from tornado_router.ledger import request_log
from tornado_router.ledger.request_log import Exchange, RequestRecorder
from tornado_router.observability.redaction import REDACTED, Redaction
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import RequestLog, User
from tornado_router.storage.values import now

from ..support import poll

SECRET = "sk-abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def storage(place):
    storage = Storage(place.location)
    storage.call(lambda: [make_user(number) for number in (1, 7)])
    yield storage
    storage.close()


def make_user(number):
    values = {"email": f"{number}@example.com", "name": "", "password_hash": "x"}
    return User.create(id=number, **values, plan="unlimited", is_admin=True)


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


@pytest.fixture
def messages():
    """The warnings and errors that are logged."""
    lines = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING")
    yield lines
    logger.remove(sink)


def keep(storage, *exchanges, tidy=False, **options):
    """What is in the table after some calls."""
    recorder = RequestRecorder(
        storage, RequestLogOptions(**{"calls": "all", "days": 1e5} | options)
    )
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
    (row,) = keep(storage, exchange(request=orjson.dumps({"a": text})), max_chars=256)
    assert row.request == f'{{"a":"{"x" * 235} {REDACTED}"}}'[:256]


def test_the_end_of_what_was_cut_off_is_not_kept(storage):
    response = orjson.dumps({"a": "yyy " * 250 + SECRET})[:-10]
    (row,) = keep(storage, exchange(response=response, response_bytes=5000))
    assert "sk-" not in row.response
    assert "yyy" in row.response
    assert row.response_bytes == 5000


def test_a_nul_is_no_reason_to_lose_a_row(storage):
    (row,) = keep(storage, exchange(request=rb'{"a": "\u0000"}', model="a\0b"))
    assert (row.request, row.model) == (r'{"a":"\u0000"}', "ab")


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


def test_what_is_old_is_deleted_when_nothing_is_logged_any_more(storage):
    keep(storage, exchange(1), exchange(2))
    assert keep(storage, tidy=True, calls="none", days=1) == []


def test_many_are_deleted_a_few_at_a_time(storage, monkeypatch):
    monkeypatch.setattr(request_log, "ROWS_PER_TRANSACTION", 2)
    steps = []
    writing = type(storage.database).writing

    def counted(database):
        steps.append(database)
        return writing(database)

    keep(storage, *map(exchange, range(7)))
    monkeypatch.setattr(type(storage.database), "writing", counted)
    assert keep(storage, tidy=True, calls="none", max_rows=2)[-1].call_id == "req_6"
    assert len(steps) == 3
    keep(storage, tidy=True, calls="none", max_rows=2)
    assert len(steps) == 3  # there was nothing to do, so nobody was locked out


def test_what_waits_is_bounded(storage, monkeypatch):
    monkeypatch.setattr(request_log, "WAITING_BYTES", 100)
    assert 1 <= len(keep(storage, *map(exchange, range(10)))) < 10


def test_many_small_calls_are_written(storage, monkeypatch):
    monkeypatch.setattr(request_log, "FLUSH_SECONDS", 3600)
    assert len(keep(storage, *map(exchange, range(6000)))) == 6000


def test_a_row_that_the_database_refuses_holds_up_nobody(storage, messages):
    bad = exchange(2, status=None)
    rows = keep(storage, exchange(1), bad, exchange(3))
    assert [row.call_id for row in rows] == ["req_1", "req_3"]
    assert messages == ["request log: req_2 cannot be written: IntegrityError"]


def test_a_model_that_grows_by_its_redaction_is_cut(storage):
    (row,) = keep(storage, exchange(model="m" * 200), redact=["m"])
    assert row.model == (REDACTED * 200)[:255]


def test_a_database_that_is_away_makes_no_work_twice(storage, monkeypatch, messages):
    monkeypatch.setattr(batch, "RETRY_SECONDS", 0.001)
    made, calls = [], []
    text, call = Redaction.text, storage.call
    monkeypatch.setattr(Redaction, "text", lambda *args: made.append(1) or text(*args))

    def away(work):
        calls.append(work)
        if len(calls) < 3:
            raise OSError("it is away")
        return call(work)

    monkeypatch.setattr(storage, "call", away)
    recorder = RequestRecorder(storage, RequestLogOptions(calls="all"))
    recorder.add(exchange(1))
    poll(lambda: len(calls) == 3)
    recorder.close()
    assert len(made) == 1
    assert len(call(lambda: list(RequestLog.select()))) == 1


def test_what_is_lost_at_the_end_is_told(storage, monkeypatch, messages):
    def away(work):
        raise OSError("it is away")

    monkeypatch.setattr(storage, "call", away)
    recorder = RequestRecorder(storage, RequestLogOptions(calls="all"))
    for number in range(3):
        recorder.add(exchange(number))
    recorder.close()
    assert messages[-1] == "request log: 3 were lost, as the database did not take them"


def test_calls_of_users_who_were_deleted_meanwhile_are_not_kept(storage):
    storage.call(lambda: users.delete_user(7))
    rows = keep(storage, exchange(1), exchange(2, user_id=7), exchange(3, user_id=99))
    assert [row.call_id for row in rows] == ["req_1"]


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


def test_rows_are_found_and_deleted(storage):
    keep(storage, exchange(1), exchange(2, user_id=7), exchange(3))

    def look(after=None, **chosen):
        rows = storage.call(lambda: request_log.find_rows(chosen, 10, after))
        return [row.call_id for row in rows]

    assert look() == ["req_3", "req_2", "req_1"]
    assert look(user_id=7, request_id=None) == ["req_2"]
    assert look(request_id="client-3") == ["req_3"]
    (row,) = storage.call(lambda: request_log.find_rows({"user_id": 7}, 1, None))
    assert "request" not in row.__data__
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
