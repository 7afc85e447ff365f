"""`GET /usage`: whose calls, which of them, as JSON and as CSV."""

import asyncio
import csv
import datetime
import io
import socket
from decimal import Decimal

import orjson
import pytest
from loguru import logger
from tornado.httpclient import HTTPClientError
from tornado.httputil import url_concat

from tornado_router.accounts import keys, users
from tornado_router.config.options import LedgerOptions
from tornado_router.http import client_bounds
from tornado_router.http.handlers import usage
from tornado_router.ledger import usage_queries
from tornado_router.ledger.writer import Ledger
from tornado_router.storage.tables import ApiKey, UsageLog, User

from ...finished import EPOCH, finished

SPAN = {"from": "2026-11-01", "to": "2026-12-01"}
NO_MEDIA = {
    "audio_prompt_tokens": 0,
    "audio_completion_tokens": 0,
    "image_prompt_tokens": 0,
    "image_completion_tokens": 0,
    "images": 0,
    "seconds": 0.0,
    "characters": 0,
    "searches": 0,
}
MEDIA = ",".join(NO_MEDIA)
ROW = {
    "id": 1,
    "call_id": "req_1",
    "request_id": "client-1",
    "created_at": 1795514400,
    "endpoint": "chat.completions",
    "model": "fast",
    "provider": "openai",
    "target_model": "gpt-5.2-mini",
    "key_id": 1,
    "user_id": 1,
    "stream": True,
    "status": 200,
    "error_code": None,
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "cached_tokens": 3,
    "cache_write_tokens": 4,
    "reasoning_tokens": 2,
    **NO_MEDIA,
    "usage_estimated": False,
    "cache_hit": False,
    "cost": "0.000000025",
    "uncharged": "0",
    "prices": {"input": "1"},
    "duration_ms": 1500.0,
    "first_chunk_ms": 250.0,
}
SUMS = {
    "requests": 1,
    "errors": 0,
    "unpriced": 0,
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "cached_tokens": 3,
    "cache_write_tokens": 4,
    "reasoning_tokens": 2,
    **NO_MEDIA,
    "cost": "0.000000025",
}


@pytest.fixture
def people(app):
    """Ann (1) and Bob (2) with two keys each, and Ada (3), who is an administrator."""

    def create():
        for name in ("ann", "bob", "ada"):
            user = User.create(
                email=f"{name}@example.com",
                name="",
                password_hash="!",
                is_admin=name == "ada",
                credits=1000,  # their calls are paid from them
            )
            for number in (1, 2):
                keys.create_key(user, f"{name}'s {number}")

    app.storage.call(create)


@pytest.fixture
def write(app, people, tmp_path):
    def write(*calls):
        book = Ledger(app.storage, LedgerOptions(), tmp_path / "journal of the test")
        for item in calls:
            book.add(item)
        book.close()

    return write


def token_of(app, user_id):
    """The token of a session."""
    user = app.storage.call(lambda: User.get_by_id(user_id))
    return app.services.accounts.sessions.begin(user).token


@pytest.fixture
def get(app, people, http_client, base_url):
    """Asks as somebody; query parameters by name (`from_` for `from`)."""

    async def get(who="ann", query=(), **more):
        email = f"{who}@example.com"
        user = app.storage.call(lambda: User.get_or_none(User.email == email))
        token = token_of(app, user.id) if user else who
        parameters = {**dict(query), **{name.rstrip("_"): value for name, value in more.items()}}
        answer = await http_client.fetch(
            url_concat(f"{base_url}/usage", parameters),
            headers={"Authorization": f"Bearer {token}"},
            raise_error=False,
        )
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in answer.headers
        return answer

    return get


@pytest.fixture
def ask(get):
    """The JSON of an answer that must be good."""

    async def ask(who="ann", **parameters):
        answer = await get(who, SPAN, **parameters)
        assert answer.code == 200, answer.body
        assert answer.headers["Content-Type"] == "application/json"
        return orjson.loads(answer.body)

    return ask


@pytest.fixture
def read_csv(get):
    """The lines of a CSV that must be good, each a dictionary."""

    async def read_csv(who="ann", **parameters):
        answer = await get(who, SPAN, format="csv", **parameters)
        assert answer.code == 200, answer.body
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="usage.csv"'
        text = answer.body.decode()
        assert text.endswith("\r\n")
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))

    return read_csv


