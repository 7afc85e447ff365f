"""Sums and lists of calls: exact to the last digit, and by indexes alone."""

import datetime
import random
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_router.accounts import keys, users
from tornado_router.config.options import LedgerOptions
from tornado_router.errors import ApiError
from tornado_router.ledger import usage_queries
from tornado_router.ledger.time_span import LATEST
from tornado_router.ledger.usage_queries import (
    COLUMNS,
    DAY,
    GROUPINGS,
    MAX_GROUPS,
    Filter,
    find_cursor,
    groups,
    list_calls,
    totals,
)
from tornado_router.ledger.writer import Ledger
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import SUMS, ApiKey, UsageLog, User
from tornado_router.storage.values import billionths, utc
from tornado_router.usage import QUANTITIES, RARE

from ..finished import finished
from .conftest import PLENTY

EVER = datetime.datetime(1, 1, 1), LATEST
NOTHING = dict.fromkeys(SUMS, 0)
FIRST_DAY = datetime.datetime(2024, 2, 28)  # of a leap year
TABLES = ["fast", "smart", "=1+1", "a 'quoted' \"one\" ?"]
PROVIDERS = ["openai", "google", None]


@pytest.fixture
def storage(place):
    storage = Storage(place.location)
    yield storage
    storage.close()


def call(number=1, at="2026-11-24 10:00:00", **fields):
    return finished(number, at, **fields)


def write(storage, *calls):
    """Writes calls as the router does, for two users with two keys each."""

    def create():
        if User.select().exists():
            return
        for number in (1, 2):
            user = User.create(
                email=f"user{number}@example.com", name="", password_hash="!", credits=PLENTY
            )
            for name in ("zeta", "alpha"):
                keys.create_key(user, f"{name}{number}")

    storage.call(create)
    book = Ledger(storage, LedgerOptions(), Path(storage.database.database).with_name("journal"))
    for item in calls:
        book.add(item)
    book.close()


def expected(calls):
    """The sums of calls, by plain Python."""
    return {
        "requests": len(calls),
        "errors": sum(one.status >= 400 for one in calls),
        "unpriced": sum(
            one.charge.prices is None
            and one.provider is not None
            and not one.cache_hit
            and one.usage.is_any
            for one in calls
        ),
        **{name: round(sum(getattr(one.usage, name) for one in calls), 3) for name in QUANTITIES},
        "cost": sum(one.charge.charged for one in calls),
    }


def ask(storage, function, *args, **filters):
    start, end = filters.pop("start", EVER[0]), filters.pop("end", EVER[1])
    return storage.call(lambda: function(Filter(start, end, **filters), *args))


class Crowd(NamedTuple):
    storage: Storage
    calls: list

    def __repr__(self):
        return "crowd"  # Hypothesis shows it with each example


@pytest.fixture(scope="module")
def crowd(tmp_path_factory, database_server):
    """Some hundred calls around a leap day, and the database that has them."""
    file = tmp_path_factory.mktemp("crowd") / "router.db"
    storage = Storage(database_server.create() if database_server else file)
    chance = random.Random(7)
    calls = []
    for number in range(600):
        user_id = chance.choice([1, 2])
        # Many are on the very border of a day, or beside it.
        at = FIRST_DAY + datetime.timedelta(days=chance.randrange(6))
        if chance.random() < 0.7:
            at += datetime.timedelta(seconds=chance.randrange(86400))
        at += datetime.timedelta(microseconds=chance.choice([0, 0, 15625, 500000, 984375]))
        calls.append(
            call(
                number,
                at,
                user_id=user_id,
                key_id=user_id * 2 - chance.choice([0, 1]),
                model=chance.choice(TABLES),
                provider=chance.choice(PROVIDERS),
                status=chance.choice([200, 200, 399, 400, 499, 502]),
                prompt_tokens=chance.choice([0, chance.randrange(1_000_000)]),
                completion_tokens=chance.choice([0, chance.randrange(1_000)]),
                cached_tokens=chance.randrange(1_000),
                cache_write_tokens=chance.randrange(1_000),
                reasoning_tokens=chance.randrange(1_000),
                cost=Decimal(chance.randrange(10**15)) / 10**9,
                image_completion_tokens=chance.choice([0, chance.randrange(1_000)]),
                images=chance.choice([0, 0, 4]),
                seconds=chance.choice([0, 0, chance.randrange(10**6) / 1000]),
                characters=chance.choice([0, 0, 4096]),
            )
        )
    write(storage, *calls)
    yield Crowd(storage, calls)
    storage.close()


