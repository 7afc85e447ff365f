"""Rows of the request log: written, found and deleted."""

import pytest

from tornado_router.accounts import users
from tornado_router.errors import ApiError
from tornado_router.ledger import request_log_rows

from .exchanges import exchange, keep

pytestmark = pytest.mark.usefixtures("people")


def test_a_call_is_kept_once(storage):
    assert len(keep(storage, exchange(1), exchange(1), exchange(2))) == 2


def test_many_are_deleted_a_few_at_a_time(storage, monkeypatch):
    monkeypatch.setattr(request_log_rows, "ROWS_PER_TRANSACTION", 2)
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


def test_a_row_that_the_database_refuses_holds_up_nobody(storage, messages):
    bad = exchange(2, status=None)
    rows = keep(storage, exchange(1), bad, exchange(3))
    assert [row.call_id for row in rows] == ["req_1", "req_3"]
    assert messages == ["request log: req_2 cannot be written: IntegrityError"]


def test_calls_of_users_who_were_deleted_meanwhile_are_not_kept(storage):
    storage.call(lambda: users.delete_user(7))
    rows = keep(storage, exchange(1), exchange(2, user_id=7), exchange(3, user_id=99))
    assert [row.call_id for row in rows] == ["req_1"]


def test_rows_are_found_and_deleted(storage):
    keep(storage, exchange(1), exchange(2, user_id=7), exchange(3))

    def look(after=None, **chosen):
        rows = storage.call(lambda: request_log_rows.find_rows(chosen, 10, after))
        return [row.call_id for row in rows]

    assert look() == ["req_3", "req_2", "req_1"]
    assert look(user_id=7, request_id=None) == ["req_2"]
    assert look(request_id="client-3") == ["req_3"]
    (row,) = storage.call(lambda: request_log_rows.find_rows({"user_id": 7}, 1, None))
    assert "request" not in row.__data__
    first = storage.call(lambda: request_log_rows.find_rows({}, 1, None))[0].id
    assert look(after=first) == ["req_2", "req_1"]
    storage.call(lambda: request_log_rows.delete_row(first))
    with pytest.raises(ApiError):
        storage.call(lambda: request_log_rows.find_row(first))
    assert look() == ["req_2", "req_1"]


# Streams