def call(number=1, at="2026-11-24 10:00:00", **fields):
    return finished(number, at, **{"prices": '{"input":"1"}'} | fields)


def error(answer):
    told = orjson.loads(answer.body)["error"]
    return answer.code, told["code"], told["param"]


def ids(body):
    return [row["id"] for row in body["data"]]


class TestCalls:
    @pytest.mark.gen_test
    async def test_are_listed_with_their_sums(self, ask, write):
        write(call())
        assert await ask() == {
            "object": "list",
            "from": 1793491200,
            "to": 1796083200,
            "totals": SUMS,
            "data": [ROW],
            "has_more": False,
            "next": None,
        }

    @pytest.mark.gen_test
    async def test_of_one_that_failed(self, ask, write):
        write(
            call(
                provider=None,
                target_model=None,
                status=404,
                error_code="model_not_found",
                prices=None,
                first_chunk=None,
            )
        )
        body = await ask()
        assert body["totals"] == SUMS | {"errors": 1}
        (row,) = body["data"]
        assert row == ROW | {
            "provider": None,
            "target_model": None,
            "status": 404,
            "error_code": "model_not_found",
            "prices": None,
            "first_chunk_ms": None,
        }

    @pytest.mark.gen_test
    async def test_when_there_are_none(self, ask):
        body = await ask()
        assert body["totals"] == dict.fromkeys(SUMS, 0) | {"cost": "0"}
        assert (body["data"], body["has_more"], body["next"]) == ([], False, None)

    @pytest.mark.gen_test
    async def test_come_in_pages_newest_first(self, ask, write):
        write(*(call(number, f"2026-11-24 10:00:{number:02}") for number in range(1, 26)))
        first = await ask()
        assert (ids(first), first["has_more"], first["next"]) == (list(range(25, 5, -1)), True, 6)
        write(call(99, "2026-11-24 11:00"))
        second = await ask(after=first["next"])
        assert (ids(second), second["has_more"], second["next"]) == ([5, 4, 3, 2, 1], False, None)
        assert second["totals"]["requests"] == 26
        assert ids(await ask(limit=2, after=4)) == [3, 2]

    @pytest.mark.gen_test
    async def test_are_chosen(self, ask, write):
        write(
            call(1),
            call(2, model="smart"),
            call(3, provider="google"),
            call(4, key_id=2),
            call(5, "2026-11-23 23:59:59"),
        )
        for parameters, expected in (
            ({}, [4, 3, 2, 1, 5]),
            ({"model": "smart"}, [2]),
            ({"model": "SMART"}, []),
            ({"provider": "google"}, [3]),
            ({"provider": "google", "model": "smart"}, []),
            ({"key_id": 2}, [4]),
            ({"key_id": 2, "user_id": 1}, [4]),
            ({"from_": "2026-11-24"}, [4, 3, 2, 1]),
            ({"to": "2026-11-24"}, [5]),
        ):
            body = await ask(**parameters)
            assert ids(body) == expected, parameters
            assert body["totals"]["requests"] == len(expected)

    @pytest.mark.gen_test
    async def test_of_a_revoked_key_are_still_there(self, ask, write, app):
        write(call())
        app.storage.call(lambda: keys.revoke(1))
        assert ids(await ask(key_id=1)) == [1]


