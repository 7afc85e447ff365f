"""What is kept of calls: which, how much of them, and for how long."""

import datetime

import pytest

from tornado_router.background import batch
from tornado_router.config.options import RequestLogOptions
from tornado_router.ledger import request_log
from tornado_router.ledger.request_log import RequestRecorder
from tornado_router.observability.redaction import Redaction
from tornado_router.storage.tables import RequestLog
from tornado_router.storage.values import now

from ..support import poll
from .exchanges import exchange, keep

pytestmark = pytest.mark.usefixtures("people")


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


def test_a_nul_is_no_reason_to_lose_a_row(storage):
    (row,) = keep(storage, exchange(request=rb'{"a": "\u0000"}', model="a\0b"))
    assert (row.request, row.model) == (r'{"a":"\u0000"}', "ab")


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


def test_what_waits_is_bounded(storage, monkeypatch):
    monkeypatch.setattr(request_log, "WAITING_BYTES", 100)
    assert 1 <= len(keep(storage, *map(exchange, range(10)))) < 10


def test_many_small_calls_are_written(storage, monkeypatch):
    monkeypatch.setattr(request_log, "FLUSH_SECONDS", 3600)
    assert len(keep(storage, *map(exchange, range(6000)))) == 6000


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
    assert messages[-1] == "request log: 3 were lost, as the database did not accept them"