moments = st.one_of(
    st.datetimes(FIRST_DAY - DAY, FIRST_DAY + 8 * DAY),
    st.integers(0, 8).map(lambda days: FIRST_DAY + days * DAY),
    st.integers(0, 8 * 86400).map(lambda seconds: FIRST_DAY + seconds * DAY / 86400),
    st.sampled_from([EVER[0], EVER[1], utc(0)]),
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "user_id": st.sampled_from([1, 2, 3]),
        "key_id": st.sampled_from([1, 2, 3, 4, 5]),
        "model": st.sampled_from([*TABLES, "none"]),
        "provider": st.sampled_from(["openai", "google", "none"]),
    },
)


def chosen_of(calls, start, end, only):
    return [
        one
        for one in calls
        if start <= utc(one.finished_at) < end
        and all(getattr(one, name) == value for name, value in only.items())
    ]


@settings(max_examples=150, deadline=None)
@given(st.tuples(moments, moments).filter(lambda two: two[0] != two[1]), filters)
def test_sums_are_those_of_the_rows_whatever_is_asked(crowd, two, only):
    storage, calls = crowd
    start, end = sorted(two)
    meant = chosen_of(calls, start, end, only)
    assert ask(storage, totals, start=start, end=end, **only) == expected(meant)
    attributes = {
        "day": lambda one: str(utc(one.finished_at).date()),
        "model": lambda one: one.model,
        "provider": lambda one: one.provider,
        "key": lambda one: one.key_id,
        "user": lambda one: one.user_id,
    }
    for grouping in GROUPINGS:
        overall, found = ask(storage, groups, grouping, start=start, end=end, **only)
        assert overall == expected(meant)
        value_of = attributes[grouping]
        values = {value_of(one) for one in meant}
        assert {group.value: group.sums for group in found} == {
            value: expected([one for one in meant if value_of(one) == value]) for value in values
        }
        assert len(found) == len(values)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(moments, moments).filter(lambda two: two[0] != two[1]), filters, st.integers(7, 400)
)
def test_pages_have_each_row_once(crowd, two, only, limit):
    storage, calls = crowd
    start, end = sorted(two)
    asked = {"start": start, "end": end, **only}

    def read(chosen):
        found, cursor = [], None
        while True:
            page = list_calls(chosen, limit, cursor)
            found += page[:limit]
            if len(page) <= limit:
                return found
            assert len(page) == limit + 1
            cursor = find_cursor(chosen, page[limit - 1]["id"])

    found = ask(storage, read, **asked)
    meant = chosen_of(calls, start, end, only)
    newest_first = sorted(meant, key=lambda one: one.finished_at)
    newest_first.reverse()
    assert [row["call_id"] for row in found] == [one.call_id for one in newest_first]
    assert sum(billionths(row["cost"]) for row in found) == ask(storage, totals, **asked)["cost"]