class TestWhose:
    @pytest.fixture
    def calls(self, write):
        write(call(1), call(2, user_id=2, key_id=3), call(3, user_id=3, key_id=5))

    @pytest.mark.gen_test
    async def test_ones_own(self, ask, calls):
        for who, user_id in (("ann", 1), ("bob", 2)):
            for parameters in ({}, {"user_id": user_id}, {"key_id": 2 * user_id - 1}):
                body = await ask(who, **parameters)
                assert ids(body) == [user_id]
                assert body["totals"] == SUMS
            for grouping in ("day", "model", "provider", "key"):
                body = await ask(who, group_by=grouping)
                assert body["totals"] == SUMS
                assert [group["requests"] for group in body["data"]] == [1]

    @pytest.mark.parametrize("more", [{}, {"group_by": "day"}, {"format": "csv"}])
    @pytest.mark.gen_test
    async def test_nobody_elses(self, get, calls, more):
        for name, value, code in (
            ("user_id", 2, "user_not_found"),
            ("user_id", 3, "user_not_found"),
            ("user_id", 99, "user_not_found"),
            ("user_id", 10**14, "user_not_found"),
            ("key_id", 3, "key_not_found"),
            ("key_id", 99, "key_not_found"),
            ("key_id", 10**14, "key_not_found"),
        ):
            answer = await get("ann", {name: value}, **more)
            assert error(answer) == (404, code, None)
            what = "user" if name == "user_id" else "API key"
            told = orjson.loads(answer.body)["error"]["message"]
            assert told == f"There is no {what} {value}."  # as if there were none

    @pytest.mark.gen_test
    async def test_a_page_does_not_begin_behind_somebody_elses(self, get, calls):
        assert error(await get("ann", SPAN, after=2)) == (400, "invalid_value", "after")
        assert error(await get("ann", SPAN, after=99)) == (400, "invalid_value", "after")

    @pytest.mark.gen_test
    async def test_an_administrator_sees_everybodys(self, ask, calls):
        body = await ask("ada")
        assert (ids(body), body["totals"]["requests"]) == ([3, 2, 1], 3)
        assert ids(await ask("ada", user_id=2)) == [2]
        assert ids(await ask("ada", key_id=3)) == [2]
        assert ids(await ask("ada", user_id=2, key_id=3)) == [2]
        assert ids(await ask("ada", after=3)) == [2, 1]

    @pytest.mark.gen_test
    async def test_an_administrator_asks_for_what_there_is(self, get, calls):
        for parameters, code in (
            ({"user_id": 99}, "user_not_found"),
            ({"user_id": 10**14}, "user_not_found"),
            ({"key_id": 99}, "key_not_found"),
            ({"key_id": 10**14}, "key_not_found"),
            ({"user_id": 1, "key_id": 3}, "key_not_found"),
        ):
            assert error(await get("ada", **parameters)) == (404, code, None)

    @pytest.mark.gen_test
    async def test_what_a_deleted_account_used_stays_on_the_books(self, ask, calls, app):
        app.storage.call(lambda: users.delete_user(2))
        assert ids(await ask("ada", user_id=2)) == [2]
        groups = (await ask("ada", group_by="user"))["data"]
        assert {"user_id": 2, "email": "deleted:2", **SUMS} in groups

    @pytest.mark.gen_test
    async def test_a_token_is_needed(self, get, app, people):
        key = app.storage.call(lambda: keys.create_key(User.get_by_id(1), "laptop"))
        assert error(await get(key)) == (401, "token_required", None)
        assert error(await get("no token")) == (401, "invalid_token", None)


class TestGroups:
    @pytest.fixture
    def calls(self, write):
        write(
            call(1, cost=Decimal(1)),
            call(2, "2026-11-23 10:00", model="smart", provider="google", cost=Decimal(2)),
            call(3, key_id=2, provider=None, model="gone", status=404, cost=Decimal(0)),
            call(4, user_id=2, key_id=3, cost=Decimal(5)),
        )

    @pytest.mark.gen_test
    async def test_of_ones_own(self, ask, calls):
        one = SUMS | {"cost": "1"}
        two = SUMS | {"cost": "2"}
        none = SUMS | {"cost": "0", "errors": 1}
        both = {name: 2 * one[name] for name in SUMS} | {"cost": "1", "errors": 1}
        most = {name: 2 * one[name] for name in SUMS} | {"cost": "3", "errors": 0}
        for grouping, expected in {
            "day": [{"day": "2026-11-23", **two}, {"day": "2026-11-24", **both}],
            "model": [
                {"model": "smart", **two},
                {"model": "fast", **one},
                {"model": "gone", **none},
            ],
            "provider": [
                {"provider": "google", **two},
                {"provider": "openai", **one},
                {"provider": None, **none},
            ],
            "key": [
                {"key_id": 1, "key_name": "ann's 1", **most},
                {"key_id": 2, "key_name": "ann's 2", **none},
            ],
        }.items():
            body = await ask(group_by=grouping)
            assert body["data"] == expected
            assert (body["has_more"], body["next"]) == (False, None)
            assert body["totals"]["cost"] == "3"
            assert list(body["data"][0]) == [*expected[0]]

    @pytest.mark.gen_test
    async def test_by_user_are_an_administrators(self, ask, get, calls):
        body = await ask("ada", group_by="user")
        assert [(one["user_id"], one["email"], one["cost"]) for one in body["data"]] == [
            (2, "bob@example.com", "5"),
            (1, "ann@example.com", "3"),
        ]
        answer = await get("ann", group_by="user")
        assert error(answer) == (400, "invalid_value", "group_by")

    @pytest.mark.gen_test
    async def test_have_a_limit(self, ask, calls):
        body = await ask(group_by="model", limit=2)
        assert [group["model"] for group in body["data"]] == ["smart", "fast"]
        assert (body["has_more"], body["next"], body["totals"]["requests"]) == (True, None, 3)
        body = await ask(group_by="model", limit=3)
        assert body["has_more"] is False

    @pytest.mark.gen_test
    async def test_are_a_thousand_at_most(self, ask, write, read_csv):
        write(*(call(number, model=f"m{number}") for number in range(1001)))
        body = await ask(group_by="model")
        assert (len(body["data"]), body["has_more"], body["next"]) == (1000, True, None)
        assert body["totals"]["requests"] == 1001
        assert len(await read_csv(group_by="model")) == 1001