class TestSpan:
    @pytest.fixture
    def noon(self, storage):
        """One call at each border of a leap day, and one within."""
        write(
            storage,
            call(1, "2024-02-28 23:59:59.999999"),
            call(2, "2024-02-29 00:00:00"),
            call(3, "2024-02-29 12:00:00"),
            call(4, "2024-02-29 23:59:59.999999"),
            call(5, "2024-03-01 00:00:00"),
        )
        return storage

    @pytest.mark.parametrize(
        ("start", "end", "count"),
        [
            ("2024-02-29", "2024-03-01", 3),
            ("2024-02-28", "2024-02-29", 1),
            ("2024-03-01", "2024-03-02", 1),
            ("2024-02-29 00:00:00.000001", "2024-03-01", 2),
            ("2024-02-29", "2024-02-29 23:59:59.999999", 2),
            ("2024-02-29 12:00:00", "2024-02-29 12:00:00.000001", 1),
            ("2024-02-29 12:00:00.000001", "2024-02-29 12:00:00.000002", 0),
            ("2024-02-28 23:59:59.999999", "2024-02-29 00:00:00", 1),
            ("2024-02-28 23:59:59.999999", "2024-03-01 00:00:00.000001", 5),
            ("2024-02-28 00:00:01", "2024-03-01 23:00:00", 5),
            ("0001-01-01", "9999-12-31", 5),
            ("0001-01-01", "2024-02-29", 1),
            ("2024-03-01 00:00:00.000001", "9999-12-31", 0),
            ("9999-12-30", "9999-12-31", 0),
        ],
    )
    def test_begins_with_its_start_and_ends_before_its_end(self, noon, start, end, count):
        span = {
            "start": datetime.datetime.fromisoformat(start),
            "end": datetime.datetime.fromisoformat(end),
        }
        assert ask(noon, totals, **span)["requests"] == count
        assert len(ask(noon, list_calls, 100, **span)) == count
        for grouping in GROUPINGS:
            overall, found = ask(noon, groups, grouping, **span)
            assert overall["requests"] == sum(group.sums["requests"] for group in found) == count

    def test_of_whole_days_no_call_is_read(self, noon):
        span = {"start": datetime.datetime(2024, 2, 29), "end": datetime.datetime(2024, 3, 1)}
        noon.call(lambda: UsageLog.delete().execute())
        assert ask(noon, totals, **span)["requests"] == 3

    def test_today_until_now_costs_nothing(self, storage):
        present = datetime.datetime(2026, 11, 24, 15)
        days, edges = usage_queries._split(datetime.datetime(2026, 11, 20), present, present)
        assert days == (datetime.date(2026, 11, 20), datetime.date(2026, 11, 24))
        assert [(edge.start, edge.sign) for edge in edges] == [(present, "-")]

    @pytest.mark.parametrize("hour", range(24))
    def test_at_most_half_a_day_is_added_up_at_either_end(self, hour):
        start = datetime.datetime(2026, 11, 20, hour, 30)
        end = datetime.datetime(2026, 11, 22, hour, 30)
        _, edges = usage_queries._split(start, end, LATEST)
        assert len(edges) == 2
        assert all(edge.end - edge.start <= DAY / 2 for edge in edges)


class TestGroups:
    def test_what_cost_most_comes_first(self, storage):
        write(
            storage,
            call(1, model="b", cost=Decimal(1)),
            call(2, model="a", cost=Decimal(1)),
            call(3, model="c", cost=Decimal("0.5")),
            call(4, model="c", cost=Decimal("0.5")),
            call(5, model="d", cost=Decimal(3)),
            call(6, model="e", cost=Decimal(0)),
        )
        _, found = ask(storage, groups, "model")
        assert [group.value for group in found] == ["d", "c", "a", "b", "e"]
        assert {group.label for group in found} == {None}

    def test_days_are_in_order(self, storage):
        write(
            storage,
            call(1, "2026-11-24 10:00", cost=Decimal(9)),
            call(2, "2026-11-22 10:00", cost=Decimal(5)),
            call(3, "2026-11-23 10:00", cost=Decimal(7)),
        )
        # Ends within a day, which makes text of a part of the days and keeps others.
        end = datetime.datetime(2026, 11, 24, 11)
        for start in (datetime.datetime(2026, 11, 22, 9), datetime.datetime(2026, 11, 22)):
            _, found = ask(storage, groups, "day", start=start, end=end)
            assert [group.value for group in found] == ["2026-11-22", "2026-11-23", "2026-11-24"]

    def test_keys_have_names_and_users_addresses(self, storage):
        write(storage, call(1, key_id=1), call(2, key_id=2), call(3, user_id=2, key_id=3))
        _, found = ask(storage, groups, "key")
        assert [(group.value, group.label) for group in found] == [
            (2, "alpha1"),
            (1, "zeta1"),
            (3, "zeta2"),
        ]
        _, found = ask(storage, groups, "user")
        assert [(group.value, group.label) for group in found] == [
            (1, "user1@example.com"),
            (2, "user2@example.com"),
        ]

    def test_the_key_and_the_account_may_be_gone(self, storage):
        write(storage, call(1))
        storage.call(lambda: keys.revoke(1))
        storage.call(lambda: users.delete_user(1))
        assert ask(storage, groups, "key")[1][0][:2] == (1, "")
        assert ask(storage, groups, "user")[1][0][:2] == (1, "deleted:1")
        storage.call(lambda: ApiKey.delete().execute())
        storage.call(lambda: User.delete().execute())
        assert ask(storage, groups, "key")[1][0][:2] == (1, None)
        assert ask(storage, groups, "user")[1][0][:2] == (1, None)

    def test_calls_of_nobody_in_part_of_a_day(self, storage):
        write(storage, call(1), call(2, user_id=77, key_id=77, provider=None))
        hour = {
            "start": datetime.datetime(2026, 11, 24, 10),
            "end": datetime.datetime(2026, 11, 24, 11),
        }
        assert {group.value for group in ask(storage, groups, "key", **hour)[1]} == {1, None}
        assert {group.value for group in ask(storage, groups, "user", **hour)[1]} == {1, None}
        assert {g.value for g in ask(storage, groups, "provider", **hour)[1]} == {"openai", None}

    def test_a_group_whose_calls_are_all_outside_is_none(self, storage):
        write(storage, call(1, "2026-11-24 01:00", model="early"), call(2, "2026-11-24 12:00"))
        overall, found = ask(
            storage, groups, "model", start=datetime.datetime(2026, 11, 24, 2), end=LATEST
        )
        assert overall["requests"] == 1
        assert [group.value for group in found] == ["fast"]

    def test_there_are_a_thousand_at_most_and_the_totals_are_of_all(self, storage):
        write(storage, *(call(number, model=f"m{number}") for number in range(MAX_GROUPS + 5)))
        overall, found = ask(storage, groups, "model")
        assert (overall["requests"], len(found)) == (MAX_GROUPS + 5, MAX_GROUPS + 1)
        overall, found = ask(storage, groups, "model", 3)
        assert (overall["requests"], len(found)) == (MAX_GROUPS + 5, 4)
        overall, found = ask(storage, groups, "model", None)
        assert (overall["requests"], len(found)) == (MAX_GROUPS + 5, MAX_GROUPS + 5)

    def test_of_nothing(self, storage):
        for grouping in GROUPINGS:
            assert ask(storage, groups, grouping) == (NOTHING, [])
        assert ask(storage, totals) == NOTHING

    def test_sums_are_exact_beyond_what_a_float_holds(self, storage):
        cost = Decimal("4000000.000000001")
        write(storage, *(call(number, cost=cost) for number in range(1000)))
        part = datetime.datetime(2026, 11, 24, 23)
        for end in (LATEST, part):
            assert ask(storage, totals, end=end)["cost"] == 4_000_000_000_000_001_000
            assert (
                ask(storage, groups, "day", end=end)[1][0].sums["cost"] == 4_000_000_000_000_001_000
            )


class TestCalls:
    def test_a_row_says_what_the_call_was(self, storage):
        write(storage, call(prices='{"input":"1"}', uncharged=Decimal("0.5")))
        (row,) = ask(storage, list_calls, 10)
        assert tuple(row) == COLUMNS
        assert row == {
            "id": 1,
            "call_id": "req_1",
            "request_id": "client-1",
            "created_at": datetime.datetime(2026, 11, 24, 10),
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
            **dict.fromkeys(RARE, 0),
            "cache_hit": False,
            "usage_estimated": False,
            "cost": Decimal("0.000000025"),
            "uncharged": Decimal("0.5"),
            "prices": '{"input":"1"}',
            "duration_ms": 1500.0,
            "first_chunk_ms": 250.0,
        }

    def test_pages_stay_as_they_are_while_calls_are_added(self, storage):
        write(storage, *(call(number, f"2026-11-24 10:00:{number:02}") for number in range(10)))
        seen = ask(storage, list_calls, 4)[:4]
        # One newer than all, and one that was written late.
        write(storage, call(20, "2026-11-24 11:00"), call(21, "2026-11-24 10:00:07.5"))
        cursor = ask(storage, find_cursor, seen[-1]["id"])
        seen += ask(storage, list_calls, 100, cursor)
        assert [row["call_id"] for row in seen] == [f"req_{number}" for number in range(9, -1, -1)]

    def test_calls_of_one_moment_are_paged_too(self, storage):
        write(storage, *(call(number) for number in range(10)))
        first = ask(storage, list_calls, 3)[:3]
        rest = ask(storage, list_calls, 100, ask(storage, find_cursor, first[-1]["id"]))
        assert [row["id"] for row in first + rest] == list(range(10, 0, -1))

    def test_a_cursor_beyond_the_span_changes_nothing(self, storage):
        write(storage, call(1, "2026-11-20 10:00"), call(2, "2026-11-24 10:00"))
        cursor = ask(storage, find_cursor, 2)
        (row,) = ask(storage, list_calls, 5, cursor, end=datetime.datetime(2026, 11, 21))
        assert row["id"] == 1

    @pytest.mark.parametrize(("user_id", "call_id"), [(1, 2), (1, 99), (None, 99), (2, 1)])
    def test_a_cursor_is_a_call_of_ones_own(self, storage, user_id, call_id):
        write(storage, call(1), call(2, user_id=2, key_id=3))
        with pytest.raises(ApiError) as caught:
            ask(storage, find_cursor, call_id, user_id=user_id)
        assert (caught.value.status, caught.value.param) == (400, "after")

    def test_a_filter_is_a_value_and_no_sql(self, storage):
        write(storage, call(1), call(2, model="' OR '1'='1"))
        for model in ("' OR '1'='1", "x' OR 1=1 --", "%", "?", "fas_"):
            count = 1 if model == "' OR '1'='1" else 0
            assert ask(storage, totals, model=model)["requests"] == count
            assert len(ask(storage, list_calls, 5, model=model)) == count