class TestQuery:
    @pytest.mark.sqlite_suffices
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("from", text) for text in ("yesterday", "2026-13-01", "2026-02-29", "2026-1-1")),
            *(("from", text) for text in ("2026-11-24T10:00:00", "2026-11-24T25:00:00Z", "-5")),
            *(("from", text) for text in ("2026-11-24T10:00:60Z", "1e9", "1.5", "5_0", "٣")),
            *(("from", text) for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T00:00:01Z")),
            *(("from", text) for text in ("9" * 15, "9" * 5000, "0000-01-01", "2026-11-24\n1")),
            *(("to", text) for text in ("now", "2026-11-31", "9999-12-31T23:00:00-05:00")),
            ("from", "2026-11-24T10:00:00+24:00"),
            *(("limit", text) for text in ("0", "101", "-1", "1.5", "all", "9" * 20)),
            *(("after", text) for text in ("-1", "x", "1'", "999", "9" * 15)),
            *(("key_id", text) for text in ("x", "-1", "1 OR 1=1", "9" * 20)),
            *(("user_id", text) for text in ("x", "-1", "ann@example.com")),
            *(("group_by", text) for text in ("hour", "Day", "day,model", "user", "key_id")),
            *(("format", text) for text in ("xml", "CSV")),
        ],
    )
    @pytest.mark.gen_test
    async def test_a_wrong_value_is_named(self, get, name, value):
        answer = await get("ann", {name: value})
        assert error(answer) == (400, "invalid_value", name)

    @pytest.mark.parametrize(
        ("parameters", "param"),
        [
            ({"from": "2026-11-24", "to": "2026-11-24"}, "from"),
            ({"from": "2026-11-25", "to": "2026-11-24"}, "from"),
            ({"from": "9999-01-01"}, "from"),
            ({"to": "0001-01-01"}, "to"),
            ({"group_by": "day", "after": "1"}, "after"),
            ({"group_by": "day", "limit": "1001"}, "limit"),
            ({"group_by": "day", "limit": "0"}, "limit"),
            ({"format": "csv", "limit": "5"}, "limit"),
            ({"format": "csv", "after": "5"}, "after"),
            ({"format": "csv", "group_by": "day", "limit": "5"}, "limit"),
        ],
    )
    @pytest.mark.gen_test
    async def test_values_that_do_not_go_together(self, get, parameters, param):
        assert error(await get("ann", parameters)) == (400, "invalid_value", param)

    @pytest.mark.gen_test
    async def test_a_parameter_that_there_is_not(self, get, http_client, base_url):
        for name in ("until", "From", "from ", "is_admin", "user"):
            assert error(await get("ann", {name: "1"})) == (400, "unknown_parameter", name)
        answer = await get("ann", [("model", "a")])
        assert answer.code == 200

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("2026-11-24", 1795478400),
            ("2024-02-29", 1709164800),
            ("1795514400", 1795514400),
            ("0", 0),
            ("2026-11-24T10:00:00Z", 1795514400),
            ("2026-11-24t10:00:00z", 1795514400),
            ("2026-11-24 10:00:00Z", 1795514400),
            ("2026-11-24T12:00:00+02:00", 1795514400),
            ("2026-11-24T12:00:00 02:00", 1795514400),  # a plus that nobody escaped
            ("2026-11-24T04:30:00-05:30", 1795514400),
            ("2026-11-24T10:00:00.25Z", 1795514400.25),
            ("2026-11-24T10:00:00.123456789Z", 1795514400.123456),
            ("0001-01-01", -62135596800),
            ("1969-12-31T23:59:59Z", -1),
        ],
    )
    @pytest.mark.gen_test
    async def test_times(self, get, text, seconds):
        answer = await get("ann", {"from": text, "to": "9999-12-31"})
        assert answer.code == 200, answer.body
        body = orjson.loads(answer.body)
        assert (body["from"], body["to"]) == (seconds, 253402214400)

    @pytest.mark.gen_test
    async def test_the_last_30_days_are_the_default(self, get, write):
        present = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        days = datetime.timedelta(days=1)
        write(
            call(1, present),
            call(2, present - 29.9 * days),
            call(3, present - 30.1 * days),
        )
        body = orjson.loads((await get()).body)
        assert ids(body) == [1, 2]
        assert body["totals"]["requests"] == 2
        assert body["to"] - body["from"] == 30 * 86400
        seconds = (present - EPOCH).total_seconds()
        assert seconds < body["to"] < seconds + 20
        # Before a `to` as well.
        body = orjson.loads((await get(to=str(int(seconds - 86400)))).body)
        assert ids(body) == [2, 3]
        body = orjson.loads((await get(to="0001-01-02")).body)
        assert (body["from"], body["data"]) == (-62135596800, [])