@pytest.mark.sqlite
class TestIndexes:
    """What SQLite says it will do: whoever has much is not read from end to end."""

    @pytest.fixture
    def plan(self, storage):
        def plan(sql, values):
            def explain():
                cursor = storage.database.execute_sql(f"EXPLAIN QUERY PLAN {sql}", values)
                return [row[3] for row in cursor.fetchall()]

            steps = storage.call(explain)
            reads = [step for step in steps if "usage_" in step or "t1" in step]
            assert reads
            return reads, steps

        return plan

    SPAN = datetime.datetime(2026, 10, 25, 13), datetime.datetime(2026, 11, 24, 13)

    INDEXES = [  # noqa: RUF012
        ({"user_id": 1}, "user_id=? AND day>? AND day<?", "user_id=? AND created_at>?"),
        ({"key_id": 1}, "api_key_id=? AND day>? AND day<?", "api_key_id=? AND created_at>?"),
        (
            {"user_id": 1, "key_id": 1},
            "api_key_id=? AND day>? AND day<?",
            "api_key_id=? AND created_at>?",
        ),
        (
            {"user_id": 1, "model": "fast", "provider": "x"},
            "user_id=? AND day>? AND day<?",
            "user_id=? AND created_at>?",
        ),
        ({}, "day>? AND day<?", "(created_at>?"),
        ({"model": "fast"}, "day>? AND day<?", "(created_at>?"),
    ]

    @pytest.mark.parametrize(("only", "of_days", "of_calls"), INDEXES)
    @pytest.mark.parametrize("grouping", [None, *GROUPINGS])
    def test_of_sums(self, plan, only, of_days, of_calls, grouping):
        chosen = Filter(*self.SPAN, **only)
        if grouping is None:
            reads, _ = plan(*usage_queries._totals_query(chosen))
        else:
            reads, _ = plan(*usage_queries._groups_query(chosen, grouping, 10))
        days = [step for step in reads if "usage_days" in step]
        calls = [step for step in reads if "usage_logs" in step]
        assert len(days) == 1
        assert of_days in days[0]
        assert len(calls) >= 2
        for step in calls:
            assert step.startswith("SEARCH")
            assert of_calls in step

    @pytest.mark.parametrize(("only", "of_days", "of_calls"), INDEXES)
    @pytest.mark.parametrize("cursor", [None, (datetime.datetime(2026, 11, 20), 7)])
    def test_of_lists(self, plan, storage, only, of_days, of_calls, cursor):
        chosen = Filter(*self.SPAN, **only)
        reads, steps = plan(*usage_queries._calls_query(chosen, 20, cursor).sql())
        (step,) = reads
        assert step.startswith("SEARCH")
        assert of_calls in step
        assert "created_at<?" in step
        assert not any("ORDER BY" in step for step in steps)  # nothing is sorted

    def test_a_model_that_nobody_asked_for_is_not_looked_for(self, storage):
        write(storage, call(1))
        chosen = Filter(*self.SPAN, user_id=1, model="none")
        assert storage.call(lambda: usage_queries._narrowed(chosen)) is None
        chosen = Filter(*EVER, user_id=1, model="fast")
        narrowed = storage.call(lambda: usage_queries._narrowed(chosen))
        assert (narrowed.start, narrowed.end) == (
            datetime.datetime(2026, 11, 24),
            datetime.datetime(2026, 11, 25),
        )