class TestCsv:
    @pytest.mark.gen_test
    async def test_has_every_field_of_a_call(self, read_csv, write):
        write(call())
        (line,) = await read_csv()
        assert line == {
            name: "" if value is None else str(value)
            for name, value in ROW.items()
            if name not in ("stream", "usage_estimated", "cache_hit", "prices")
        } | {
            "stream": "true",
            "usage_estimated": "false",
            "cache_hit": "false",
            "prices": '{"input":"1"}',
        }
        assert list(line) == list(ROW)

    @pytest.mark.gen_test
    async def test_has_a_header_when_there_is_nothing_else(self, get):
        answer = await get("ann", SPAN, format="csv")
        assert answer.body.decode() == ",".join(ROW) + "\r\n"

    @pytest.mark.gen_test
    async def test_has_all_calls_over_many_pages(self, read_csv, write, monkeypatch):
        monkeypatch.setattr(usage, "CSV_PAGE", 7)
        write(*(call(number, f"2026-11-24 10:{number:02}") for number in range(50)))
        write(*(call(100 + number, user_id=2, key_id=3) for number in range(20)))
        lines = await read_csv()
        assert [line["call_id"] for line in lines] == [f"req_{n}" for n in range(49, -1, -1)]
        assert len(await read_csv("ada")) == 70
        assert len(await read_csv("ada", key_id=3)) == 20

    @pytest.mark.gen_test
    async def test_has_no_formulas(self, read_csv, write, get):
        models = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "a=b", "'=1"]
        models += ['quoted "twice", and\r\nmore', "line\nbreak", '="x",\'', "ünï→"]
        write(*(call(number, model=model) for number, model in enumerate(models)))
        shown = [f"'{model}" for model in models[:8]] + models[8:]
        shown[models.index('="x",\'')] = "'=\"x\",'"
        lines = await read_csv()
        assert [line["model"] for line in reversed(lines)] == shown
        grouped = await read_csv(group_by="model")
        assert sorted(line["model"] for line in grouped) == sorted(shown)
        answer = await get("ann", SPAN, format="csv", model='quoted "twice", and\r\nmore')
        assert b'"quoted ""twice"", and\r\nmore"' in answer.body

    @pytest.mark.gen_test
    async def test_of_groups(self, get, write, ask):
        write(call(1, cost=Decimal(1)), call(2, key_id=2, provider=None, status=500))
        answer = await get("ann", SPAN, format="csv", group_by="key")
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.body.decode().splitlines() == [
            "key_id,key_name,requests,errors,unpriced,prompt_tokens,completion_tokens,"
            f"total_tokens,cached_tokens,cache_write_tokens,reasoning_tokens,{MEDIA},cost",
            "1,ann's 1,1,0,0,11,7,18,3,4,2,0,0,0,0,0,0.0,0,0,1",
            "2,ann's 2,1,1,0,11,7,18,3,4,2,0,0,0,0,0,0.0,0,0,0.000000025",
        ]
        for grouping in ("day", "model", "provider"):
            answer = await get("ann", SPAN, format="csv", group_by=grouping)
            (first, *_) = csv.DictReader(io.StringIO(answer.body.decode()))
            body = (await ask(group_by=grouping))["data"][0]
            assert first == {name: str(value) for name, value in body.items()}

    @pytest.mark.gen_test
    async def test_an_error_before_the_first_line_is_json(self, get, write, app, monkeypatch):
        write(call())
        monkeypatch.setattr(usage_queries, "list_calls", lambda *_: 1 / 0)
        answer = await get("ann", SPAN, format="csv")
        assert error(answer) == (500, "internal_error", None)
        assert answer.headers["Content-Type"] == "application/json"
        assert "Content-Disposition" not in answer.headers

    @pytest.mark.gen_test
    async def test_what_breaks_off_does_not_end_well(self, get, write, app, monkeypatch):
        monkeypatch.setattr(usage, "CSV_PAGE", 2)
        write(*(call(number) for number in range(10)))
        whole, pages = usage_queries.list_calls, []

        def break_off(*args):
            pages.append(args)
            return whole(*args) if len(pages) < 3 else 1 / 0

        monkeypatch.setattr(usage_queries, "list_calls", break_off)
        with pytest.raises((HTTPClientError, OSError)):
            (await get("ann", SPAN, format="csv")).rethrow()
        assert len(pages) == 3
        assert app.services.requests.count == 0
        monkeypatch.setattr(usage_queries, "list_calls", whole)
        assert (await get("ann", SPAN, format="csv")).code == 200

    @pytest.mark.parametrize("leaves", [True, False])
    @pytest.mark.gen_test
    async def test_ends_when_the_client_goes_away_or_does_not_read(
        self, write, app, http_server, http_port, monkeypatch, leaves
    ):
        monkeypatch.setattr(usage, "CSV_PAGE", 1)
        write(*(call(number) for number in range(200)))
        pages = []
        whole = usage_queries.list_calls

        def large(*args):
            pages.append(args)
            return [{**row, "model": "m" * 100_000} for row in whole(*args)]

        monkeypatch.setattr(usage_queries, "list_calls", large)
        token = token_of(app, 1)
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", http_port))
        reader, writer = await asyncio.open_connection(sock=sock)
        writer.write(
            b"GET /usage?format=csv&from=2026-11-01&to=2026-12-01 HTTP/1.1\r\nHost: x\r\n"
            + f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        await reader.readuntil(b"call_id")
        if leaves:
            writer.transport.abort()
        else:
            monkeypatch.setattr(client_bounds, "SWEEP_SECONDS", 0.01)
            app.services.bounds._stalled_seconds = 0.1
        logged = []
        sink = logger.add(logged.append, level="ERROR")
        assert await app.services.requests.finished(20)
        logger.remove(sink)
        writer.transport.abort()
        assert len(pages) < 200
        assert logged == []  # a client that leaves is not an error of the router


@pytest.mark.gen_test
async def test_no_other_method(http_client, base_url, app, people):
    token = token_of(app, 1)
    for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = await http_client.fetch(
            f"{base_url}/usage",
            method=method,
            headers={"Authorization": f"Bearer {token}"},
            raise_error=False,
            allow_nonstandard_methods=True,
        )
        assert (answer.code, answer.headers["Allow"]) == (405, "GET")


def test_rows_are_what_was_written(app, write):
    """Of the fixtures: the books are those that the router keeps."""
    write(call())
    assert app.storage.call(lambda: (UsageLog.select().count(), ApiKey.select().count())) == (1, 6)
